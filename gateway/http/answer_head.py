"""The head of an answer: strict where framing depends on it, forgiving elsewhere (RFC 9112 4, 5, 6.3). Pure.

Whatever two readers could take for two framings is refused. What only spoils one field costs that field.
"""

import re
from typing import Final

from gateway.http.answer_shapes import AnswerShapes
from gateway.http.header_fields import OURS_ANSWER, reaches_caller
from gateway.http.response import RawFields

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
"""The two values of `AnswerHead.length` that are no number of bytes."""

MAX_HEAD_BYTES: Final = 65_536
MAX_FIELDS: Final = 512

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: (.*))?", re.DOTALL)
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE: Final = re.compile(rb"[\x20-\x7e]*")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_TEXT: Final = bytes({0x09, *range(0x20, 0x100)} - {0x7F})
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BREAKS: Final = re.compile(rb"[\x00\r\n]")

_MAX_REMEMBERED: Final = 1024
_MAX_LINE_BYTES: Final = 512

_PLAIN: Final = 0
_REQUEST_ID: Final = 1
_NO_FIELD: Final = 2
_LENGTH_FIELD: Final = 3
_CODING: Final = 4
_CONNECTION: Final = 5
_NAMES_FIELDS: Final = 6  # a Connection that names fields which are not ours to drop anyhow
_FRAMING_SPACED: Final = 7
_KINDS: Final = {
    b"content-length": _LENGTH_FIELD,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"twilio-request-id": _REQUEST_ID,
}
_BODY_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_FRAMING: Final = _BODY_FRAMING | {b"connection"}

_UNFIT: Final = -3
_CLOSE: Final = -4
_KEEP_ALIVE: Final = -5
_NEITHER: Final = -6

_NOTHING: Final = ((), (), (), ())
_Line = tuple[int, tuple[bytes, bytes], bytes, int]
"""A field line that was read: its kind, (name, value), the line that the caller gets, b'' for none, and what
it says of the framing: a body's length or `CHUNKED`, or one of the four above.
"""


class AnswerHead:
    """`length` is the body's in bytes, `CHUNKED` or `UNTIL_CLOSE`; `fields` as they came, unfit ones dropped.

    `keep_alive` says whether the connection may serve another request after the body. `relayed` are the lines
    that the caller gets (`build_answer_fields`), Content-Length as it came; None where they must be built.
    `request_id` is the value of Twilio-Request-Id, b'' without one. `located`: it may have one of
    `LINK_FIELDS`.
    """

    __slots__ = (
        "fields", "keep_alive", "length", "located", "reason", "relayed", "request_id", "status",
    )  # fmt: skip

    def __init__(
        self,
        status: int,
        reason: str,
        fields: RawFields,
        length: int,
        keep_alive: bool,
        relayed: bytes | None = None,
        request_id: bytes = b"",
        located: bool = True,
    ) -> None:
        self.located = located
        self.status = status
        self.reason = reason
        self.fields = fields
        self.length = length
        self.keep_alive = keep_alive
        self.relayed = relayed
        self.request_id = request_id

    def __repr__(self) -> str:
        return f"AnswerHead({self.status}, {self.fields!r}, {self.length}, {self.keep_alive})"


_SHAPES: Final = AnswerShapes()


