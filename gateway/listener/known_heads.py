"""The heads that a connection sent before, each with what was decided by it: parsed and judged once. Pure.

A caller keeps its connection and sends few kinds of heads over it. They live as long as the connection, and a
moment longer (`parked_heads.py`). They hold its callers' credentials: nothing here is ever logged.
"""

from collections import OrderedDict
from typing import Final

from gateway.http.head_template import HeadTemplate, cut_head
from gateway.listener.request_parser import Head
from gateway.policy.head_decision import HeadDecision

_MAX_HEADS: Final = 4
MAX_HEAD_BYTES: Final = 4096
"""Longer ones are not kept: connections are many."""
_VAIN: Final = 8
"""After so many heads that were never sent again none is kept for a while: this caller's heads all differ."""
_PAUSE: Final = 100  # heads


class KnownHead:
    """The head as the parser gave it, and what was decided by it. `framing` as in `request_parser.py`."""

    __slots__ = (
        "_framing",
        "_raw_fields",
        "decision",
        "method",
        "target",
        "template",
        "version",
        "wants_close",
    )

    def __init__(self, template: HeadTemplate, message: Head, framing: int, decision: HeadDecision) -> None:
        self.template = template
        self.decision = decision
        self.method: str = message.method
        self.target: str = message.path
        self.version: tuple[int, int] = message.version
        self.wants_close: bool = message.should_close
        self._framing = framing
        self._raw_fields: tuple[tuple[bytes, bytes], ...] = message.raw_headers

    def read_framing(self) -> int:
        """How the body after the head that was found is framed."""
        at = self.template.length_at
        return int(self.template.values[at]) if at >= 0 else self._framing

    def raw_fields(self, values: list[bytes]) -> tuple[tuple[bytes, bytes], ...]:
        """All fields, with these individual values."""
        fields = list(self._raw_fields)
        for position, value in zip(self.template.positions, values, strict=True):
            fields[position] = (fields[position][0], value)
        return tuple(fields)


class HeadBudget:
    """Bounds what the connections of one listener know together: a head takes 7 KiB."""

    __slots__ = ("_max_heads", "_order", "heads")

    def __init__(self, max_heads: int = 2000) -> None:
        self.heads = 0
        self._max_heads = max_heads
        self._order: OrderedDict[KnownHeads, None] = OrderedDict()  # by when each last kept one

    def changed(self, known: "KnownHeads", difference: int) -> None:
        """A connection keeps more heads. Beyond the bound, the one extended longest ago forgets its own."""
        self.heads += difference
        self._order[known] = None
        self._order.move_to_end(known)
        while self.heads > self._max_heads:
            oldest, _ = self._order.popitem(last=False)
            self.heads -= oldest.forget()

    def leave(self, known: "KnownHeads") -> None:
        """A connection has ended."""
        self._order.pop(known, None)
        self.heads -= known.forget()
        known.close()


class KnownHeads:
    """Of one connection: the one that came last is in front."""

    __slots__ = ("_budget", "_heads", "_max_bytes", "_pause", "_vain")

    def __init__(self, max_bytes: int, budget: HeadBudget) -> None:
        """`max_bytes` is the parser's bound of a line: a whole head within it breaks none of its limits."""
        self._budget = budget
        self._heads: list[KnownHead] = []
        self._max_bytes = min(max_bytes, MAX_HEAD_BYTES)
        self._vain = 0
        self._pause = 0

    def find(self, data: bytes) -> KnownHead | None:
        """The head that `data` begins with, if it is known and whole; its template has the values read."""
        heads = self._heads
        for index, known in enumerate(heads):
            if known.template.read(data):
                self._vain = 0
                if index:
                    heads.insert(0, heads.pop(index))
                return known
        return None

    def keep(self, head: bytes, message: Head, framing: int, decision: HeadDecision) -> None:
        """Know a head that was let through."""
        if self._vain >= _VAIN:
            self._pause += 1
            if self._pause < _PAUSE:
                return
            self._vain = self._pause = 0
        self._vain += 1
        template = cut_head(head, self._max_bytes)
        if template is None or not _is_same(template, message):
            return
        heads = self._heads
        before = len(heads)
        heads.insert(0, KnownHead(template, message, framing, decision))
        del heads[_MAX_HEADS:]
        self._budget.changed(self, len(heads) - before)

    @property
    def empty(self) -> bool:
        """Whether none is known."""
        return not self._heads

    def close(self) -> None:
        """Keep no further heads."""
        self._max_bytes = 0

    def forget(self) -> int:
        """Drop all; returns how many."""
        count = len(self._heads)
        self._heads.clear()
        return count


def _is_same(template: HeadTemplate, message: Head) -> bool:
    """Whether template and parser read the same values at the same places."""
    fields = message.raw_headers
    for name, position, value in zip(template.names, template.positions, template.values, strict=True):
        if position >= len(fields) or fields[position][0].lower() != name or fields[position][1] != value:
            return False
    return True
