"""The SID of what a create made, read from Twilio's answer. Pure, and as little as possible: two patterns."""

import re
from typing import Final

from gateway.http.content_coding import peek

MAX_BYTES: Final = 65_536
"""How much of an answer is looked through."""
# Quotes and angle brackets inside a text are escaped in JSON and XML, so that no message can pose as these.
_JSON: Final = re.compile(rb'"sid"\s*+:\s*+"([A-Z]{2}[0-9a-fA-F]{32})"')
_NAME: Final = b'"sid"'
"""What `_JSON` begins with: looked for first, for a pattern's own search takes a step for each byte."""
_XML: Final = re.compile(rb"<Sid>([A-Z]{2}[0-9a-fA-F]{32})<")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


def read_created_sid(body: bytes) -> str:
    """The SID of the resource in JSON or XML, plain or compressed; '' if there is none.

    In JSON it is a member of the outermost object: what stands deeper is another resource's, or data of a
    caller's own (a document of Sync).
    """
    text = peek(body, MAX_BYTES)
    at = text.find(_NAME, 0, MAX_BYTES)
    if at >= 0:
        for found in _JSON.finditer(text, at, MAX_BYTES):
            if _is_outermost(text, found.start()):
                return found[1].decode("ascii")
    named = _XML.search(text, 0, MAX_BYTES)
    return named[1].decode("ascii") if named is not None else ""


def _is_outermost(text: bytes, end: int) -> bool:
    """Whether one object and nothing else is open there."""
    opened = text.find(b"{", 0, end)
    if opened >= 0 and text.find(b"{", opened + 1, end) < 0 and text.find(b"[", 0, end) < 0:
        return True
    depth = 0
    for token in _TOKEN.finditer(text, 0, end):
        first = token[0][:1]
        if first in b"{[":
            depth += 1
        elif first in b"]}":
            depth -= 1
    return depth == 1