def read_answer_head(head: bytes, *, to_head: bool, shapes: AnswerShapes = _SHAPES) -> AnswerHead:
    """Read a head without its last empty line. `to_head`: it answers a HEAD. Raises `ValueError`.

    An interim answer (1xx) has length 0 (RFC 9112 6.3).
    """
    if not to_head and len(head) <= MAX_HEAD_BYTES:
        alike = shapes.read(head)
        if alike is not None:
            first, fields, relayed, announced, request_id, located = alike
            _, status, reason = _status_lines.get(first) or _read_status_line(first)
            return AnswerHead(status, reason, fields, int(announced), True, relayed, request_id, located)
    lines = head.split(b"\r\n")
    if len(lines) > MAX_FIELDS + 1 or len(head) > MAX_HEAD_BYTES:
        raise ValueError("too many or too long header fields")
    first = lines[0]
    minor, status, reason = _status_lines.get(first) or _read_status_line(first)
    del lines[0]
    get = _lines.get
    try:
        read = [get(line) or _read_line(line) for line in lines]
    except _UnfitLineError:
        return read_answer_head(b"\r\n".join([first, *_repair(lines)]), to_head=to_head, shapes=shapes)
    framing: list[tuple[int, int]] = []
    request_id = b""
    builds = skips = False
    for known in read:
        kind = known[0]
        if kind:
            if kind == _REQUEST_ID:
                request_id = request_id or known[1][1]
            elif kind == _NO_FIELD:
                skips = True
            else:
                framing.append((kind, known[3]))
                builds = builds or kind == _NAMES_FIELDS
    if skips:
        read = [each for each in read if each[0] != _NO_FIELD]
    _, fields, sent, _ = zip(*read, strict=True) if read else _NOTHING
    if to_head or status == 204 or status == 304 or status < 200:
        return _without_body(minor, status, reason, fields, framing)
    length, keep_alive = _read_framing(minor, framing)
    if builds:
        return AnswerHead(status, reason, fields, length, keep_alive, None, request_id)
    if length >= 0 and keep_alive and not skips:
        _learn(shapes, first, lines, read)
    return AnswerHead(status, reason, fields, length, keep_alive, b"".join(sent), request_id)


def _learn(shapes: AnswerShapes, first: bytes, lines: list[bytes], read: list[_Line]) -> None:
    """Remember the shape of a whole head whose framing is plain."""
    kinds, fields, sent, _ = zip(*read, strict=True)
    if kinds.count(_REQUEST_ID) <= 1 and kinds.count(_LENGTH_FIELD) == 1:
        id_at = kinds.index(_REQUEST_ID) if _REQUEST_ID in kinds else -1
        shapes.learn(first, lines, fields, sent, id_at, kinds.index(_LENGTH_FIELD))


def is_event_stream(fields: RawFields) -> bool:
    """Whether the body is a stream of events, each of which is to be passed on at once."""
    return _content_type(fields).partition(b";")[0].strip() == b"text/event-stream"


def is_json(fields: RawFields) -> bool:
    """Whether the body is JSON, in which there may be links and tokens."""
    return b"json" in _content_type(fields)


def _content_type(fields: RawFields) -> bytes:
    for name, value in fields:
        if name.lower() == b"content-type":
            return value.lower()
    return b""


# Twilio's answers repeat the same lines. Bounded, because the answers are not under our control.
_status_lines: dict[bytes, tuple[int, int, str]] = {}
_lines: dict[bytes, _Line] = {}
_names: dict[bytes, tuple[int, bytes, bool]] = {}


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


class _UnfitLineError(Exception):
    """A line is folded, or holds a control character: the head is to be repaired."""


def _read_line(line: bytes) -> _Line:
    """A field line. Raises `_UnfitLineError`."""
    if line.translate(None, _TEXT) or line.startswith((b" ", b"\t")):
        raise _UnfitLineError
    name, colon, value = line.partition(b":")
    kind, name, reaches = (_names.get(name) or _classify(name)) if colon else (_NO_FIELD, b"", False)
    value = value.strip(b" \t")
    sent = b"%b: %b\r\n" % (name, value) if reaches else b""
    says = _UNFIT
    if kind == _LENGTH_FIELD and _LENGTH.fullmatch(value):
        says = int(value)
        sent = b"%b: %d\r\n" % (name, says)
    elif kind == _CODING and value.lower() == b"chunked":
        says = CHUNKED
    elif kind == _CONNECTION:
        tokens = {token.strip(b" \t") for token in value.lower().split(b",")}
        says = _CLOSE if b"close" in tokens else _KEEP_ALIVE if b"keep-alive" in tokens else _NEITHER
        kind = _CONNECTION if tokens <= OURS_ANSWER else _NAMES_FIELDS
    known = kind, (name, value), sent, says
    if kind != _REQUEST_ID and len(line) <= _MAX_LINE_BYTES:  # no answer has the id of another
        if len(_lines) >= _MAX_REMEMBERED:
            _lines.clear()
        _lines[line] = known
    return known


