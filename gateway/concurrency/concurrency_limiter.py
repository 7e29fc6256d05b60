"""The gate in front of one account: hands out slots as the governor permits, in the queue's order.

No slot may leak, ever: whoever is granted one holds a `Permit` and releases it once, and a grant that meets a
caller who has just gone is taken back here.
"""

import asyncio
import math
import time
from collections.abc import Callable
from enum import Enum

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions
from gateway.concurrency.fair_queue import FairQueue, Waiting
from gateway.consumers.consumer import Priority
from gateway.errors import Refusal


class PermitOutcome(Enum):
    """What became of a slot."""

    SUCCESS = "success"  # an answer that was no signal
    IGNORED = "ignored"  # says nothing about the limit: never sent, broken off, failed
    DROPPED = "dropped"  # a signal: too many at once


_DETAILS = {
    "queue_full": "Too many requests wait for Twilio; try again shortly.",
    "queue_timeout": "Twilio was too busy until this request's deadline.",
}
_WAKE_LATE_SECONDS = 0.001  # so that the moment has surely come


def _refusal(slug: str) -> Refusal:
    return Refusal(slug, _DETAILS[slug], headers=(("Retry-After", "1"),))


class _Ticket(Waiting):
    __slots__ = ("granted",)

    def __init__(self, consumer: str, priority: Priority, granted: "asyncio.Future[None]") -> None:
        super().__init__(consumer, priority)
        self.granted = granted

    @property
    def was_granted(self) -> bool:
        """Whether it holds a slot: neither waiting, nor refused, nor cancelled."""
        granted = self.granted
        return granted.done() and not granted.cancelled() and granted.exception() is None

    def refuse(self, slug: str) -> None:
        """Answer its caller with our no, unless the caller has gone."""
        if not self.granted.done():
            self.granted.set_exception(_refusal(slug))


class Permit:
    """Permission for one attempt. `release` gives it back; a second call does nothing."""

    __slots__ = ("_gate", "_held", "_since")

    def __init__(self, gate: "ConcurrencyLimiter") -> None:
        self._gate = gate
        self._held = True
        self._since = time.monotonic()

    def release(self, outcome: PermitOutcome) -> None:
        """Give the slot back with what became of it."""
        if self._held:
            self._held = False
            self._gate.give_back(outcome, time.monotonic() - self._since)


class ConcurrencyLimiter:
    """One account, region and product. `clock` gives wall-clock seconds (replicas meet by it)."""

    def __init__(
        self, governor: AdaptiveLimit, queue_size: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.governor = governor
        self.in_flight = 0
        self._queue: FairQueue[_Ticket] = FairQueue(queue_size)
        self._clock = clock
        self._wake: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many attempts wait for a slot."""
        return len(self._queue)

    @property
    def waiting_by_class(self) -> tuple[int, ...]:
        """How many of them in each class, the highest first, and last how many in front of all."""
        return self._queue.sizes()

    async def acquire(
        self, consumer: str, priority: Priority, deadline: float, *, in_front: bool = False
    ) -> Permit:
        """Wait for a slot until `deadline` (the loop's clock, seconds).

        Raises `Refusal` (queue_full, queue_timeout). A cancelled wait leaves nothing behind. Await it
        plainly: `asyncio.wait_for` may lose a slot that was granted as it was cancelled.
        """
        self._pump()  # who waits goes first, and may leave room in a full queue
        if not len(self._queue) and self.in_flight < self.governor.capacity(self._clock()):
            self.in_flight += 1
            return Permit(self)
        loop = asyncio.get_running_loop()
        if deadline <= loop.time():
            raise _refusal("queue_timeout")  # before anybody is turned out for it
        ticket = _Ticket(consumer, priority, loop.create_future())
        if in_front:
            self._queue.push_front(ticket)
        elif (victim := self._queue.push(ticket)) is ticket:
            raise _refusal("queue_full")
        elif victim is not None:
            victim.refuse("queue_full")
        timer = loop.call_at(deadline, self._expire, ticket)
        self._pump()
        try:
            await ticket.granted
        except BaseException:
            self._abandon(ticket)
            raise
        finally:
            timer.cancel()
        return Permit(self)

    def set_share(self, share: int) -> None:
        """What replicas that share a store agreed on for this one; a larger one lets waiters go at once."""
        self.governor.set_share(share)
        self._pump()

    def adopt(self, options: AdaptiveLimitOptions, queue_size: int) -> None:
        """Other bounds from now on. Who waits already stays, even in a queue that is too long now."""
        self.governor.adopt(options)
        self._queue.most = queue_size
        self._pump()

    def give_back(self, outcome: PermitOutcome, seconds: float) -> None:
        """A slot came back after `seconds`."""
        self.in_flight -= 1
        if outcome is PermitOutcome.SUCCESS:
            self.governor.succeeded(self._clock(), waiting=len(self._queue) > 0, seconds=seconds)
        elif outcome is PermitOutcome.DROPPED:
            self.governor.dropped(self._clock(), in_flight=self.in_flight)
        self._pump()

    def _pump(self) -> None:
        """Grant what may be granted, and see to it that somebody looks again."""
        if len(self._queue):
            now = self._clock()
            capacity = self.governor.capacity(now)
            while self.in_flight < capacity and (ticket := self._queue.pop()) is not None:
                # A cancelled wait is still queued until its task runs; it must not take the slot.
                if not ticket.granted.done():
                    self.in_flight += 1
                    ticket.granted.set_result(None)
        if len(self._queue) and (moment := self.governor.changes_at(now)) < math.inf:
            self._look_again_in(moment - now)
        else:
            self._sleep()

    def _look_again_in(self, seconds: float) -> None:
        """Wake for the governor's next change, sooner than planned if a pause has come in between."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, 0.0) + _WAKE_LATE_SECONDS
        if self._wake is not None:
            if self._wake.when() <= when + _WAKE_LATE_SECONDS:
                return
            self._wake.cancel()
        self._wake = loop.call_at(when, self._look_again)

    def _look_again(self) -> None:
        self._wake = None
        self._pump()

    def _sleep(self) -> None:
        """Nobody waits, or nothing changes by itself: leave no timer behind."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _abandon(self, ticket: _Ticket) -> None:
        """The caller is gone: leave the queue, or give back what was granted in the same moment."""
        if ticket.was_granted:
            self.give_back(PermitOutcome.IGNORED, 0.0)
        else:
            self._leave(ticket)

    def _expire(self, ticket: _Ticket) -> None:
        if not ticket.granted.done():
            self._leave(ticket)
            ticket.refuse("queue_timeout")

    def _leave(self, ticket: _Ticket) -> None:
        self._queue.remove(ticket)
        if not len(self._queue):
            self._sleep()
