"""The chain of audit lines of one replica from its start to its stop. Pure: the time is handed in.

A line is a JSON object. `mac` is the HMAC-SHA256 of the line without it, `prev` the `mac` of the line before,
`seq` counts from 0. Without the key no line can be made; a line that is altered, left out, moved or taken
from another chain breaks the chain. Lines that are cut off at the end are found by the heads kept elsewhere,
if the last line is not the `stopped` that ends a chain.
"""

import hmac
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

    def make_line(self, event: str, timestamp: str, values: dict[str, Any]) -> tuple[bytes, AuditHead]:
        """The next line, newline included, and the head once it is written. Nothing is remembered: a line
        that could not be written never was (see `accept`)."""
        assert _OWN.isdisjoint(values), "these names belong to the chain"
        seq, prev = (0, BEGINNING) if self.head is None else (self.head.seq + 1, self.head.mac)
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
        """The line was written."""
        self.head = head


def sign(line: dict[str, Any], key: bytes) -> str:
    """The `mac` of a line: over its names and values in a fixed form, whatever their order in the file."""
    plain = {name: value for name, value in line.items() if name != "mac"}
    return hmac.digest(key, orjson.dumps(plain, option=orjson.OPT_SORT_KEYS), "sha256").hex()