def _classify(name: bytes) -> tuple[int, bytes, bool]:
    """What a field name, as it stands before the colon, means; its text; whether callers get the field."""
    stripped = name.rstrip(b" \t")
    kind = _KINDS.get(stripped.lower(), _PLAIN)
    if _TOKEN.fullmatch(stripped) is None:
        kind = _NO_FIELD
    elif stripped != name and kind in (_LENGTH_FIELD, _CODING):
        # RFC 9112 5.1: white space before the colon is removed, but two readers may see two framings.
        kind = _FRAMING_SPACED
    known = kind, stripped, reaches_caller(stripped)
    if len(_names) >= _MAX_REMEMBERED:
        _names.clear()
    if len(name) <= 64:
        _names[name] = known
    return known


def _repair(lines: list[bytes]) -> list[bytes]:
    """Unfold folded lines (RFC 9112 5.2) and drop fields with control characters (RFC 9110 5.5).

    What frames a body is not dropped but made unfit: without it the answer would have another framing.
    """
    kept: list[bytes] = []
    for line in lines:
        if _BREAKS.search(line):
            raise ValueError("a bare CR, LF or NUL in the head")
        if line[:1] not in (b" ", b"\t"):
            kept.append(line)
        elif kept:
            if _field_name(kept[-1]) in _FRAMING:
                raise ValueError("a framing field goes on in the next line")
            kept[-1] += b" " + line.strip(b" \t")
    marked = [_CONTROLS.sub(b"?", line) if _field_name(line) in _BODY_FRAMING else line for line in kept]
    return [line for line in marked if _CONTROLS.search(line) is None]


def _field_name(line: bytes) -> bytes:
    return line.partition(b":")[0].rstrip(b" \t").lower()


def _read_framing(minor: int, framing: list[tuple[int, int]]) -> tuple[int, bool]:
    """The length of a body that follows, and whether the connection is kept (RFC 9112 6.3, 9.3)."""
    length = UNTIL_CLOSE
    keep_alive = minor == 1
    for kind, says in framing:
        if says <= _CLOSE:
            keep_alive = says != _CLOSE and (keep_alive or says == _KEEP_ALIVE)
        elif length != UNTIL_CLOSE:
            raise ValueError("more than one framing field")
        elif kind == _FRAMING_SPACED or says == _UNFIT or (says == CHUNKED and minor != 1):
            raise ValueError("a framing that is not understood")
        else:
            length = says
    return length, keep_alive and length != UNTIL_CLOSE


def _without_body(
    minor: int, status: int, reason: str, fields: RawFields, framing: list[tuple[int, int]]
) -> AnswerHead:
    """204, 304, 1xx and answers to HEAD end with their head, whatever their framing fields announce.

    Odd framing costs the connection and the framing fields, not the answer.
    """
    try:
        length, keep_alive = _read_framing(minor, framing)
    except ValueError:
        kept = tuple(field for field in fields if field[0].lower() not in _FRAMING)
        return AnswerHead(status, reason, kept, 0, False)
    if length == UNTIL_CLOSE:  # no framing field at all, which is the usual case here
        keep_alive = minor == 1 or bool(framing)
        for _, says in framing:
            keep_alive = keep_alive and says != _CLOSE and (minor == 1 or says == _KEEP_ALIVE)
    return AnswerHead(status, reason, fields, 0, keep_alive)
