"""What replicas report of a learned limit through Redis, and what disturbs it (C11)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.background.loops import BackgroundLoops
from gateway.concurrency.adaptive_limit import AdaptiveLimitOptions
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiters, LimiterKey
from gateway.concurrency.limit_sharing import LimitSharing
from gateway.rate_limits.gcra import Verdict
from gateway.rate_limits.memory_limits import LimitRequest
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from tests.support.limits import keys, limit
from tests.support.redis import RedisServer

ACCOUNT = LimiterKey("AC" + "0" * 32, "us1", "api")


class Sharing:
    """Replicas that share the learned limit of one account, in rounds of half a second."""

    def __init__(self, store: RedisStore) -> None:
        self.failures: list[str] = []
        self.loops = [BackgroundLoops(lambda name, error: self.failures.append(name)) for _ in range(2)]
        self.limiters = [ConcurrencyLimiters(AdaptiveLimitOptions(initial=20), 10) for _ in range(2)]
        for each in self.limiters:
            each.get(ACCOUNT)
        self.sharing = [
            LimitSharing(limiters, store, store.server_clock.now, loops)
            for limiters, loops in zip(self.limiters, self.loops, strict=True)
        ]

    @property
    def is_shared(self) -> bool:
        return not any(limiters.get(ACCOUNT).adaptive_limit.yields for limiters in self.limiters)

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not met():  # noqa: ASYNC110 - rounds of the parts are watched, nothing reports their end
                await asyncio.sleep(0.05)

    async def next_round(self) -> None:
        """Wait until every replica has finished a round that began after this call."""
        for loops in self.loops:
            for _ in range(2):
                (loop,) = loops
                beat_at = loop._beat_at
                await self.until(lambda loop=loop, beat_at=beat_at: loop._beat_at > beat_at)  # type: ignore[misc]


@pytest.fixture
async def sharing(store: RedisStore) -> AsyncIterator[Sharing]:
    made = Sharing(store)
    for each in made.sharing:
        each.start()
    await made.until(lambda: made.is_shared)
    yield made
    for each in made.sharing:
        await each.close()


REPORTS = f"gateway:shares:{{{ACCOUNT.account}:{ACCOUNT.region}:{ACCOUNT.product}}}"
ODD_FIELDS = {
    "empty": b"",
    "words": b"not a report at all",
    "fewer_numbers": b"1 2 3",
    "negative": b"-5 0 0 1700000000",
    "huge": b"99999999999999999999 0 5 1700000000",
    "nan": b"5 0 5 nan",
    "infinite": b"5 0 5 inf",
    "bytes": b"\xff\xfe",
    "json": b'{"limit": 5}',
}


@pytest.mark.parametrize("field", ODD_FIELDS.values(), ids=ODD_FIELDS.keys())
async def test_c11_a_field_of_another_form_is_skipped(
    server: RedisServer, sharing: Sharing, field: bytes
) -> None:
    limits = [each.get(ACCOUNT).adaptive_limit.limit for each in sharing.limiters]
    server.client.hset(REPORTS, mapping={"another-release": field, b"\xff": field})
    await sharing.next_round()
    assert sharing.is_shared
    assert [each.get(ACCOUNT).adaptive_limit.limit for each in sharing.limiters] == limits
    assert sharing.failures == []


@pytest.mark.parametrize("disturb", ["flushall", "string", "list"])
async def test_c11_redis_forgets_or_holds_something_else(
    server: RedisServer, sharing: Sharing, disturb: str
) -> None:
    for _ in range(20):
        server.client.flushall()
        if disturb == "string":
            server.client.set(REPORTS, "x")
        if disturb == "list":
            server.client.lpush(REPORTS, "x")
        await asyncio.sleep(0.05)
    await sharing.next_round()
    await sharing.until(lambda: sharing.is_shared)
    assert sharing.failures == []


async def test_c11_a_user_without_the_right_to_hgetall(server: RedisServer) -> None:
    """Replicas coordinate by windows instead; limits still use Redis, and the loop's age shows it."""
    server.client.execute_command("ACL", "SETUSER", "no-all", "on", ">pass", "~*", "&*", "+@all", "-hgetall")
    store = RedisStore(
        server.url.replace("redis://", "redis://no-all:pass@"), lambda state: None, answer_seconds=20
    )
    await store.open()
    made = Sharing(store)
    try:
        for each in made.sharing:
            each.start()
        await made.until(lambda: store.questions >= 12)  # three rounds
        assert not made.is_shared
        assert store.state.available
        result = await RedisLimits(store, store.server_clock.now).spend(LimitRequest(keys(limit("1/m", 1))))
        assert result.decision.verdict is Verdict.ADMITTED
        assert all(loop.age_seconds > 1 for loops in made.loops for loop in loops)
    finally:
        for each in made.sharing:
            await each.close()
        await store.close()


async def test_c11_reports_of_dead_replicas_are_dropped(server: RedisServer, sharing: Sharing) -> None:
    now = time.time()
    server.client.hset(
        REPORTS, mapping={"dead": f"30 0 30 {now - 90:.3f}", "ahead": f"30 0 30 {now + 90:.3f}"}
    )
    await sharing.next_round()
    assert {name.decode() for name in server.client.hkeys(REPORTS)} == {
        each.replica for each in sharing.sharing
    }
