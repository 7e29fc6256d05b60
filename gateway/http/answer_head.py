"""The head of an answer: strict where framing depends on it, forgiving elsewhere (RFC 9112 4, 5, 6.3). Pure.

Whatever two readers could take for two framings is refused. What only spoils one field costs that field.
"""

import re
from typing import NamedTuple

from gateway.http.response import RawFields

CHUNKED = -1
UNTIL_CLOSE = -2
"""The two values of `AnswerHead.length` that are no number of bytes."""

MAX_HEAD_BYTES = 65_536
MAX_FIELDS = 512

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: (.*))?", re.DOTALL)
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE = re.compile(rb"[\x20-\x7e]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_TEXT = bytes({0x09, *range(0x20, 0x100)} - {0x7F})
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BREAKS = re.compile(rb"[\x00\r\n]")

_MAX_REMEMBERED = 1024

_PLAIN, _SPACED, _NO_FIELD, _LENGTH_FIELD, _CODING, _CONNECTION, _FRAMING_SPACED = range(7)
_FRAMING = {
    b"content-length": _LENGTH_FIELD,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
}


class AnswerHead(NamedTuple):
    """`length` is the body's in bytes, `CHUNKED` or `UNTIL_CLOSE`; `fields` as they came, unfit ones dropped.

    `keep_alive` says whether the connection may serve another request after the body.
    """

    status: int
    reason: str
    fields: RawFields
    length: int
    keep_alive: bool


def read_answer_head(head: bytes, *, to_head: bool) -> AnswerHead:
    """Read a head without its last empty line. `to_head`: it answers a HEAD. Raises `ValueError`.

    An interim answer (1xx) has length 0 (RFC 9112 6.3).
    """
    lines = head.split(b"\r\n")
    if len(lines) > MAX_FIELDS + 1 or len(head) > MAX_HEAD_BYTES:
        raise ValueError("too many or too long header fields")
    first = lines[0]
    minor, status, reason = _status_lines.get(first) or _read_status_line(first)
    del lines[0]
    if len(head.translate(None, _TEXT)) != 2 * len(lines) or b"\r\n " in head or b"\r\n\t" in head:
        lines = _repair(lines)
    fields: list[tuple[bytes, bytes]] = []
    framing: list[tuple[int, bytes]] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        kind = _kinds.get(name)
        if kind is None:
            kind = _classify(name)
        value = value.strip(b" \t")
        if kind or not colon:
            if kind == _NO_FIELD or not colon:
                continue
            name = name.rstrip(b" \t")
            if kind != _SPACED:
                framing.append((kind, value))
        fields.append((name, value))
    if to_head or status == 204 or status == 304 or status < 200:
        return _without_body(minor, status, reason, fields, framing)
    length, keep_alive = _read_framing(minor, framing)
    return AnswerHead(status, reason, tuple(fields), length, keep_alive)


def is_event_stream(fields: RawFields) -> bool:
    """Whether the body is a stream of events, each of which is to be passed on at once."""
    for name, value in fields:
        if name.lower() == b"content-type":
            return value.partition(b";")[0].strip().lower() == b"text/event-stream"
    return False


# Twilio's answers have the same status lines and names again and again. Bounded, for what comes is not ours.
_status_lines: dict[bytes, tuple[int, int, str]] = {}
_kinds: dict[bytes, int] = {}


def _read_status_line(line: bytes) -> tuple[int, int, str]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise ValueError("not the status line of an HTTP/1 answer")
    phrase = match[3] or b""
    known = (int(match[1]), int(match[2]), phrase.decode("ascii") if _VISIBLE.fullmatch(phrase) else "")
    if len(_status_lines) >= _MAX_REMEMBERED:
        _status_lines.clear()
    if len(line) <= 64:
        _status_lines[line] = known
    return known


def _classify(name: bytes) -> int:
    """What a field name, as it stands before the colon, means for reading on."""
    stripped = name.rstrip(b" \t")
    kind = _FRAMING.get(stripped.lower(), _PLAIN)
    if _TOKEN.fullmatch(stripped) is None:
        kind = _NO_FIELD
    elif stripped != name:
        # RFC 9112 5.1: white space before the colon is removed, but two readers may see two framings.
        kind = _FRAMING_SPACED if kind in (_LENGTH_FIELD, _CODING) else kind or _SPACED
    if len(_kinds) >= _MAX_REMEMBERED:
        _kinds.clear()
    if len(name) <= 64:
        _kinds[name] = kind
    return kind


def _repair(lines: list[bytes]) -> list[bytes]:
    """Unfold folded lines (RFC 9112 5.2) and drop fields with control characters (RFC 9110 5.5)."""
    kept: list[bytes] = []
    for line in lines:
        if _BREAKS.search(line):
            raise ValueError("a bare CR, LF or NUL in the head")
        if line[:1] not in (b" ", b"\t"):
            kept.append(line)
        elif kept:
            if kept[-1].partition(b":")[0].rstrip(b" \t").lower() in _FRAMING:
                raise ValueError("a framing field goes on in the next line")
            kept[-1] += b" " + line.strip(b" \t")
    return [line for line in kept if _CONTROLS.search(line) is None]


def _read_framing(minor: int, framing: list[tuple[int, bytes]]) -> tuple[int, bool]:
    """The length of a body that follows, and whether the connection is kept (RFC 9112 6.3, 9.3)."""
    length = UNTIL_CLOSE
    keep_alive = minor == 1
    for kind, value in framing:
        if kind == _CONNECTION:
            keep_alive = _keeps(value, keep_alive)
        elif length != UNTIL_CLOSE:
            raise ValueError("more than one framing field")
        elif kind == _LENGTH_FIELD:
            if _LENGTH.fullmatch(value) is None:
                raise ValueError("a Content-Length that is no number")
            length = int(value)
        elif kind == _CODING and minor == 1 and value.lower() == b"chunked":
            length = CHUNKED
        else:
            raise ValueError("a framing that is not understood")
    return length, keep_alive and length != UNTIL_CLOSE


def _keeps(value: bytes, keep_alive: bool) -> bool:
    tokens = {token.strip(b" \t") for token in value.lower().split(b",")}
    return b"close" not in tokens and (keep_alive or b"keep-alive" in tokens)


def _without_body(
    minor: int, status: int, reason: str, fields: list[tuple[bytes, bytes]], framing: list[tuple[int, bytes]]
) -> AnswerHead:
    """204, 304, 1xx and answers to HEAD end with their head, whatever their framing fields announce.

    Odd framing costs the connection and the framing fields, not the answer.
    """
    try:
        length, keep_alive = _read_framing(minor, framing)
    except ValueError:
        kept = tuple(field for field in fields if field[0].rstrip(b" \t").lower() not in _FRAMING)
        return AnswerHead(status, reason, kept, 0, False)
    if length == UNTIL_CLOSE:  # no framing field at all, which is the usual case here
        keep_alive = all(_keeps(value, minor == 1) for _, value in framing) and (minor == 1 or bool(framing))
    return AnswerHead(status, reason, tuple(fields), 0, keep_alive)
