"""The gate in front of one account: hands out slots as the governor permits, in the queue's order.

No slot may leak, ever: whoever is granted one holds a `Slot` and releases it once, and a grant that meets a
caller who has just gone is taken back here.
"""

import asyncio
import time
from collections.abc import Callable
from enum import Enum

from gateway.admission.governor import Governor
from gateway.admission.queue import FairQueue, Priority, Waiting
from gateway.errors import Refusal


class Release(Enum):
    """What became of a slot."""

    SUCCESS = "success"  # an answer that was no signal
    IGNORED = "ignored"  # says nothing about the limit: never sent, broken off, failed
    DROPPED = "dropped"  # a signal: too many at once


class _Ticket(Waiting):
    __slots__ = ("granted", "timer")

    def __init__(self, consumer: str, priority: Priority, granted: "asyncio.Future[None]") -> None:
        super().__init__(consumer, priority)
        self.granted = granted
        self.timer: asyncio.TimerHandle | None = None


class Slot:
    """Permission for one attempt. `release` gives it back; a second call does nothing."""

    __slots__ = ("_gate", "_held", "_since")

    def __init__(self, gate: "Gate") -> None:
        self._gate = gate
        self._held = True
        self._since = time.monotonic()

    def release(self, outcome: Release) -> None:
        """Give the slot back with what became of it."""
        if self._held:
            self._held = False
            self._gate.give_back(outcome, time.monotonic() - self._since)


class Gate:
    """One account, region and product. `clock` gives wall-clock seconds (replicas meet by it)."""

    def __init__(self, governor: Governor, queue_size: int, clock: Callable[[], float] = time.time) -> None:
        self.governor = governor
        self.in_flight = 0
        self._queue: FairQueue[_Ticket] = FairQueue(queue_size)
        self._clock = clock
        self._wake: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many attempts wait for a slot."""
        return len(self._queue)

    async def acquire(
        self, consumer: str, priority: Priority, deadline: float, *, in_front: bool = False
    ) -> Slot:
        """Wait for a slot until `deadline` (the loop's clock, seconds).

        Raises `Refusal` (queue_full, queue_timeout). A cancelled wait leaves nothing behind.
        """
        if not len(self._queue) and self.in_flight < self.governor.capacity(self._clock()):
            self.in_flight += 1
            return Slot(self)
        loop = asyncio.get_running_loop()
        ticket = _Ticket(consumer, priority, loop.create_future())
        if in_front:
            self._queue.push_front(ticket)
        elif (victim := self._queue.push(ticket)) is not None:
            self._refuse(victim, "queue_full", "Too many requests wait for Twilio; try again shortly.")
        if not ticket.granted.done():
            ticket.timer = loop.call_at(deadline, self._expire, ticket)
            self._pump()
        try:
            await ticket.granted
        except asyncio.CancelledError:
            self._abandon(ticket)
            raise
        finally:
            if ticket.timer is not None:
                ticket.timer.cancel()
        return Slot(self)

    def give_back(self, outcome: Release, seconds: float) -> None:
        """A slot came back after `seconds`."""
        self.in_flight -= 1
        if outcome is Release.SUCCESS:
            self.governor.succeeded(self._clock(), waiting=len(self._queue) > 0, seconds=seconds)
        elif outcome is Release.DROPPED:
            self.governor.dropped(self._clock(), in_flight=self.in_flight)
        self._pump()

    def _pump(self) -> None:
        """Grant what may be granted, and see to it that somebody looks again."""
        if not len(self._queue):
            return
        now = self._clock()
        capacity = self.governor.capacity(now)
        while self.in_flight < capacity and (ticket := self._queue.pop()) is not None:
            self.in_flight += 1
            ticket.granted.set_result(None)
        if len(self._queue) and self._wake is None:
            delay = self.governor.changes_at(now) - now
            self._wake = asyncio.get_running_loop().call_later(max(delay, 0.0) + 0.001, self._look_again)

    def _look_again(self) -> None:
        self._wake = None
        self._pump()

    def _abandon(self, ticket: _Ticket) -> None:
        """The caller is gone: leave the queue, or give back what was granted in the same moment."""
        if ticket.granted.done() and not ticket.granted.cancelled() and ticket.granted.exception() is None:
            self.give_back(Release.IGNORED, 0.0)
        else:
            self._queue.remove(ticket)

    def _expire(self, ticket: _Ticket) -> None:
        if not ticket.granted.done():
            self._queue.remove(ticket)
            self._refuse(ticket, "queue_timeout", "Twilio was too busy until this request's deadline.")

    def _refuse(self, ticket: _Ticket, slug: str, detail: str) -> None:
        if not ticket.granted.done():
            ticket.granted.set_exception(Refusal(slug, detail, headers=(("Retry-After", "1"),)))
