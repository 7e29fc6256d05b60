"""The concurrency limiter in front of one account: grants permits up to the adaptive limit, in queue order.

No permit may leak: every grant is a `Permit` that its holder releases once. A grant to a caller that has just
left is taken back here.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions
from gateway.concurrency.fair_queue import FairQueue, Waiting
from gateway.consumers.consumer import Priority
from gateway.errors import Refusal


class PermitOutcome(Enum):
    """How an attempt ended, as far as the limit is concerned."""

    SUCCESS = "success"  # an answer that does not signal overload
    IGNORED = "ignored"  # no evidence about the limit: never sent, cancelled, failed
    DROPPED = "dropped"  # a signal: Twilio had too many requests at once


_SUCCESS: Final = PermitOutcome.SUCCESS  # slow to get at by name
_DROPPED: Final = PermitOutcome.DROPPED

_DETAILS: Final = {
    "queue_full": "Too many requests wait for Twilio; try again shortly.",
    "queue_timeout": "Twilio was too busy until this request's deadline.",
}
_WAKE_LATE_SECONDS: Final = 0.001  # a timer may fire a little early; by then the moment has surely passed


def _refusal(slug: str) -> Refusal:
    return Refusal(slug, _DETAILS[slug], headers=(("Retry-After", "1"),))


class _Ticket(Waiting):
    __slots__ = ("granted",)

    def __init__(self, consumer: str, priority: Priority, granted: "asyncio.Future[None]") -> None:
        super().__init__(consumer, priority)
        self.granted = granted

    @property
    def was_granted(self) -> bool:
        """Whether it holds a permit: neither waiting, nor refused, nor cancelled."""
        granted = self.granted
        return granted.done() and not granted.cancelled() and granted.exception() is None

    def refuse(self, slug: str) -> None:
        """Refuse its caller, unless the caller has left."""
        if not self.granted.done():
            self.granted.set_exception(_refusal(slug))


class Permit:
    """Permission for one attempt. `release` gives it back; a second call does nothing."""

    __slots__ = ("_held", "_limiter", "_since")

    def __init__(self, limiter: "ConcurrencyLimiter", since: float) -> None:
        self._limiter = limiter
        self._held = True
        self._since = since

    def release(self, outcome: PermitOutcome) -> None:
        """Give the permit back and report how the attempt ended."""
        if self._held:
            self._held = False
            self._limiter.give_back(outcome, self._since)


class ConcurrencyLimiter:
    """Limits one account, region and product.

    `clock` gives seconds since the epoch, because replicas share coordination windows. `monotonic` measures
    how long attempts take (seconds).
    """

    def __init__(
        self,
        adaptive_limit: AdaptiveLimit,
        queue_size: int,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.adaptive_limit = adaptive_limit
        self.in_flight = 0
        self._queue: FairQueue[_Ticket] = FairQueue(queue_size)
        self._clock = clock
        self._monotonic = monotonic
        self._wake: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many attempts wait for a permit."""
        return self._queue.length

    @property
    def waiting_by_class(self) -> tuple[int, ...]:
        """How many wait in each class, the highest first; the last number counts requeued attempts."""
        return self._queue.sizes()

    def acquire_now(self) -> Permit | None:
        """A permit, if none is waited for."""
        if self._queue.length:
            self._pump()  # waiters go first, and may leave room in a full queue
        if not self._queue.length and self.in_flight < self.adaptive_limit.capacity(self._clock()):
            self.in_flight += 1
            return Permit(self, self._monotonic())
        return None

    async def acquire(
        self, consumer: str, priority: Priority, deadline: float, *, in_front: bool = False
    ) -> Permit:
        """Wait for a permit until `deadline` (the loop's clock, seconds).

        Raises `Refusal` (queue_full, queue_timeout). A cancelled wait leaves nothing behind. Await it
        directly: `asyncio.wait_for` may lose a permit that was granted while it was being cancelled.
        """
        permit = self.acquire_now()
        if permit is not None:
            return permit
        loop = asyncio.get_running_loop()
        if deadline <= loop.time():
            raise _refusal("queue_timeout")  # before another request is evicted for it
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
        return Permit(self, self._monotonic())

    async def let_granted_send(self) -> None:
        """Wait until every request that a permit was granted to in this turn of the loop has been sent.

        A single turn would have the caller's task alternate with theirs: where Twilio answers many requests
        at once, the last slot would stay empty while the answers before its own are relayed.
        """
        await asyncio.sleep(0)  # behind those that were granted before us
        await asyncio.sleep(0)  # behind those that were granted after us

    def set_share(self, share: int) -> None:
        """Apply the share that replicas agreed on; a larger one admits waiters at once."""
        self.adaptive_limit.set_share(share)
        self._pump()

    def apply(self, options: AdaptiveLimitOptions, queue_size: int) -> None:
        """Apply new bounds. Requests that already wait stay, even if the queue is now too long."""
        self.adaptive_limit.apply(options)
        self._queue.max_length = queue_size
        self._pump()

    def give_back(self, outcome: PermitOutcome, since: float) -> None:
        """Take back a permit that was granted at `since` (the monotonic clock)."""
        self.in_flight -= 1
        if outcome is _SUCCESS:
            seconds = self._monotonic() - since
            self.adaptive_limit.succeeded(self._clock(), waiting=self._queue.length > 0, seconds=seconds)
        elif outcome is _DROPPED:
            self.adaptive_limit.dropped(self._clock(), in_flight=self.in_flight)
        if self._queue.length:
            self._pump()

    def _pump(self) -> None:
        """Grant free permits to waiters, and schedule the next check."""
        now = self._clock()
        if self._queue.length:
            capacity = self.adaptive_limit.capacity(now)
            while self.in_flight < capacity and (ticket := self._queue.pop()) is not None:
                # A cancelled wait stays queued until its task runs; it must not take the permit.
                if not ticket.granted.done():
                    self.in_flight += 1
                    ticket.granted.set_result(None)
        if self._queue.length and (moment := self.adaptive_limit.changes_at(now)) < math.inf:
            self._check_again_in(moment - now)
        else:
            self._stop_checking()

    def _check_again_in(self, seconds: float) -> None:
        """Wake at the next change of the capacity, earlier than planned if a pause has begun meanwhile."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, 0.0) + _WAKE_LATE_SECONDS
        if self._wake is not None:
            if self._wake.when() <= when + _WAKE_LATE_SECONDS:
                return
            self._wake.cancel()
        self._wake = loop.call_at(when, self._check_again)

    def _check_again(self) -> None:
        self._wake = None
        self._pump()

    def _stop_checking(self) -> None:
        """No request waits, or the capacity does not change by itself: leave no timer behind."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _abandon(self, ticket: _Ticket) -> None:
        """The caller has left: leave the queue, or give back a permit that was granted in the same moment."""
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
        if not self._queue.length:
            self._stop_checking()


