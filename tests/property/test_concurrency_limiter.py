"""Whatever callers do and whenever they go, no permit is lost and none is given twice."""

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter, Permit, PermitOutcome
from gateway.consumers.consumer import Priority
from gateway.errors import Refusal
from tests.support.virtual_time import VirtualTimeLoop, run_in_virtual_time

TICK = 0.01  # few moments, so that many things happen in the same one


class Watch:
    """The limiter's clock, which it reads before each change of its limit and before each grant: looks at
    `in_flight` then, so that every growth is compared with the limit that it was made under."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self.limiter: ConcurrencyLimiter | None = None
        self._loop = loop
        self._seen = 0
        self._capacity = 0

    def read(self) -> float:
        now = self._loop.time()
        if self.limiter is not None:
            self.look()
            self._capacity = self.limiter.adaptive_limit.capacity(now)
        return now

    def look(self) -> None:
        assert self.limiter is not None
        held = self.limiter.in_flight
        assert held >= 0
        assert held <= self._seen or held <= self._capacity
        self._seen = held


@dataclass(frozen=True)
class Caller:
    """Times in ticks: when it comes, how long it waits and holds a permit, and when it is cancelled."""

    consumer: str
    priority: Priority
    comes: int
    patience: int
    holds: int
    outcomes: tuple[PermitOutcome, ...]
    cancelled: int | None


CALLERS = st.builds(
    Caller,
    consumer=st.sampled_from("abc"),
    priority=st.sampled_from(Priority),
    comes=st.integers(0, 12),
    patience=st.integers(-1, 300),
    holds=st.integers(0, 12),
    outcomes=st.lists(st.sampled_from(PermitOutcome), min_size=1, max_size=3).map(tuple),
    cancelled=st.none() | st.integers(0, 40),
)
OPTIONS = st.builds(
    AdaptiveLimitOptions, floor=st.integers(1, 2), ceiling=st.integers(2, 20), initial=st.integers(1, 6)
)


class World:
    """Callers before a limiter."""

    def __init__(self, loop: VirtualTimeLoop, options: AdaptiveLimitOptions, queue_size: int) -> None:
        self.loop = loop
        self.watch = Watch(loop)
        limit = AdaptiveLimit(options, lambda low, high: (low + high) / 2)
        self.watch.limiter = self.limiter = ConcurrencyLimiter(limit, queue_size, self.watch.read)
        self.held: set[Permit] = set()

    async def call(self, caller: Caller) -> None:
        """A few attempts, each after the other; after a signal from the head of the queue."""
        await asyncio.sleep(caller.comes * TICK)
        deadline = self.loop.time() + caller.patience * TICK
        in_front = False
        for outcome in caller.outcomes:
            permit = await self.limiter.acquire(caller.consumer, caller.priority, deadline, in_front=in_front)
            assert permit not in self.held
            self.watch.look()
            self.held.add(permit)
            try:
                await asyncio.sleep(caller.holds * TICK)
            finally:
                self.held.remove(permit)
                permit.release(outcome)
            in_front = outcome is PermitOutcome.DROPPED

    async def nobody_waits_in_vain(self) -> None:
        """Half a tick aside: whoever waits has waited for a reason."""
        await asyncio.sleep(TICK / 2)
        before = False
        while True:
            room = self.limiter.in_flight < self.limiter.adaptive_limit.capacity(self.loop.time())
            vain = room and self.limiter.waiting > 0
            assert not (vain and before)
            before = vain
            await asyncio.sleep(TICK if not vain else 0.003)

    async def play(self, callers: list[Caller]) -> None:
        tasks = [self.loop.create_task(self.call(caller)) for caller in callers]
        for task, caller in zip(tasks, callers, strict=True):
            if caller.cancelled is not None:
                self.loop.call_at(caller.cancelled * TICK, task.cancel)
        watch = self.loop.create_task(self.nobody_waits_in_vain())
        async with asyncio.timeout(60.0):  # of the loop's time, far past every deadline
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        ended = watch.done()
        watch.cancel()
        await asyncio.wait([watch])
        assert not ended, watch.exception()
        for end in ends:
            if isinstance(end, AssertionError):
                raise end
            assert end is None or isinstance(end, Refusal | asyncio.CancelledError), repr(end)
        await asyncio.sleep(1.0)  # past every planned cancel
        assert (self.limiter.in_flight, self.limiter.waiting, self.held) == (0, 0, set())


@settings(max_examples=100, deadline=None)
@given(st.lists(CALLERS, min_size=1, max_size=25), OPTIONS, st.integers(0, 12))
def test_no_slot_is_lost_and_none_given_twice(
    callers: list[Caller], options: AdaptiveLimitOptions, queue_size: int
) -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        await World(loop, options, queue_size).play(callers)

    run_in_virtual_time(main)
