"""Leases over a real Redis: few questions, a bounded error, and none where they would do harm."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest

from gateway.consumers.rate_limit_rules import LimitKey
from gateway.rate_limits.gcra import Verdict
from gateway.rate_limits.limit_leases import LEASE_US, LeasedLimits
from gateway.rate_limits.memory_limits import LimitRequest
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from tests.support.limits import SECOND, keys, limit
from tests.support.redis import RedisServer, redis_server

pytestmark = pytest.mark.usefixtures("lasting_limits")

LARGE = limit("1000/s", 1_000)


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Replica:
    """One gateway's view; replicas of a test share a clock."""

    now = 1_700_000_000 * SECOND

    def __init__(self, store: RedisStore) -> None:
        self.store = store
        self.limits = LeasedLimits(RedisLimits(store, self.clock), self.clock)

    def clock(self) -> float:
        return Replica.now / SECOND

    async def passes(self, wanted: tuple[LimitKey, ...]) -> bool:
        return (await self.limits.spend(LimitRequest(wanted))).decision.verdict is Verdict.ADMITTED


@pytest.fixture
async def replicas(running: RedisServer) -> AsyncIterator[list[Replica]]:
    running.client.flushall()
    made = [Replica(RedisStore(running.url, lambda _: None, answer_seconds=20)) for _ in range(2)]
    yield made
    for each in made:
        await each.store.close()


async def test_steady_traffic_asks_once_in_20_ms(replicas: list[Replica]) -> None:
    (replica, _) = replicas
    for _ in range(500):
        assert await replica.passes(keys(LARGE))
        Replica.now += 2_000
    assert replica.store.questions < 120  # 50 in a second, and some to learn the demand


async def test_sparse_traffic_leases_nothing(replicas: list[Replica]) -> None:
    (replica, _) = replicas
    for asked in range(1, 50):
        taken = await replica.limits.spend(LimitRequest(keys(LARGE)))
        assert taken.decision.tats == [Replica.now + LARGE.cost_us]
        assert replica.store.questions == asked
        Replica.now += LEASE_US


async def test_no_window_holds_more_than_20_ms_too_much(replicas: list[Replica]) -> None:
    """Two replicas ask twice as often as the limit admits, in turns and in bursts, for four seconds."""
    admitted: list[int] = []
    for step in range(8_000):
        if await replicas[step // 7 % 2].passes(keys(LARGE)):
            admitted.append(Replica.now)
        Replica.now += 500 if step % 1_000 else 300_000
    bound = 1_000 + LEASE_US // LARGE.unit_us
    for first in range(0, len(admitted), 50):
        for last in range(first, len(admitted), 50):
            assert last - first + 1 <= bound + (admitted[last] - admitted[first]) / LARGE.unit_us
    assert len(admitted) > 4_500  # and little is lost: 1,000 at once, and 1,000/s


async def test_near_its_limit_every_request_asks(replicas: list[Replica]) -> None:
    (replica, _) = replicas
    admitted = 0
    while await replica.passes(keys(LARGE)):
        admitted += 1
    assert admitted == 1_000
    assert 500 <= replica.store.questions <= 600


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(keys(limit("50/s", 1_000)), id="a_small_rate"),
        pytest.param(keys(LARGE, limit("50/s", 1_000, "app/1")), id="one_of_them_small"),
        pytest.param(keys(limit("1000/s", 1_000, max_wait_seconds=1)), id="may_be_waited_for"),
        pytest.param(keys(limit("1000/s", 1_000, reports=True)), id="only_reports"),
    ],
)
async def test_not_leased(replicas: list[Replica], wanted: tuple[LimitKey, ...]) -> None:
    (replica, _) = replicas
    for _ in range(100):
        assert await replica.passes(wanted)
    assert replica.store.questions == 100


async def test_those_who_ask_at_once_lease_once(replicas: list[Replica]) -> None:
    (replica, other) = replicas
    for _ in range(40):
        await replica.passes(keys(LARGE))
    answers = await asyncio.gather(*[replica.passes(keys(LARGE)) for _ in range(400)])
    assert all(answers)
    left = 0
    Replica.now += LEASE_US
    while await other.passes(keys(LARGE)):
        left += 1
    # 440 used, at most two batches of 20 lost, and what 20 ms brought
    assert 1_000 - 440 - 40 <= left <= 1_000 - 440 + 20


async def test_what_remains_is_told_from_the_lease(replicas: list[Replica]) -> None:
    (replica, _) = replicas
    tats = []
    for _ in range(30):
        tats.append((await replica.limits.spend(LimitRequest(keys(LARGE)))).decision.tats[0])
    assert all(0 < after - before <= 20 * LARGE.cost_us for before, after in pairwise(tats) if after > before)
    assert tats[-1] >= Replica.now + 30 * LARGE.cost_us
