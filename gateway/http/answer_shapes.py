"""Heads of answers that came before but for some values: one pattern reads such a head at once. Pure.

Twilio's answers differ in Date, Twilio-Request-Id, Content-Length and a few others. Which ones is learnt: of
two heads with the same status line and names, the lines that are not the same vary. All else of a head must
be the same to the byte, and a value that varies must be visible text, so that a head that matches means what
those meant that the pattern was learnt from.
"""

import re
from collections.abc import Sequence
from typing import Final

from gateway.http.response import RawFields

_TEXT: Final = rb"([!-~](?:[ -~]*[!-~])?)"
_NUMBER: Final = rb"(0|[1-9][0-9]{0,17})"
_MAX_SHAPES: Final = 4
"""Of one status. A head that has none of them is read line by line."""
_MAX_STATUSES: Final = 16

LINK_FIELDS: Final = (b"location", b"content-location", b"link")
"""Fields whose values are links that a caller may follow."""

Alike = tuple[bytes, RawFields, bytes, bytes, bytes, bool]
"""Status line, fields, the lines that the caller gets, values of Content-Length and Twilio-Request-Id, and
whether there is one of `LINK_FIELDS`."""


class AnswerShape:
    """`learn` may be called with another head of the same names; `read` reads one."""

    __slots__ = (
        "_fields", "_format", "_id_at", "_length_at", "_lines", "_located", "_pattern", "_sent", "_varying",
        "first", "names",
    )  # fmt: skip

    def __init__(
        self,
        first: bytes,
        lines: list[bytes],
        fields: RawFields,
        sent: Sequence[bytes],
        id_at: int,
        length_at: int,
    ) -> None:
        self.first = first
        self.names = [name for name, _ in fields]
        self._located = any(name.lower() in LINK_FIELDS for name in self.names)
        self._lines = lines
        self._fields = list(fields)
        self._sent = sent
        self._id_at = id_at
        self._length_at = length_at
        self._varying: list[int] = []
        self._format = b""
        self._pattern: re.Pattern[bytes] | None = None

    def learn(self, lines: list[bytes], sent: Sequence[bytes]) -> None:
        """Another head. What differs in it varies, if its line is written as nearly all write theirs."""
        differing = [at for at, line in enumerate(lines) if line != self._lines[at]]
        if self._pattern is not None and set(differing) <= set(self._varying):
            return  # a value that is no visible text
        for at in differing:
            if self._sent[at] != self._lines[at] + b"\r\n" or sent[at] != lines[at] + b"\r\n":
                return
        self._varying = varying = sorted({*self._varying, *differing})
        parts = [re.escape(self.first)]
        for at, line in enumerate(self._lines):
            value = _NUMBER if at == self._length_at else _TEXT
            parts.append(re.escape(self.names[at]) + b": " + value if at in varying else re.escape(line))
        self._pattern = re.compile(rb"\r\n".join(parts))
        constant = [each.replace(b"%", b"%%") for each in self._sent]
        for at in varying:
            constant[at] = self.names[at].replace(b"%", b"%%") + b": %b\r\n"
        self._format = b"".join(constant)

    def read(self, head: bytes) -> Alike | None:
        """A head of this shape, or None."""
        pattern = self._pattern
        match = pattern.fullmatch(head) if pattern is not None else None
        if match is None:
            return None
        fields, names, values = self._fields.copy(), self.names, match.groups()
        for number, at in enumerate(self._varying):
            fields[at] = (names[at], values[number])
        sent = self._format % values
        request_id = fields[self._id_at][1] if self._id_at >= 0 else b""
        return self.first, tuple(fields), sent, fields[self._length_at][1], request_id, self._located


class AnswerShapes:
    """The shapes of all answers, by status. Bounded, because the answers are not under our control."""

    __slots__ = ("_by_status",)

    def __init__(self) -> None:
        self._by_status: dict[bytes, list[AnswerShape]] = {}

    def read(self, head: bytes) -> Alike | None:
        """A head of a shape that is known, or None."""
        for shape in self._by_status.get(head[9:12]) or []:
            found = shape.read(head)
            if found is not None:
                return found
        return None

    def learn(
        self,
        first: bytes,
        lines: list[bytes],
        fields: RawFields,
        sent: Sequence[bytes],
        id_at: int,
        length_at: int,
    ) -> None:
        """A head that was read line by line; the line at `length_at` has Content-Length, and the one at
        `id_at` Twilio-Request-Id, -1 without one."""
        shapes = self._by_status.get(first[9:12])
        if shapes is None:
            if len(self._by_status) >= _MAX_STATUSES:
                return
            shapes = self._by_status[first[9:12]] = []
        names = [name for name, _ in fields]
        for shape in shapes:
            if shape.names == names and shape.first == first:
                shape.learn(lines, sent)
                return
        if len(shapes) < _MAX_SHAPES:
            shapes.append(AnswerShape(first, lines, fields, sent, id_at, length_at))
