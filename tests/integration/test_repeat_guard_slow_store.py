"""Guarded creates while Redis pauses, or is away: waited for, refused, or guarded by each process alone."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from gateway.repeat_guard.repeat_rules import RepeatEvent
from tests.support.moved_clock import BoundedTime
from tests.support.redis import RedisServer
from tests.support.repeat_guard import INTENT, GuardReplica, created, guard_replica, lost


@pytest.fixture
def silence() -> BoundedTime:
    """How long Redis has been silent: no longer than the test has it be, whatever the machine does."""
    return BoundedTime()


@pytest.fixture
async def one(server: RedisServer, silence: BoundedTime) -> AsyncIterator[GuardReplica]:
    """With the time-out of a real gateway: 80 ms."""
    async with guard_replica(server, 0.08, silence.time) as made:
        yield made


@pytest.fixture
async def two(server: RedisServer, silence: BoundedTime) -> AsyncIterator[GuardReplica]:
    async with guard_replica(server, 0.08, silence.time) as made:
        yield made


@pytest.mark.parametrize("pause", [100, 150, 300, 500])
async def test_a_pause_of_redis_sends_nothing_twice(
    server: RedisServer, one: GuardReplica, two: GuardReplica, silence: BoundedTime, pause: int
) -> None:
    """Ten callers at each replica whose first request is lost, while nothing is answered."""
    await asyncio.gather(one.store.store.open(), two.store.store.open())
    silence.allow(pause / 1000)
    server.freeze()
    tasks = [asyncio.create_task(each.create(lost())) for each in (one, two) for _ in range(10)]
    await asyncio.sleep(pause / 1000)
    try:
        if pause > 100:  # the shortest may be over when a busy machine finds that the time-out has passed
            await one.until(RepeatEvent.STORE_SLOW)
    finally:
        server.thaw()
    told = await asyncio.gather(*tasks)
    assert sorted(told) == ["repeat_unknown"] * 19 + ["upstream_lost"]
    assert one.sent + two.sent == 1
    assert RepeatEvent.STORE_AWAY not in one.events + two.events


async def test_pauses_at_random_send_nothing_twice(
    server: RedisServer, one: GuardReplica, two: GuardReplica, silence: BoundedTime
) -> None:
    """What begins an intent and what ends it both meet pauses; each is sent once."""
    chance = random.Random(5)
    for number in range(12):
        intent = INTENT._replace(scope=f"{number:064x}")
        before = one.sent + two.sent
        silence.allow(0.4)
        if number % 2:
            await asyncio.to_thread(server.client.client_pause, chance.randint(50, 400))
        else:
            pausing = asyncio.to_thread(server.client.execute_command, "DEBUG", "SLEEP", chance.random() / 3)
            asyncio.get_running_loop().create_task(pausing)
        calls = (each.create(lost(), intent=intent) for each in (one, two) for _ in range(3))
        await asyncio.gather(*calls)
        assert one.sent + two.sent == before + 1, number


async def test_a_deadline_that_passes_in_a_pause_locks_nothing(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    """The scripts that were not answered run later: they must not begin a flight that nobody ends."""
    await one.store.store.open()
    server.freeze()
    try:
        assert await one.create(seconds=0.3) == "store_unavailable"
    finally:
        server.thaw()
    await one.written()
    assert await two.create() == "sent 201"
    assert two.events == []


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_store_that_is_away_refuses_or_leaves_each_alone(server: RedisServer, refuses: bool) -> None:
    """Alone, a process still knows its own, also those that it had written before."""
    async with guard_replica(server, refuses=refuses) as replica:
        assert await replica.create(lost()) == "upstream_lost"
        await replica.written()
        replica.store.away = True
        other = INTENT._replace(scope="b" * 64)
        told = [
            await replica.create(),
            await replica.create(lost(), intent=other),
            await replica.create(intent=other),
        ]
        if refuses:
            assert told == ["store_unavailable"] * 3
            assert replica.events.count(RepeatEvent.STORE_UNAVAILABLE) == 3
            assert replica.sent == 1
        else:
            assert told == ["repeat_unknown", "upstream_lost", "repeat_unknown"]
            assert replica.events.count(RepeatEvent.STORE_AWAY) == 2
            assert replica.sent == 2
        replica.store.away = False
        await replica.written()
        assert replica.guard.entries == 0


@pytest.mark.parametrize("refuses", [True, False])
async def test_report_mode_refuses_nothing_while_redis_is_slow(server: RedisServer, refuses: bool) -> None:
    """What the store could not be told in time is sent all the same."""
    async with guard_replica(server, refuses=refuses, reports=True) as replica:
        replica.store.faults.append("before")
        hold = replica.hold()
        async with hold:
            require_turn = hold.before_attempts(None)
            assert require_turn is None
            hold.answered(created())
            hold.delivered()


async def test_what_ended_while_the_store_was_away_is_written_when_it_is_back(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(lost(), until=gate))
    await one.until_sent()
    one.store.away = True
    gate.set()
    assert await first == "upstream_lost"
    assert one.guard.open_outcomes == 1
    assert await one.create() == "repeat_unknown"  # from memory
    one.store.away = False
    await one.written()
    assert one.guard.open_outcomes == 0
    assert await two.create() == "repeat_unknown"


async def test_an_end_that_is_unwritten_does_not_hold_the_next(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    """Its caller had the answer: the next is a message of its own, and replaces it in the store."""
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(created("SM1"), until=gate, sid="SM1"))
    await one.until_sent()
    one.store.faults += ["before"] * 1
    gate.set()
    assert await first == "sent 201"
    await one.store.until_runs(2)
    assert await one.create(created("SM2"), sid="SM2") == "sent 201"
    await one.written()
    assert await two.create() == "sent 201"
    assert two.events == []


async def test_a_caller_that_leaves_while_the_store_is_slow_leaves_nothing(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    one.store.faults += ["after", "hold"]
    call = asyncio.create_task(one.create())
    await one.until(RepeatEvent.STORE_SLOW)
    await one.store.until_runs(2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await one.written()
    assert (one.sent, await two.create()) == (0, "sent 201")
    assert two.events == []
