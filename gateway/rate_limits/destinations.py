"""The destinations of a request: the `To` of its body (`docs/design.md` 4.6). Pure."""

import re

from gateway.consumers.form_rules import normal_name
from gateway.http.form_data import Unreadable, read_urlencoded
from gateway.policy.bodies import Body
from gateway.policy.body_fields import read_body_fields

_READS = frozenset({"GET", "HEAD", "DELETE"})
_CHANNEL = re.compile(r"[a-z_]+:")
_NOT_A_DIGIT = re.compile(r"\D+")
_MIN_DIGITS = 5
UNREADABLE = "unreadable"
"""The destination of every body that cannot be read; these are counted together."""


def find_destinations(method: str, query: str, body: Body) -> tuple[str, ...]:
    """Every `To` of body and query, normalised, without repeats; none for methods that send nothing."""
    if method in _READS:
        return ()
    try:
        fields = read_body_fields(body)
        if query:
            fields = fields + read_urlencoded(query.encode("ascii"))
    except (Unreadable, ValueError):
        return (UNREADABLE,)
    found = (normalise(value) for name, value in fields if normal_name(name) == "to")
    return tuple(dict.fromkeys(each for each in found if each))


def normalise(destination: str) -> str:
    """'+1 (555) 010-0001' and 'whatsapp:+15550100001' are one number; other addresses ignore case."""
    text = destination.strip().casefold()
    bare = _CHANNEL.sub("", text, count=1) if not text.startswith(("sip:", "sips:", "client:")) else ""
    digits = _NOT_A_DIGIT.sub("", bare)
    if len(digits) >= _MIN_DIGITS and not any(letter.isalpha() for letter in bare):
        return digits
    return text
