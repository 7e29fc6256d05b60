"""Replicas count by the clock of Redis, whatever their own says (C8)."""

import time

import pytest

from gateway.rate_limits.gcra import Verdict
from gateway.rate_limits.memory_limits import LimitRequest
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from gateway.redis.server_clock import ServerClock
from tests.support.limits import SECOND, keys, limit
from tests.support.redis import RedisServer


async def exact(store: RedisStore) -> None:
    """Ask for the time until the answer is quick, which the first one is not on a busy machine."""
    assert store._pipe is not None
    while store.server_clock._error > 0.0003:
        await store._ask_time(store._pipe)


@pytest.mark.parametrize("ahead", [20.0, -20.0, 86_400.0])
async def test_c8_replicas_with_other_clocks_share_a_limit(
    server: RedisServer, store: RedisStore, ahead: float
) -> None:
    """Both count by Redis' clock, whatever their own says."""
    skewed = RedisStore(server.url, lambda state: None, answer_seconds=20, clock=lambda: time.time() + ahead)
    await skewed.open()
    try:
        assert skewed.server_clock.ahead_seconds == pytest.approx(ahead, abs=1)
        for each in (skewed, store):
            await exact(each)
        wanted = keys(limit("4/m", 4))
        stores = [RedisLimits(each, each.server_clock.now) for each in (skewed, store)]
        verdicts = [
            (await stores[number % 2].spend(LimitRequest(wanted))).decision.verdict for number in range(6)
        ]
        assert verdicts == [Verdict.ADMITTED] * 4 + [Verdict.REFUSED] * 2
    finally:
        await skewed.close()


async def test_c8_a_user_without_the_right_to_time(server: RedisServer) -> None:
    """It counts by its own clock, as well as it can."""
    server.client.execute_command("ACL", "SETUSER", "no-time", "on", ">pass", "~*", "&*", "+@all", "-time")
    url = server.url.replace("redis://", "redis://no-time:pass@")
    store = RedisStore(url, lambda state: None, answer_seconds=20)
    await store.open()
    try:
        assert store.state.available
        assert not store.server_clock.is_shared
        assert store.server_clock.now() == pytest.approx(time.time(), abs=1)
        result = await RedisLimits(store, store.server_clock.now).spend(LimitRequest(keys(limit("1/m", 1))))
        assert result.decision.verdict is Verdict.ADMITTED
    finally:
        await store.close()


def test_c8_a_slow_answer_does_not_replace_a_good_one() -> None:
    now = [1000.0]
    clock = ServerClock(lambda: 5.0, lambda: now[0])
    assert clock.now() == 5.0
    started_at = clock.moment()
    now[0] += 0.02
    clock.set(started_at, [b"2000", b"500000"])
    assert clock.now() == pytest.approx(2000.51)
    started_at = clock.moment()
    now[0] += 3.0
    clock.set(started_at, [b"2001", b"0"])
    assert clock.now() == pytest.approx(2003.51)
    started_at = clock.moment()
    now[0] += 3.0
    clock.set(started_at, [b"1990", b"0"])  # more than a round trip away: the server's clock was set
    assert clock.now() == pytest.approx(1991.5)
    clock.use_own()
    assert clock.now() == 5.0


async def test_c8_a_slow_answer_is_asked_for_again(server: RedisServer) -> None:
    """The first one comes while this process stands still for six seconds."""
    store = RedisStore(server.url, lambda state: None, answer_seconds=20)
    lost = iter([0.0, 6.0])
    ahead = 0.0

    def monotonic() -> float:
        nonlocal ahead
        ahead += next(lost, 0.0)
        return time.monotonic() + ahead

    store.server_clock._monotonic = monotonic
    await store.open()
    try:
        assert store.server_clock.now() == pytest.approx(time.time(), abs=1)
    finally:
        await store.close()


@pytest.mark.usefixtures("lasting_limits")
async def test_c8_a_state_far_ahead_delays_nobody_for_longer_than_the_limit_can(store: RedisStore) -> None:
    """The next request waits for one place, not for hours."""
    now = 1_700_000_000.0
    shared = RedisLimits(store, lambda: now)
    wanted = keys(limit("1/s", 3, max_wait_seconds=2))
    await RedisLimits(store, lambda: now + 7200).spend(LimitRequest(wanted))
    refused = (await shared.spend(LimitRequest(wanted))).decision
    assert (refused.verdict, refused.wait_us) == (Verdict.REFUSED, 3 * SECOND)
    now += 3.0
    assert (await shared.spend(LimitRequest(wanted))).decision.verdict is Verdict.ADMITTED
