"""What was created, kept in memory, and how often: the witness that nothing was doubled.

Collections are bounded (the oldest record is forgotten first); the counts and the record of repeated
message bodies are not, so that they stay true in a long benchmark.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from twilio_simulator.resource_values import Fields, Form


@dataclass(slots=True)
class StoredResource:
    """One resource. `created` is Unix time in seconds; `sequence` orders records and makes page tokens."""

    sid: str
    sequence: int
    created: float
    fields: Fields


class ResourceStore:
    """Collections by kind and scope. A scope is an account's SID, or that and a parent's."""

    def __init__(self, keep: int = 100_000) -> None:
        self.keep = keep
        self.on_message: Callable[[StoredResource, Form], None] | None = None
        """Called with each message that was created, and its form."""
        self.created: Counter[str] = Counter()
        self._collections: dict[tuple[str, str], OrderedDict[str, StoredResource]] = {}
        self._by_to: dict[tuple[str, str, str], dict[str, StoredResource]] = {}
        self._sequence = 0
        self._first_with_body: dict[str, str] = {}
        self._repeated_bodies: dict[str, list[str]] = {}
        self._attempts: Counter[tuple[str, str]] = Counter()

    def clear(self) -> None:
        """Forget everything, the counts included."""
        self._sequence = 0
        for held in (self.created, self._collections, self._by_to, self._first_with_body):
            held.clear()
        self._repeated_bodies.clear()
        self._attempts.clear()

    def add(self, kind: str, scope: str, sid: str, created: float, fields: Fields) -> StoredResource:
        """Keep a new record and count it."""
        record = self.seed(kind, scope, sid, created, fields)
        self.created[kind] += 1
        return record

    def seed(self, kind: str, scope: str, sid: str, created: float, fields: Fields) -> StoredResource:
        """Keep a record that no request created: the accounts and keys the simulator starts with."""
        self._sequence += 1
        record = StoredResource(sid, self._sequence, created, fields)
        self.share(kind, scope, record)
        return record

    def share(self, kind: str, scope: str, record: StoredResource) -> None:
        """Show a record in a scope: a subaccount appears in its own and its parent's."""
        collection = self._collections.get((kind, scope))
        if collection is None:
            collection = self._collections[kind, scope] = OrderedDict()
        collection[record.sid] = record
        if to := str(record.fields.get("to") or ""):
            self._by_to.setdefault((kind, scope, to), {})[record.sid] = record
        if len(collection) > self.keep:
            # A plain dict would search its deleted front each time.
            self._forget_recipient(kind, scope, collection.popitem(last=False)[1])

    def find(self, kind: str, scope: str, sid: str) -> StoredResource | None:
        """The record with this SID, if the scope has it."""
        collection = self._collections.get((kind, scope))
        return None if collection is None else collection.get(sid)

    def remove(self, kind: str, scope: str, sid: str) -> None:
        """Forget a record; it stays counted as created."""
        collection = self._collections.get((kind, scope))
        record = None if collection is None else collection.pop(sid, None)
        if record is not None:
            self._forget_recipient(kind, scope, record)

    def _forget_recipient(self, kind: str, scope: str, record: StoredResource) -> None:
        key = (kind, scope, str(record.fields.get("to") or ""))
        same = self._by_to.get(key)
        if same is not None:
            same.pop(record.sid, None)
            if not same:
                del self._by_to[key]

    def newest_first(self, kind: str, scope: str, to: str = "") -> list[StoredResource]:
        """The scope's records, the latest created first; with `to`, those to this recipient, at once."""
        if to:
            return list(reversed(self._by_to.get((kind, scope, to), {}).values()))
        collection = self._collections.get((kind, scope))
        return [] if collection is None else list(reversed(collection.values()))

    def record_body(self, body: str, sid: str) -> None:
        """Remember which message had this text."""
        first = self._first_with_body.setdefault(body, sid)
        if first != sid:
            self._repeated_bodies.setdefault(body, [first]).append(sid)

    def duplicates(self) -> dict[str, list[str]]:
        """The SIDs of messages by text, for every text that was created more than once."""
        return {body: list(sids) for body, sids in self._repeated_bodies.items()}

    def count_attempt(self, scope: str, to: str) -> int:
        """Count one verification sent to a number, and say how many that makes."""
        self._attempts[scope, to] += 1
        return self._attempts[scope, to]
