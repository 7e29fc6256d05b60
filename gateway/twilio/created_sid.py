"""The SID of what a create made, read from Twilio's answer. Pure, and as little as possible."""

import re
from binascii import Error, unhexlify
from typing import Final

from gateway.http.content_coding import peek

MAX_BYTES: Final = 65_536
"""How much of an answer is looked through."""
# Quotes and angle brackets inside a text are escaped in JSON and XML, so that no message can pose as these.
_JSON: Final = re.compile(rb'"sid"\s*+:\s*+"([A-Z]{2}[0-9a-fA-F]{32})"')
_NAME: Final = b'"sid"'
"""What `_JSON` begins with: looked for first, for a pattern's own search takes a step for each byte."""
_SID_CHARACTERS: Final = 34
_COLONS: Final = (b": ", b":")
_XML: Final = re.compile(rb"<Sid>([A-Z]{2}[0-9a-fA-F]{32})<")
_CALL: Final = re.compile(rb'"call_sid"\s*+:\s*+"(CA[0-9a-fA-F]{32})"|<CallSid>(CA[0-9a-fA-F]{32})<')
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


def read_created_sid(body: bytes) -> str:
    """The SID of the resource in JSON or XML, plain or compressed; '' if there is none.

    In JSON it is a member of the outermost object: what stands deeper is another resource's, or data of a
    caller's own (a document of Sync).
    """
    text = peek(body, MAX_BYTES)
    if len(text) <= MAX_BYTES:
        # As Twilio writes it, and without a pattern: `find` with bounds takes longer than `partition`.
        before, _, after = text.partition(_NAME)
        _, opened, inside = before.partition(b"{")
        if opened and not inside.partition(b"{")[1] and not before.partition(b"[")[1]:
            sid = _read_plain(after)
            if sid:
                return sid
    at = text.find(_NAME, 0, MAX_BYTES)
    if at >= 0:
        for found in _JSON.finditer(text, at, MAX_BYTES):
            if _is_outermost(text, found.start()):
                return found[1].decode("ascii")
    named = _XML.search(text, 0, MAX_BYTES)
    return named[1].decode("ascii") if named is not None else ""


def read_call_sid(body: bytes) -> str:
    """The SID of the call by which a conference's participant was reached; '' if there is none."""
    found = _CALL.search(peek(body, MAX_BYTES), 0, MAX_BYTES)
    return (found[1] or found[2]).decode("ascii") if found is not None else ""


def _read_plain(after: bytes) -> str:
    """The SID at the beginning of what follows its name, as `_JSON` has it; '' if it must look."""
    colon, _, value = after[: _SID_CHARACTERS + 4].partition(b'"')
    sid, end, _ = value.partition(b'"')
    prefix = sid[:2]
    if not end or len(sid) != _SID_CHARACTERS or colon not in _COLONS:
        return ""
    if not prefix.isalpha() or not prefix.isupper():
        return ""
    try:
        unhexlify(sid[2:])
    except Error:
        return ""
    return sid.decode("ascii")


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
