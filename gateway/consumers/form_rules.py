"""The `form` rules of a consumer (design 4.4): senders, recipients and callback hosts. They fail closed.

Judged is every repeat of every name that Twilio, or a lenient reader, could take for a ruled one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.consumers.account_pinning import require_owned
from gateway.consumers.credentials import Credential
from gateway.errors import Refusal
from gateway.http.form_data import Fields, looks_like_override

_CHANNEL = re.compile(r"\A(?:whatsapp|rcs|sms|mms|messenger):", re.IGNORECASE)
_CALLBACK = re.compile(r"ur[il]s?$|callbacks?$|webhooks?$")
_MEDIA = frozenset(
    {"mediaurl", "mediaurls", "optinimageurls"}
)  # fetched by Twilio; nothing is reported to it
# A host as every reader of URLs reads it; an international one is written in Punycode.
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
# Twilio takes HTTP authentication in callback URLs: https://www.twilio.com/docs/usage/security#http-authentication
_USER = re.compile(r"[A-Za-z0-9._~-]+(?::[A-Za-z0-9._~!$&'()*+,=%-]*)?")
# One number and nothing beside it: `+1…;+4930…` begins with +1, too.
_NUMBER = re.compile(r"\+[0-9][0-9 ().-]*")
# TwiML that only talks. Any other verb can dial, send, redirect or report (`Dial`, `Redirect`, `Stream` …).
_OUTSPOKEN = re.compile(
    r"<(?!/?(?:Response|Say|Pause|Hangup|Reject|break|emphasis|lang|p|phoneme|prosody|s|say-as|sub|w)[\s/>])"
    r"(?!\?xml\s)"
)


@dataclass(frozen=True, slots=True)
class FormRules:
    """None means no rule. `recipients` are tests of `To` as written: a number in E.164, or an address.

    `ruled` holds the normal names that a rule is about, but for those of callbacks.
    """

    senders: frozenset[str] | None = None
    messaging_services: frozenset[str] | None = None
    recipients: tuple[Callable[[str], bool], ...] | None = None
    callback_hosts: tuple[str, ...] | None = None
    ruled: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ruled: set[str] = set()
        if self.senders is not None or self.messaging_services is not None:
            ruled |= {"from", "messagingservicesid"}
        if self.recipients is not None:
            ruled |= {"to", "twiml"}
        if self.callback_hosts is not None:
            ruled.add("twiml")
        object.__setattr__(self, "ruled", frozenset(ruled))


def normal_name(name: str) -> str:
    """'From', 'from_', 'From[0]' are one name to a cautious reader."""
    if name.isascii() and name.isalnum():
        return name.lower()
    return re.sub(r"[^a-z0-9]", "", name.partition("[")[0].casefold())


def require_plain_fields(credential: Credential, fields: Fields) -> None:
    """What holds for every body: no `_method`, no foreign AccountSid. Raises `Refusal`."""
    for name, value in fields:
        if not name.isalnum() and looks_like_override(name):
            raise Refusal("method_override", "_method goes into the query, not into the body.")
        if "account" in name.casefold():
            require_owned(credential, f"{name}={value}")


def check_form(rules: FormRules, body: Fields, query: Fields) -> None:
    """Raise `Refusal("form_rule")` if a ruled field is not permitted, or stands in the query."""
    for name, _ in query:
        if _is_ruled(rules, normal_name(name)):
            raise _refuse("senders, recipients and callbacks belong into the body, where they can be judged")
    for name, value in body:
        normal = normal_name(name)
        if _is_ruled(rules, normal):
            _judge_field(rules, normal, value.strip())


def _is_ruled(rules: FormRules, name: str) -> bool:
    return name in rules.ruled or (rules.callback_hosts is not None and _is_callback(name))


def _judge_field(rules: FormRules, name: str, value: str) -> None:
    """Raise `Refusal("form_rule")` if the value of a ruled field (by its normal name) is not permitted."""
    if name == "from":
        # A rule for services alone means: send through these services, and not from a number.
        if value and value not in (rules.senders or ()):
            raise _refuse("From is not a sender that this consumer may use")
    elif name == "messagingservicesid":
        if value and value not in (rules.messaging_services or ()):
            raise _refuse("MessagingServiceSid is not one that this consumer may use")
    elif name == "to":
        for reaches in rules.recipients or ():
            if reaches(value):
                return
        raise _refuse("To is not a recipient that this consumer may reach")
    elif name == "twiml":
        if _OUTSPOKEN.search(value):
            raise _refuse(
                "Twiml may hold Say and Pause only, or else go round the rules for To and callbacks"
            )
    elif value and not _is_allowed_url(rules.callback_hosts or (), value):
        raise _refuse("a callback URL is not on a host that this consumer may use")


def _is_callback(name: str) -> bool:
    return name not in _MEDIA and _CALLBACK.search(name) is not None


def _is_allowed_url(hosts: tuple[str, ...], value: str) -> bool:
    if any(ord(character) <= 0x20 or character == "\\" for character in value):
        return False  # WHATWG and RFC 3986 readers part ways here
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        return False
    user, at, _ = parts.netloc.rpartition("@")
    if (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(host)
        or (at and not _USER.fullmatch(user))
    ):
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
    import phonenumbers

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


def _refuse(why: str) -> Refusal:
    return Refusal("form_rule", f"A form rule refuses this: {why}.")
