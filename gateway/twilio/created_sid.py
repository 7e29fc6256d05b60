"""The SID of what a create made, read from Twilio's answer. Pure, and as little as possible: one pattern."""

import re
from typing import Final

from gateway.http.content_coding import peek

_MAX_BYTES: Final = 65_536
# Quotes and angle brackets inside a text are escaped in JSON and XML, so that no message can pose as these.
_SID: Final = re.compile(rb'"sid": ?"([A-Z]{2}[0-9a-fA-F]{32})"|<Sid>([A-Z]{2}[0-9a-fA-F]{32})<')


def read_created_sid(body: bytes) -> str:
    """The first SID of a resource in JSON or XML, plain or compressed; '' if there is none."""
    found = _SID.search(peek(body, _MAX_BYTES), 0, _MAX_BYTES)
    return (found[1] or found[2]).decode("ascii") if found else ""
