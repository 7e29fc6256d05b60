"""The destinations of a request, for limits per destination (`docs/design.md` 4.6). Pure.

Recipients are the parameters that the catalogue classifies as such (`To`, `MessagingBinding.Address` …).
"""

import re
from collections.abc import Iterator
from typing import Final

from gateway.http.form_data import Fields, Unreadable, read_json, read_urlencoded
from gateway.policy.bodies import Body
from gateway.policy.body_fields import read_body_fields
from gateway.twilio.catalogue import ParameterClass, Route

_READS: Final = frozenset({"GET", "HEAD", "DELETE"})
_CHANNEL: Final = re.compile(r"[a-z_]+:")
_NOT_A_DIGIT: Final = re.compile(r"\D+")
_MIN_DIGITS: Final = 5
_MAX_UNLISTED: Final = 200
UNREADABLE: Final = "unreadable"
"""The destination of every body that cannot be read; these are counted together."""


def find_destinations(method: str, query: str, body: Body, route: Route) -> tuple[str, ...]:
    """Every recipient in body and query, normalised, without repeats; none for methods that send nothing."""
    if method in _READS:
        return ()
    try:
        fields, others, _ = read_body_fields(body)
        if query:
            fields = fields + read_urlencoded(query.encode("ascii"))
    except (Unreadable, ValueError):
        return (UNREADABLE,)
    found = (normalise(value) for value in _find_recipients(fields + others, route))
    return tuple(dict.fromkeys(each for each in found if each))


def _find_recipients(fields: Fields, route: Route) -> Iterator[str]:
    lenient: dict[str, bool] = {}
    for name, value in fields:
        kind = route.parameters.get(name)
        if kind is ParameterClass.RECIPIENT:
            yield value
        elif kind is ParameterClass.DOCUMENT:
            yield from _find_inside(name, value, route)
        elif kind is None and len(lenient) < _MAX_UNLISTED:
            reaches = lenient.get(name)
            if reaches is None:
                reaches = lenient[name] = ParameterClass.RECIPIENT in route.index.find_lenient(name)
            if reaches:
                yield value


def _find_inside(name: str, value: str, route: Route) -> Iterator[str]:
    """The recipients in a JSON document that is a parameter's value."""
    try:
        leaves = read_json(value.encode())
    except (Unreadable, UnicodeEncodeError):
        return
    for path, leaf in leaves:
        if ParameterClass.RECIPIENT in route.index.exact.get(f"{name}.{path}", ()):
            yield leaf


def normalise(destination: str) -> str:
    """'+1 (555) 010-0001' and 'whatsapp:+15550100001' are one number; other addresses ignore case."""
    text = destination.strip().casefold()
    bare = _CHANNEL.sub("", text, count=1) if not text.startswith(("sip:", "sips:", "client:")) else ""
    digits = _NOT_A_DIGIT.sub("", bare)
    if len(digits) >= _MIN_DIGITS and not any(letter.isalpha() for letter in bare):
        return digits
    return text
