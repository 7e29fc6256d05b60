"""The values that a consumer's `form` rules permit: senders, recipients, callback hosts and applications.

Which parameters are held to which rule is the catalogue's table (docs/design.md 4.4); `form_check.py` applies
it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.twilio.catalogue import ParameterClass

_CHANNEL: Final = re.compile(r"\A(?:whatsapp|rcs|sms|mms|messenger):", re.IGNORECASE)
# A host as every reader of URLs reads it; an international one is written in Punycode.
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
# Twilio takes HTTP authentication in callback URLs: https://www.twilio.com/docs/usage/security#http-authentication
_USER: Final = re.compile(r"[A-Za-z0-9._~-]+(?::[A-Za-z0-9._~!$&'()*+,=%-]*)?")
# One number and nothing beside it: `+1…;+4930…` begins with +1, too.
_NUMBER: Final = re.compile(r"\+[0-9][0-9 ().-]*")
_SHORT_CODE_DIGITS: Final = 6
# TwiML that only talks. Any other verb can dial, send, redirect or report (`Dial`, `Redirect`, `Stream` …).
_OUTSPOKEN: Final = re.compile(
    r"<(?!/?(?:Response|Say|Pause|Hangup|Reject|break|emphasis|lang|p|phoneme|prosody|s|say-as|sub|w)[\s/>])"
    # In UTF-7 and its like a bracket is written with other characters.
    r"(?!\?xml(?:\s++(?:version|standalone)\s*+=\s*+[\"'][\w.]++[\"']"
    r"|\s++encoding\s*+=\s*+[\"'](?i:utf-8|us-ascii|iso-8859-1)[\"'])*+\s*+\?>)"
)
# Twilio takes 4,000 characters of TwiML, and URLs no longer than that.
_MAX_TWIML_CHARACTERS: Final = 16_384
_MAX_URL_CHARACTERS: Final = 8_192
_MAX_ADDRESS_CHARACTERS: Final = 1_024
# What nearly every callback is: every reader agrees on its host.
_PLAIN_URL: Final = re.compile(r"https?://([a-z0-9.-]{1,253})(?::[0-9]{1,5})?(?:[/?#][!-\[\]-~]{0,4000})?")
_ODD_IN_URL: Final = re.compile(r"[\x00-\x20\\]")
_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})  # media streams go to a WebSocket

Check = Callable[[str], str]
"""A test of one value: '' if it is permitted, else what is wrong with it, to follow the parameter's name."""


@dataclass(frozen=True, slots=True)
class FormRules:
    """None means no rule. `recipients` are tests of a value as written: a number in E.164, or an address.

    `reports_unknown` lets parameters pass that are in no catalogue, and reports them.
    """

    senders: frozenset[str] | None = None
    messaging_services: frozenset[str] | None = None
    recipients: tuple[Callable[[str], bool], ...] | None = None
    callback_hosts: tuple[str, ...] | None = None
    applications: frozenset[str] | None = None
    reports_unknown: bool = False
    checks: Mapping[ParameterClass, Check] = field(init=False, repr=False, compare=False)
    """The test of each class of parameters that a rule concerns. Documents are checked by what is in them."""
    is_routed: bool = field(init=False, repr=False, compare=False)
    """Whether a rule could be evaded by what a URL, an application or a document tells Twilio to do."""

    def __post_init__(self) -> None:
        routed = (self.senders, self.messaging_services, self.recipients, self.callback_hosts)
        object.__setattr__(self, "is_routed", any(rule is not None for rule in routed))
        object.__setattr__(self, "checks", self._make_checks())

    def _make_checks(self) -> dict[ParameterClass, Check]:
        checks: dict[ParameterClass, Check] = {}
        if self.senders is not None or self.messaging_services is not None:
            # A rule for services alone means: send through these services, and not from a number.
            checks[ParameterClass.SENDER] = self._check_sender
            checks[ParameterClass.SERVICE] = self._check_service
        if self.recipients is not None:
            checks[ParameterClass.RECIPIENT] = self._check_recipient
        if self.callback_hosts is not None:
            checks[ParameterClass.CALLBACK] = self._check_callback
        if self.is_routed:
            checks[ParameterClass.INSTRUCTIONS] = self._check_instructions
            checks[ParameterClass.TWIML] = _check_twiml
        if self.is_routed or self.applications is not None:
            checks[ParameterClass.APPLICATION] = self._check_application
        return checks

    def _check_sender(self, value: str) -> str:
        if not value or value in (self.senders or ()):
            return ""
        return "is not a sender that this consumer may use"

    def _check_service(self, value: str) -> str:
        if not value or value in (self.messaging_services or ()):
            return ""
        return "is not a Messaging Service that this consumer may use"

    def _check_recipient(self, value: str) -> str:
        if len(value) <= _MAX_ADDRESS_CHARACTERS:
            for reaches in self.recipients or ():
                if reaches(value):
                    return ""
        if len(value) > _SHORT_CODE_DIGITS and _NUMBER.fullmatch(f"+{value}"):  # spaces were taken off
            return "is not a recipient that this consumer may reach: a + in a form is written %2B"
        return "is not a recipient that this consumer may reach"

    def _check_callback(self, value: str) -> str:
        if not value or _is_allowed_url(self.callback_hosts or (), value):
            return ""
        return "is not a URL on a host that this consumer may use"

    def _check_instructions(self, value: str) -> str:
        if not value or _is_allowed_url(self.callback_hosts or (), value):
            return ""
        return "tells Twilio what to do, and its host is not in form.callback_hosts"

    def _check_application(self, value: str) -> str:
        if not value or value in (self.applications or ()):
            return ""
        return "acts by settings of its own and is not listed in form.applications"


