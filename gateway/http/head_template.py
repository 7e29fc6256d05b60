"""A head that was accepted, as a template for the next ones: callers repeat themselves on a connection.

A head that has the template's bytes, but for the values of fields that are each request's own, is parsed and
judged like the template. Such a value is a single word of visible ASCII here, and a length in its plain form:
neither can move the end of a line, of a field or of the head. Everything else has to be read from the start.
"""

import re
from typing import Final

from gateway.http.request_head import OVERRIDE_FIELDS

CONTENT_LENGTH: Final = b"content-length"
IDEMPOTENCY_KEY: Final = b"idempotency-key"
INDIVIDUAL_FIELDS: Final = frozenset(
    {
        CONTENT_LENGTH,
        IDEMPOTENCY_KEY,
        b"x-request-id",
        b"traceparent",
        b"tracestate",
        # Of other tracing systems: no decision depends on them.
        b"b3",
        b"baggage",
        b"sentry-trace",
        b"uber-trace-id",
        b"x-amzn-trace-id",
        b"x-b3-parentspanid",
        b"x-b3-spanid",
        b"x-b3-traceid",
        b"x-cloud-trace-context",
        b"x-correlation-id",
        b"x-datadog-parent-id",
        b"x-datadog-tags",
        b"x-datadog-trace-id",
        b"x-trace-id",
    }
)
"""Lower case. What depends on one of them is decided again for each request (`policy/head_decision.py`)."""
assert not INDIVIDUAL_FIELDS & {b"connection", b"host", b"authorization", *OVERRIDE_FIELDS}

_MAX_VALUE_BYTES: Final = 256
_MAX_LENGTH_DIGITS: Final = 12
_MAX_INDIVIDUAL: Final = 8
_WORD: Final = re.compile(rb"[!-~]+")
_ZERO: Final = ord("0")
_BLANKS: Final = (b" ", b"\t")


class HeadTemplate:
    """The bytes of one head, cut where its individual values stand.

    `names` are the fields of these values in lower case, in order, and `positions` their places among all
    fields; `length_at` is the place of Content-Length in `names`, -1 without one. `read` leaves what it found
    in `values` and `end`; at first they are the head's own.
    """

    __slots__ = (
        "_last", "_max_bytes", "_pieces", "end", "length_at", "names", "positions", "values",
    )  # fmt: skip

    def __init__(
        self,
        pieces: tuple[bytes, ...],
        last: bytes,
        names: tuple[bytes, ...],
        positions: tuple[int, ...],
        values: list[bytes],
        max_bytes: int,
    ) -> None:
        self._pieces = pieces
        self._last = last
        self._max_bytes = max_bytes
        self.names = names
        self.positions = positions
        self.length_at = names.index(CONTENT_LENGTH) if CONTENT_LENGTH in names else -1
        self.values = values
        self.end = sum(map(len, pieces)) + sum(map(len, values)) + len(last)

    def read(self, data: bytes) -> bool:
        """Whether `data` begins with a whole head of this template; where it ends is `end`."""
        values: list[bytes] = []
        at = 0
        for piece in self._pieces:
            begin = at + len(piece)
            if data[at:begin] != piece:
                return False
            at = data.find(b"\r", begin, begin + _MAX_VALUE_BYTES + 1)
            if at <= begin:
                return False
            values.append(data[begin:at])
        last = self._last
        end = at + len(last)
        if data[at:end] != last or end > self._max_bytes:
            return False
        if values and _WORD.fullmatch(b"".join(values)) is None:
            return False
        if self.length_at >= 0 and not _is_length(values[self.length_at]):
            return False
        self.values = values
        self.end = end
        return True


def cut_head(head: bytes, max_bytes: int) -> HeadTemplate | None:
    """The template of a whole head that was accepted; None of an unusual one, or of one above `max_bytes`.

    All its individual fields are among `names`.
    No head of the template is longer either: within `max_bytes` no limit of the parser's is reached.
    """
    lines = head.split(b"\r\n")
    if len(head) > max_bytes or not lines[0] or lines[-2:] != [b"", b""]:
        return None
    if head.count(b"\n") != len(lines) - 1:
        return None
    pieces: list[bytes] = []
    names: list[bytes] = []
    positions: list[int] = []
    values: list[bytes] = []
    piece = lines[0] + b"\r\n"
    for position, line in enumerate(lines[1:-2]):
        name, colon, value = line.partition(b":")
        lower = name.lower()
        word = value.strip(b" \t")
        if not colon or line.startswith(_BLANKS):
            return None
        if lower in INDIVIDUAL_FIELDS:
            if not _is_word(word) or (lower == CONTENT_LENGTH and not _is_length(word)):
                return None
            before, after = value.split(word, 1)
            if after:
                return None
            pieces.append(piece + name + colon + before)
            names.append(lower)
            positions.append(position)
            values.append(word)
            piece = b"\r\n"
        else:
            piece += line + b"\r\n"
    if len(names) > _MAX_INDIVIDUAL or names.count(CONTENT_LENGTH) > 1:
        return None
    return HeadTemplate(tuple(pieces), piece + b"\r\n", tuple(names), tuple(positions), values, max_bytes)


def _is_word(value: bytes) -> bool:
    return len(value) <= _MAX_VALUE_BYTES and _WORD.fullmatch(value) is not None


def _is_length(value: bytes) -> bool:
    """Whether it is a number of bytes in its usual form: digits without a leading zero."""
    return value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS and (value[0] != _ZERO or len(value) == 1)
