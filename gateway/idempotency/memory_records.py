"""Records of keyed requests in this process: bounded in number and bytes, with waiters that are woken.

Never forgets a flight or an unknown outcome before its time. Knows nothing of HTTP; times are seconds.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from gateway.errors import Refusal
from gateway.idempotency.claim_rules import ClaimState, Record
from gateway.policy.idempotency_key import Claim


class _Flight:
    """A request that is being sent. `finished` is created by the first waiter."""

    __slots__ = ("finished", "record")

    def __init__(self) -> None:
        self.record = Record(ClaimState.FLIGHT, "")
        self.finished: asyncio.Event | None = None


class _Settled(NamedTuple):
    record: Record
    expires: float


class MemoryRecords:
    """A table by scope. Over `max_bytes` the oldest answers are dropped, and their records remain as spent.

    Over `max_entries` the oldest finished records are forgotten (`on_forgotten`), but no others.
    """

    def __init__(
        self,
        *,
        ttl_seconds: float,
        max_bytes: int,
        max_entries: int,
        clock: Callable[[], float],
        on_forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._clock = clock
        self._on_forgotten = on_forgotten
        self._flights: dict[str, _Flight] = {}
        # In the order in which they finished and will expire: the first is the oldest.
        self._done: OrderedDict[str, _Settled] = OrderedDict()
        self._unknown: OrderedDict[str, _Settled] = OrderedDict()
        self._answers: OrderedDict[str, int] = OrderedDict()
        self.answer_bytes = 0

    def __len__(self) -> int:
        return len(self._flights) + len(self._done) + len(self._unknown)

    def resize(self, ttl_seconds: float, max_bytes: int, max_entries: int) -> None:
        """Apply new bounds. Existing records keep their expiry, but may be evicted to fit."""
        self._ttl_seconds = ttl_seconds
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._drop_answers()
        while len(self) > max_entries and self._done:
            self._forget_oldest()

    def find(self, scope: str) -> Record | None:
        """The current record."""
        flight = self._flights.get(scope)
        if flight is not None:
            return flight.record
        settled = self._done.get(scope) or self._unknown.get(scope)
        if settled is None:
            return None
        if settled.expires <= self._clock():
            self.forget(scope)
            return None
        return settled.record

    def begin(self, scope: str) -> None:
        """Begin a flight for a scope without a record. Raises `Refusal` if there is no room for it."""
        self._make_room()
        self._flights[scope] = _Flight()

    def confirm(self, scope: str, claim: Claim) -> None:
        """Confirm that this process owns the claim; repeats may now compare their fingerprint with it."""
        flight = self._flights[scope]
        flight.record = Record(ClaimState.FLIGHT, claim.fingerprint, identities=claim.identities)

    async def wait_finished(self, scope: str) -> None:
        """Wait until the flight has ended, with whatever outcome."""
        flight = self._flights[scope]
        if flight.finished is None:
            flight.finished = asyncio.Event()
        await flight.finished.wait()

    def finish(self, scope: str, record: Record | None) -> None:
        """End a flight, with the record to keep, or None."""
        flight = self._flights.pop(scope)
        if record is not None:
            settled = _Settled(record, self._clock() + self._ttl_seconds)
            if record.state is ClaimState.UNKNOWN:
                self._unknown[scope] = settled
            else:
                self._done[scope] = settled
                self._count_answer(scope, len(record.answer))
        if flight.finished is not None:
            flight.finished.set()

    def forget(self, scope: str) -> None:
        """Drop a finished record; a flight stays."""
        if self._done.pop(scope, None) is not None:
            self.answer_bytes -= self._answers.pop(scope, 0)
        else:
            self._unknown.pop(scope, None)

    def _count_answer(self, scope: str, size: int) -> None:
        if not size:
            return
        self._answers[scope] = size
        self.answer_bytes += size
        self._drop_answers()

    def _drop_answers(self) -> None:
        while self.answer_bytes > self._max_bytes:
            oldest, freed = self._answers.popitem(last=False)
            self.answer_bytes -= freed
            record, expires = self._done[oldest]
            self._done[oldest] = _Settled(record._replace(state=ClaimState.SPENT, answer=b""), expires)

    def _make_room(self) -> None:
        now = self._clock()
        for settled in (self._done, self._unknown):
            while settled and next(iter(settled.values())).expires <= now:
                self.forget(next(iter(settled)))
        if len(self) < self._max_entries:
            return
        if not self._done:
            raise Refusal(
                "idempotency_full",
                "Too many keyed requests are in flight or of unknown outcome; try again later.",
                headers=(("Retry-After", "5"),),
            )
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        self.forget(next(iter(self._done)))
        self._on_forgotten()