_RULES_BY_REASON = {
    "is not a sender ": "form.from",
    "is not a Messaging Service ": "form.messaging_services",
    "is not a recipient ": "form.to",
    "is not a URL on a host ": "form.callback_hosts",
    "its host is not in form.callback_hosts": "form.callback_hosts",
    "is not listed in form.applications": "form.applications",
}


def name_form_rule(reason: str) -> str:
    """The setting that refuses, by what a check says; `form` for what is refused because of any of them."""
    return next((name for part, name in _RULES_BY_REASON.items() if part in reason), "form")


def _check_twiml(value: str) -> str:
    if len(value) > _MAX_TWIML_CHARACTERS:
        return "is longer than Twilio takes"
    if _OUTSPOKEN.search(value):
        return "may contain only Say and Pause, because other verbs could bypass the form rules"
    return ""


def _is_allowed_url(hosts: tuple[str, ...], value: str) -> bool:
    plain = _PLAIN_URL.fullmatch(value)
    if plain is not None and plain[1] in hosts:
        return True
    if len(value) > _MAX_URL_CHARACTERS or _ODD_IN_URL.search(value):
        return False  # WHATWG and RFC 3986 readers part ways here
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        return False
    user, at, _ = parts.netloc.rpartition("@")
    if not parts.netloc.isascii():  # the Kelvin sign in lower case is a k, for this reader
        return False
    if parts.scheme not in _SCHEMES or not _HOST.fullmatch(host) or (at and not _USER.fullmatch(user)):
        return False
    return any(host.endswith(entry[1:]) if entry.startswith("*.") else host == entry for entry in hosts)


def match_prefix(prefix: str) -> Callable[[str], bool]:
    """A test for '+1', '+4930' or 'client:'; a channel before a number ('whatsapp:') is looked through."""
    if not prefix.startswith("+"):
        return lambda value: value.startswith(prefix)

    def test(value: str) -> bool:
        number = value if value.startswith(prefix) else _CHANNEL.sub("", value, count=1)
        return number.startswith(prefix) and _NUMBER.fullmatch(number) is not None

    return test


def match_country(region: str) -> Callable[[str], bool]:
    """A test for an ISO 3166 country ('US', told apart from 'CA' by the number's area).

    Raises `ImportError` without the `phonenumbers` extra.
    """
    # Without its types, so that it is compiled to the same C whether or not it is installed.
    phonenumbers: Any = import_module("phonenumbers")

    def test(value: str) -> bool:
        written = _CHANNEL.sub("", value, count=1)
        if _NUMBER.fullmatch(written) is None:
            return False
        try:
            number = phonenumbers.parse(written, None)
        except phonenumbers.NumberParseException:
            return False
        return bool(phonenumbers.region_code_for_number(number) == region)

    return test
