"""Limits that replicas share through a real Redis, and what becomes of them when it goes away under load."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.consumers.rate_limit_rules import LimitKey, Per, make_limit_set, select_limits
from gateway.errors import Refusal
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.gcra import Reservation, Verdict, decide
from gateway.rate_limits.memory_limits import LimitRequest, MemoryLimits
from gateway.rate_limits.rate_limiter import RateLimiter
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.availability import StoreState
from gateway.redis.redis_store import ANSWER_SECONDS, RedisStore
from tests.support.limits import SECOND, keys, limit
from tests.support.moved_clock import attended_time
from tests.support.redis import RedisServer, redis_server

Replica = Callable[[], Awaitable[RateLimiter]]


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    running.client.flushall()
    return running


@asynccontextmanager
async def connected(
    server: RedisServer, told: list[StoreState], answer_seconds: float = 30.0
) -> AsyncIterator[RedisStore]:
    """By default it waits as long as a busy machine may need: a late answer would be a loss of the store."""
    store = RedisStore(server.url, told.append, answer_seconds=answer_seconds, probe_every_seconds=0.02)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    async with connected(server, []) as store:
        yield store


@pytest.fixture
async def replica(server: RedisServer) -> AsyncIterator[Replica]:
    """All have one time, so that the count is exact: no question is older than one that came before."""
    now = time.time()
    async with AsyncExitStack() as stack:

        async def make() -> RateLimiter:
            store = await stack.enter_async_context(connected(server, []))
            memory = MemoryLimits(ExpiryTable(), time.monotonic)
            return RateLimiter(memory, RedisLimits(store, lambda: now), clock=time.monotonic)

        yield make


async def count_admitted(limiters: list[RateLimiter], wanted: tuple[LimitKey, ...], each: int) -> int:
    asked = [limiter.admit_keys(wanted, time.monotonic()) for limiter in limiters for _ in range(each)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Refusal) for answer in answers if isinstance(answer, BaseException))
    return sum(not isinstance(answer, BaseException) for answer in answers)


async def test_replicas_share_a_limit(replica: Replica) -> None:
    limiters = [await replica() for _ in range(3)]
    assert await count_admitted(limiters, keys(limit("1/m", 50)), each=40) == 50


async def test_all_or_none_across_replicas(replica: Replica) -> None:
    """A limit that refuses costs the others nothing."""
    limiters = [await replica() for _ in range(2)]
    wide, narrow = keys(limit("1/m", 50), limit("1/m", 5, "app/1"))
    assert await count_admitted(limiters, (wide, narrow), each=40) == 5
    assert await count_admitted(limiters, (wide,), each=40) == 45


@pytest.mark.usefixtures("lasting_limits")
async def test_those_who_wait_are_in_one_line(server: RedisServer, store: RedisStore) -> None:
    """Each of six gets a moment of its own, 0.1 s apart, whichever replica it asked."""
    shared = RedisLimits(store, lambda: 1_000.0)
    wanted = keys(limit("10/s", 1, max_wait_seconds=1))
    asked = [shared.spend(LimitRequest(wanted, 0, SECOND)) for _ in range(6)]
    waits = [taken.decision.wait_us for taken in await asyncio.gather(*asked)]
    assert waits == [100_000 * place for place in range(6)]


@pytest.mark.usefixtures("lasting_limits")
async def test_a_place_given_back_is_free_again(store: RedisStore) -> None:
    shared = RedisLimits(store, lambda: 1_000.0)
    wanted = keys(limit("1/s", 1, max_wait_seconds=1))
    await shared.spend(LimitRequest(wanted, 0, SECOND))
    first = (await shared.spend(LimitRequest(wanted, 0, SECOND))).decision
    assert (await shared.spend(LimitRequest(wanted, 0, SECOND))).decision.verdict is Verdict.REFUSED
    await shared.release(wanted[0], Reservation(0, first.tats[0]))
    assert (await shared.spend(LimitRequest(wanted, 0, SECOND))).decision == first


async def test_what_stands_in_redis(server: RedisServer, store: RedisStore) -> None:
    """Hashed destinations, one slot of a cluster per consumer, and nothing that stays."""
    number = "15550100001"
    limits = make_limit_set(
        [limit("1/m", 1, "app/0"), limit("1/s", 1, "app/1", per=Per.DESTINATION, secret=b"s")]
    )
    wanted = select_limits(limits, "POST", "api", "/", "AC0", (number,))
    await RedisLimits(store, time.time).spend(LimitRequest(wanted))
    names = sorted(name.decode() for name in server.client.scan_iter())
    assert names[0] == "gateway:limit:{app}/0"
    assert names[1].startswith("gateway:limit:{app}/1:")
    assert number not in "".join(names)
    assert 0 < server.client.pttl(names[0]) <= 61_000
    assert 0 < server.client.pttl(names[1]) <= 2_000


@pytest.mark.usefixtures("lasting_limits")
async def test_the_script_decides_as_python_does(store: RedisStore) -> None:
    chance = random.Random(7)
    limits = [
        limit("3/s", 2, "app/0", max_wait_seconds=2),
        limit("40/m", 3, "app/1", weight=2, max_wait_seconds=5),
        limit("7/s", 2, "app/2", reports=True),
        limit("2/s", 4, "app/3"),
    ]
    now = 1_700_000_000 * SECOND
    shared = RedisLimits(store, lambda: now / SECOND)
    tats = dict.fromkeys(range(4), 0)
    held: tuple[tuple[int, ...], Reservation] | None = None
    verdicts = set()
    for _ in range(1_500):
        now += chance.choice([0, 1_000, 250_000, SECOND])
        picked = tuple(sorted(chance.sample(range(4), chance.randint(1, 4))))
        mine = None
        if held is not None and chance.random() < 0.7:
            picked, mine = held
        wanted = keys(*[limits[each] for each in picked])
        waited, left = chance.choice([0, SECOND]), chance.choice([0, SECOND, 9 * SECOND])
        expected = decide(wanted, [tats[each] for each in picked], now, waited, left, mine)
        taken = await shared.spend(LimitRequest(wanted, waited, left, mine))
        assert taken.decision == expected
        tats.update(zip(picked, expected.tats, strict=True))
        verdicts.add(expected.verdict)
        held = None
        if expected.verdict is Verdict.RESERVED:
            held = picked, Reservation(expected.which, expected.tats[expected.which])
    assert verdicts == set(Verdict)


LOSSES = [pytest.param("stop", id="stopped"), pytest.param("freeze", id="frozen")]


@pytest.mark.parametrize("loss", LOSSES)
async def test_goes_on_alone_under_load_and_comes_back(loss: str) -> None:
    """Forty callers ask without a pause: none ever waits for long or fails, and Redis is used again."""
    told: list[StoreState] = []
    longest = 0.0
    admitted = 0
    with redis_server() as server:
        async with attended_time() as now, connected(server, told, ANSWER_SECONDS) as store:
            memory = MemoryLimits(ExpiryTable(), time.monotonic)
            limiter = RateLimiter(memory, RedisLimits(store, time.time), clock=time.monotonic)
            wanted = keys(limit("1000000/s", 1_000_000))
            progress, ends = asyncio.Event(), asyncio.Event()

            async def call() -> None:
                nonlocal longest, admitted
                while not ends.is_set():
                    began = now()
                    await limiter.admit_keys(wanted, time.monotonic() + 10)
                    longest = max(longest, now() - began)
                    admitted += 1
                    progress.set()
                    await asyncio.sleep(0)

            async def until(met: Callable[[], bool]) -> None:
                async with asyncio.timeout(120):
                    while not met():
                        progress.clear()
                        await progress.wait()

            callers = [asyncio.create_task(call()) for _ in range(40)]
            await until(lambda: admitted > 400)
            getattr(server, loss)()
            await until(lambda: bool(told))
            alone = admitted
            await until(lambda: admitted > alone + 400)
            assert [state.available for state in told] == [False]
            if loss == "stop":
                await server.restart()
            else:
                server.thaw()
            await until(lambda: len(told) == 2)
            server.client.flushall()
            back = admitted
            await until(lambda: admitted > back + 400)
            ends.set()
            await asyncio.gather(*callers)
            assert [state.available for state in told] == [False, True]
            assert server.client.exists("gateway:limit:{app}/0")
    assert longest < 1.0
