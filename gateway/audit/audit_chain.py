"""The chain of audit lines of one replica from its start to its stop. Pure: the time is handed in.

A line is a JSON object. `mac` is the HMAC-SHA256 of the line without it, `prev` the `mac` of the line before,
`seq` counts from 0. Without the key no line can be made; a line that is altered, left out, moved or taken
from another chain breaks the chain. Lines that are cut off at the end are found by the heads kept elsewhere,
if the last line is not the `stopped` that ends a chain.
"""

import hmac
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

BEGINNING: Final = "0" * 64
"""`prev` of the first line."""
ENDING: Final = "stopped"
"""The event after which a chain has no more lines."""
_OWN: Final = frozenset({"chain", "event", "mac", "prev", "replica", "seq", "stream", "timestamp"})


class AuditHead(NamedTuple):
    """The last line of a chain so far."""

    chain: str
    seq: int
    mac: str


class AuditChain:
    """`chain` is unique for each start of a replica."""

    def __init__(self, key: bytes, replica: str, chain: str) -> None:
        self._key = key
        self._replica = replica
        self.chain = chain
        self.head: AuditHead | None = None

    def make_lines(
        self, timestamp: str, events: Sequence[tuple[str, dict[str, Any]]]
    ) -> tuple[bytes, AuditHead]:
        """The next lines, each with its newline, and the head once they are written. Nothing is remembered:
        lines that could not be written never were (see `accept`)."""
        made, head = b"", self.head
        for event, values in events:
            line, head = self._make_line(head, event, timestamp, values)
            made += line
        assert head is not None, "at least one line"
        return made, head

    def _make_line(
        self, last: AuditHead | None, event: str, timestamp: str, values: dict[str, Any]
    ) -> tuple[bytes, AuditHead]:
        assert _OWN.isdisjoint(values), "these names belong to the chain"
        seq, prev = (0, BEGINNING) if last is None else (last.seq + 1, last.mac)
        line = {
            "stream": "audit",
            "timestamp": timestamp,
            "replica": self._replica,
            "chain": self.chain,
            "seq": seq,
            "prev": prev,
            "event": event,
            **values,
        }
        mac = sign(line, self._key)
        return orjson.dumps({**line, "mac": mac}) + b"\n", AuditHead(self.chain, seq, mac)

    def accept(self, head: AuditHead) -> None:
        """The lines up to this one were written."""
        self.head = head


def sign(line: dict[str, Any], key: bytes) -> str:
    """The `mac` of a line: over its names and values in a fixed form, whatever their order in the file."""
    plain = {name: value for name, value in line.items() if name != "mac"}
    return hmac.digest(key, orjson.dumps(plain, option=orjson.OPT_SORT_KEYS), "sha256").hex()
