"""The gate: who is let through, who waits, who is told what; and what if the shared store is away."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.consumers.rate_limit_rules import Limit, LimitKey, make_limit_set
from gateway.errors import Refusal
from gateway.policy.bodies import NO_BODY
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.gcra import Reservation
from gateway.rate_limits.memory_limits import LimitRequest, LimitResult, MemoryLimits
from gateway.rate_limits.rate_limiter import ADMITTED, OnStoreFailure, RateLimiter
from gateway.redis.availability import StoreUnavailable
from tests.support.limits import keys, limit

START = 1_000.0
FAR = START + 1_000


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.on_sleep()
        self.now += seconds


class Away:
    """A shared store that can be lost; while it is there, it counts in memory of its own."""

    def __init__(self, clock: Clock) -> None:
        self.there = False
        self.asked = 0
        self._limits = MemoryLimits(ExpiryTable(), clock)

    async def spend(self, ask: LimitRequest) -> LimitResult:
        self.asked += 1
        if not self.there:
            raise StoreUnavailable("gone")
        return self._limits.spend_now(ask)

    async def release(self, key: LimitKey, held: Reservation) -> None:
        if not self.there:
            raise StoreUnavailable("gone")
        await self._limits.release(key, held)

    async def read_uses(self, limits: Sequence[Limit]) -> list[float]:
        if not self.there:
            raise StoreUnavailable("gone")
        return await self._limits.read_uses(limits)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(MemoryLimits(ExpiryTable(), clock), clock=clock, sleep=clock.sleep)


async def refusal(limiter: RateLimiter, wanted: tuple[LimitKey, ...], deadline: float = FAR) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await limiter.admit_keys(wanted, deadline)
    return refused.value


async def test_admitted_and_told(limiter: RateLimiter) -> None:
    admission = await limiter.admit_keys(keys(limit("20/s", 40, "billing/0")), FAR)
    assert admission.reported == ""
    assert admission.fields == (
        b'RateLimit-Policy: "billing-0";q=40;w=2\r\nRateLimit: "billing-0";r=39;t=1\r\n'
    )


async def test_refused_and_told(limiter: RateLimiter, clock: Clock) -> None:
    wanted = keys(limit("2/m", 2, "billing/0"), limit("100/s", 100, "billing/1"))
    for _ in range(2):
        await limiter.admit_keys(wanted, FAR)
    clock.now += 0.5
    refused = await refusal(limiter, wanted)
    assert (refused.slug, refused.status, refused.code) == ("rate_limited", 429, 20429)
    assert dict(refused.headers) == {
        "Retry-After": "30",
        "RateLimit-Policy": '"billing-0";q=2;w=60, "billing-1";q=100;w=1',
        "RateLimit": '"billing-0";r=0;t=30, "billing-1";r=100;t=0',
    }
    assert refused.detail == (
        "Limit billing/0 (2 per 60 s, burst 2, per consumer) is reached; retry in 30 s."
    )


async def test_retry_after_is_at_least_a_second_and_true(limiter: RateLimiter, clock: Clock) -> None:
    wanted = keys(limit("10/s", 1))
    await limiter.admit_keys(wanted, FAR)
    refused = await refusal(limiter, wanted)
    assert dict(refused.headers)["Retry-After"] == "1"
    clock.now += 1
    await limiter.admit_keys(wanted, FAR)


async def test_waits_its_turn(limiter: RateLimiter, clock: Clock) -> None:
    wanted = keys(limit("4/s", 1, max_wait_seconds=1))
    await limiter.admit_keys(wanted, FAR)
    await limiter.admit_keys(wanted, FAR)
    assert clock.slept == [0.25]
    assert clock.now == START + 0.25


async def test_those_who_wait_are_served_in_order_and_bounded(clock: Clock) -> None:
    """Five ask at once with room for two to wait: each has its own moment, the rest are refused at once."""
    began: list[float] = []

    async def note(seconds: float) -> None:
        began.append(seconds)

    limiter = RateLimiter(MemoryLimits(ExpiryTable(), clock), clock=clock, sleep=note)
    wanted = keys(limit("1/s", 1, max_wait_seconds=2))
    for _ in range(3):
        await limiter.admit_keys(wanted, FAR)
    for _ in range(2):
        assert dict((await refusal(limiter, wanted)).headers)["Retry-After"] == "3"
    assert began == [1.0, 2.0]


async def test_no_wait_past_the_deadline(limiter: RateLimiter, clock: Clock) -> None:
    wanted = keys(limit("1/s", 1, max_wait_seconds=60))
    await limiter.admit_keys(wanted, FAR)
    await refusal(limiter, wanted, START + 0.9)
    assert clock.slept == []


async def test_the_others_are_asked_again_after_a_wait(clock: Clock) -> None:
    """Who waits for one limit takes nothing of the others meanwhile; they may then be used up."""
    memory = MemoryLimits(ExpiryTable(), clock)
    limiter = RateLimiter(memory, clock=clock, sleep=clock.sleep)
    shared = limit("1/m", 2, "app/0")
    single = limit("1/s", 1, "app/1", max_wait_seconds=5)
    await limiter.admit_keys(keys(shared, single), FAR)
    clock.on_sleep = lambda: memory.spend_now(LimitRequest(keys(shared))) and None
    assert (await refusal(limiter, keys(shared, single))).detail.startswith("Limit app/0 ")
    assert clock.slept == [1.0]
    await limiter.admit_keys(keys(single), FAR)
    assert clock.slept == [1.0]  # the place that was not used was given back


async def test_who_hangs_up_gives_its_place_back(clock: Clock) -> None:
    asleep = asyncio.Event()

    async def forever(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    memory = MemoryLimits(ExpiryTable(), clock)
    limiter = RateLimiter(memory, clock=clock, sleep=forever)
    wanted = keys(limit("1/s", 1, max_wait_seconds=1))
    await limiter.admit_keys(wanted, FAR)
    waiting = asyncio.create_task(limiter.admit_keys(wanted, FAR))
    await asleep.wait()
    await refusal(limiter, wanted)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    after = RateLimiter(memory, clock=clock, sleep=clock.sleep)
    await after.admit_keys(wanted, FAR)
    assert clock.slept == [1.0]


async def test_report_lets_through_and_says_so(limiter: RateLimiter) -> None:
    wanted = keys(limit("1/m", 1, reports=True))
    assert await limiter.admit_keys(wanted, FAR) == ADMITTED
    assert await limiter.admit_keys(wanted, FAR) == (b"", "rate_limited", "")


async def test_store_away_local(clock: Clock) -> None:
    shared = Away(clock)
    limiter = RateLimiter(MemoryLimits(ExpiryTable(), clock), shared, clock=clock, sleep=clock.sleep)
    wanted = keys(limit("1/m", 1))
    await limiter.admit_keys(wanted, FAR)
    assert (await refusal(limiter, wanted)).slug == "rate_limited"
    shared.there = True
    await limiter.admit_keys(wanted, FAR)
    assert (await refusal(limiter, wanted)).slug == "rate_limited"


async def test_store_away_refuse(clock: Clock) -> None:
    memory = MemoryLimits(ExpiryTable(), clock)
    limiter = RateLimiter(memory, Away(clock), on_store_failure=OnStoreFailure.REFUSE, clock=clock)
    refused = await refusal(limiter, keys(limit("1/m", 1)))
    assert (refused.slug, refused.status, refused.headers) == (
        "store_unavailable",
        503,
        (("Retry-After", "1"),),
    )


async def test_store_lost_during_a_wait(clock: Clock) -> None:
    """It goes on in memory, where the place that it had elsewhere counts for nothing."""
    shared = Away(clock)
    shared.there = True
    limiter = RateLimiter(MemoryLimits(ExpiryTable(), clock), shared, clock=clock, sleep=clock.sleep)
    wanted = keys(limit("1/s", 1, max_wait_seconds=5))
    await limiter.admit_keys(wanted, FAR)

    def lose() -> None:
        shared.there = False

    clock.on_sleep = lose
    await limiter.admit_keys(wanted, FAR)
    assert clock.slept == [1.0]
    await limiter.admit_keys(wanted, FAR)
    assert clock.slept == [1.0, 1.0]


async def test_one_question_per_request(clock: Clock) -> None:
    shared = Away(clock)
    shared.there = True
    limiter = RateLimiter(MemoryLimits(ExpiryTable(), clock), shared, clock=clock)
    for _ in range(5):
        await limiter.admit_keys(keys(limit("9/s", 9), limit("9/s", 9, "app/1")), FAR)
    assert shared.asked == 5


async def test_fixed_limits_admit_by_the_same_record(limiter: RateLimiter) -> None:
    """Where limits are the same for every call they are spent in one pass; the answer has the same shape."""
    limits = make_limit_set([limit("20/s", 40, "billing/0")])
    grant: Any = ()  # not looked at, as the limits are fixed; a tuple, as compiled code has it
    for _ in range(3):
        fields, reported, name = await limiter.admit(limits, grant, NO_BODY, FAR)
        assert fields.startswith(b"RateLimit-Policy: ")
        assert (reported, name) == ("", "")
