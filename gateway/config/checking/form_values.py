"""Values of `form` rules that no request can have: warnings, because Twilio may accept more than we know."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.consumer_settings import FormSettings
from gateway.config.schema.settings import Settings

_OTHER_CODES: Final = {"UK": "GB", "EL": "GR"}
"""Codes that are in use, but not those of ISO 3166."""
_DIGITS_ONLY: Final = re.compile(r"(?:[a-z]+:)?[+0-9 ().\-/]+")
_E164: Final = re.compile(r"(?:[a-z]+:)?(?:\+[1-9][0-9]{1,14}|[0-9]{3,8})")  # a number, or a short code
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
_CHANNEL: Final = re.compile(r"(?=[a-z]*[A-Z])(?i:whatsapp|messenger|rcs|sip|sms|client):")


def find_dead_values(settings: Settings) -> Iterator[Finding]:
    """For every consumer with form rules."""
    regions = _regions()
    for name, consumer in settings.consumers.items():
        if consumer.form is not None:
            path: KeyPath = ("consumers", name, "form")
            yield from _senders(consumer.form, path)
            yield from _sids(consumer.form, path)
            yield from find_repeats(consumer.form, path)
            yield from _countries(consumer.form, path, regions)


def _senders(form: FormSettings, path: KeyPath) -> Iterator[Finding]:
    for index, sender in enumerate(form.from_ or ()):
        why, hint = _judge_sender(sender)
        if why:
            yield Finding((*path, "from", index), f"can never match: {why}", hint)


def _judge_sender(sender: str) -> tuple[str, str]:
    """Why no sender of Twilio's is written so, and what to write; '' twice if one may be."""
    if sender != sender.strip():
        return "it has a space at an end", "remove it"
    if _DIGITS_ONLY.fullmatch(sender) and not _E164.fullmatch(sender):
        return "not a number of Twilio", "write a number in E.164: a plus and digits, +15005550006"
    if not sender.isascii():
        return "no sender has a character beyond ASCII", "type it by hand"
    if "*" in sender:
        return "a sender is compared as a whole", "write each sender"
    if _CHANNEL.match(sender):
        return "a channel is written in lower case", "write it like whatsapp:+15005550006"
    if sender.startswith("MG") and _SID.fullmatch(sender):
        return "this is a messaging service", "write it in `messaging_services`"
    return "", ""


def _sids(form: FormSettings, path: KeyPath) -> Iterator[Finding]:
    lists = {"messaging_services": form.messaging_services, "applications": form.applications}
    for name, sids in lists.items():
        for index, sid in enumerate(sids or ()):
            if not _SID.fullmatch(sid):
                hint = "write it as Twilio does, in lower case behind the two capitals"
                yield Finding((*path, name, index), "can never match: a SID is lower-case", hint)
            elif name == "applications" and sid.startswith("MG"):
                hint = "write it in `messaging_services`"
                yield Finding((*path, name, index), "can never match: this is a messaging service", hint)


def find_repeats(form: FormSettings, path: KeyPath) -> Iterator[Finding]:
    """Values that add nothing to others of their list."""
    for name, values in (
        ("from", form.from_),
        ("messaging_services", form.messaging_services),
        ("to", form.to),
        ("callback_hosts", form.callback_hosts),
        ("applications", form.applications),
    ):
        all_values, before = frozenset(values or ()), set[str]()
        for index, value in enumerate(values or ()):
            if value in before or any(wider in all_values for wider in _wider(name, value)):
                yield Finding((*path, name, index), "adds nothing to another value of this list", "remove it")
            before.add(value)


def _wider(name: str, value: str) -> Iterator[str]:
    """What would contain `value`: shorter prefixes of a number, patterns of hosts. Few, so that long lists
    are compared by look-ups."""
    if name == "to" and value.startswith("+"):
        yield from (value[:length] for length in range(1, len(value)))
    if name == "callback_hosts":
        itself = value.removeprefix("*")
        tails = (value[place:] for place, char in enumerate(value) if char == ".")
        yield from (f"*{tail}" for tail in tails if tail != itself)


def _countries(form: FormSettings, path: KeyPath, regions: frozenset[str]) -> Iterator[Finding]:
    for index, entry in enumerate(form.to or ()):
        if regions and entry.isalpha() and entry not in regions:
            other = _OTHER_CODES.get(entry)
            hint = f"did you mean {other}?" if other else "write the two letters of ISO 3166, such as US"
            yield Finding((*path, "to", index), "can never match: no country has this code", hint)


def _regions() -> frozenset[str]:
    """Countries with telephone numbers; none without the package, which is an error of its own."""
    try:
        from phonenumbers import SUPPORTED_REGIONS
    except ImportError:
        return frozenset()
    return frozenset(SUPPORTED_REGIONS)
