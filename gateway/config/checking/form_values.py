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
_SERVICE_SID: Final = re.compile(r"[A-Z]{2}[0-9a-f]{32}")


def find_dead_values(settings: Settings) -> Iterator[Finding]:
    """For every consumer with form rules."""
    regions = _regions()
    for name, consumer in settings.consumers.items():
        if consumer.form is not None:
            path: KeyPath = ("consumers", name, "form")
            yield from _senders(consumer.form, path)
            yield from _countries(consumer.form, path, regions)


def _senders(form: FormSettings, path: KeyPath) -> Iterator[Finding]:
    for index, sender in enumerate(form.from_ or ()):
        if sender != sender.strip():
            yield Finding((*path, "from", index), "can never match: it has a space at an end", "remove it")
        elif _DIGITS_ONLY.fullmatch(sender) and not _E164.fullmatch(sender):
            hint = "write a number in E.164: a plus and digits, +15005550006"
            yield Finding((*path, "from", index), "can never match: not a number of Twilio", hint)
    for index, service in enumerate(form.messaging_services or ()):
        if not _SERVICE_SID.fullmatch(service):
            hint = "write it as Twilio does, in lower case behind MG"
            yield Finding((*path, "messaging_services", index), "can never match: a SID is lower-case", hint)


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