class LimiterKey(NamedTuple):
    """What Twilio limits: the account's SID, the credential's region, the product."""

    account: str
    region: str
    product: str


class ConcurrencyLimiters:
    """All limiters of the process, each made on first use; at most accounts times products.

    They live outside the snapshot, so that a reload keeps what they have learned.
    """

    def __init__(self, options: AdaptiveLimitOptions, queue_size: int) -> None:
        self._options = options
        self._queue_size = queue_size
        self._limiters: dict[tuple[str, str, str], ConcurrencyLimiter] = {}

    def get(self, key: tuple[str, str, str]) -> ConcurrencyLimiter:
        """The limiter of an account, region and product, in the order of `LimiterKey`."""
        limiter = self._limiters.get(key)
        if limiter is None:
            limiter = ConcurrencyLimiter(AdaptiveLimit(self._options, random.uniform), self._queue_size)
            self._limiters[LimiterKey(*key)] = limiter
        return limiter

    def apply(self, options: AdaptiveLimitOptions, queue_size: int) -> None:
        """Apply new bounds; what was learned stays, as far as they permit it."""
        self._options = options
        self._queue_size = queue_size
        for limiter in self._limiters.values():
            limiter.apply(options, queue_size)

    def __iter__(self) -> Iterator[tuple[LimiterKey, ConcurrencyLimiter]]:
        # Copied in one step: the admin thread iterates, too.
        return iter([(LimiterKey(*key), limiter) for key, limiter in self._limiters.copy().items()])
