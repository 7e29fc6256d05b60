"""Guarded creates of two replicas on one Redis: what one sends, the other waits for, shares, or refuses."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.http.response import Response
from gateway.policy.repeat_intent import RepeatIntent
from gateway.repeat_guard.repeat_rules import RepeatEvent
from tests.support.redis import RedisServer
from tests.support.repeat_guard import ASKING, BODY, INTENT, GuardReplica, created, guard_replica, lost


@pytest.fixture
async def one(server: RedisServer) -> AsyncIterator[GuardReplica]:
    async with guard_replica(server) as made:
        yield made


@pytest.fixture
async def two(server: RedisServer) -> AsyncIterator[GuardReplica]:
    async with guard_replica(server) as made:
        yield made


async def test_creates_that_succeed_leave_nothing(one: GuardReplica, two: GuardReplica) -> None:
    for each in (one, two, one):
        assert await each.create() == "sent 201"
        await each.written()
    assert (one.keys(), one.guard.entries, one.events + two.events) == (set(), 0, [])


async def test_a_create_waits_for_one_of_another_replica(one: GuardReplica, two: GuardReplica) -> None:
    """Its caller took the answer, so the second is a message of its own."""
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(until=gate))
    await one.until_sent()
    second = asyncio.create_task(two.create())
    await two.until(RepeatEvent.WAITED)
    gate.set()
    assert [await first, await second] == ["sent 201", "sent 201"]
    assert two.events == [RepeatEvent.WAITED]


async def test_the_answer_of_a_caller_that_left_is_shared(one: GuardReplica, two: GuardReplica) -> None:
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(created("SM7"), until=gate, connected=False))
    await one.until_sent()
    second = asyncio.create_task(two.create())
    await two.until(RepeatEvent.WAITED)
    gate.set()
    assert [await first, await second] == ["sent 201", "shared 201"]
    assert await two.create() == "sent 201"  # the answer was taken: this is another message
    await two.written()
    assert one.keys() == set()


async def test_nothing_of_a_message_can_be_read_in_the_store(server: RedisServer, one: GuardReplica) -> None:
    """Neither while it is in flight nor in a kept answer; a request that is identical can."""
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(created(), intent=ASKING, until=gate, connected=False))
    await one.until_sent()
    in_flight = dump(server)
    gate.set()
    await first
    await one.written()
    for text in (in_flight, dump(server)):
        assert text
        assert BODY not in text
        assert b"nobody else" not in text
        assert b"+15550100" not in text
    other = INTENT._replace(secret=b"t" * 32)
    assert await one.create(intent=other, connected=False) == "repeat_not_kept"
    assert await one.create() == "shared 201"


async def test_an_open_outcome_is_open_for_all(one: GuardReplica, two: GuardReplica) -> None:
    assert await one.create(lost()) == "upstream_lost"
    await one.written()
    assert one.guard.entries == 0
    assert [await each.create() for each in (two, one, two)] == ["repeat_unknown"] * 3
    assert (one.sent, two.sent) == (1, 0)
    (listed,) = await two.guard.outcomes.listed({"AC" + "0" * 32}, 10)
    assert (listed.slug, listed.state, listed.subject.consumer) == ("upstream_lost", "unknown", "billing")


async def test_a_500_is_shared_as_it_was(one: GuardReplica, two: GuardReplica) -> None:
    assert await one.create(Response(500, "Oops", (), b"{}", None)) == "sent 500"
    await one.written()
    assert [await each.create() for each in (two, two)] == ["shared 500"] * 2


async def test_the_seconds_count_from_when_it_was_last_given(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    """By the server's clock; an hour after the request began it is free, however often it was asked for."""
    assert await one.create(lost()) == "upstream_lost"
    await one.written()
    (name,) = (name for name in server.names() if ":intent:" in name)
    server.client.pexpire(name, 1000)
    assert await two.create() == "repeat_unknown"
    assert server.client.pttl(name) > 250_000
    started = int(server.client.hget(name, "started"))
    server.client.hset(name, "started", started - 3_599_000)
    assert await two.create() == "repeat_unknown"
    assert server.client.pttl(name) <= 1000
    server.client.hset(name, "started", started - 3_601_000)
    assert await two.create() == "sent 201"


async def test_a_replica_that_was_killed_leaves_an_open_outcome(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    gate = asyncio.Event()
    killed = asyncio.create_task(one.create(until=gate))
    await one.until_sent()
    one.store.away = True  # as good as dead
    waiting = asyncio.create_task(two.create())
    await two.until(RepeatEvent.WAITED)
    two.lapse()
    assert await waiting == "repeat_unknown"
    assert await two.create() == "repeat_unknown"
    (listed,) = await two.guard.outcomes.listed({"AC" + "0" * 32}, 10)
    assert (listed.slug, listed.ended_at < listed.ends_by) == ("replica_lost", True)
    gate.set()
    await killed


async def test_a_deadline_ends_the_wait(one: GuardReplica, two: GuardReplica) -> None:
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(until=gate))
    await one.until_sent()
    assert await two.create(seconds=0.05) == "repeat_in_flight"
    gate.set()
    assert await first == "sent 201"
    assert two.sent == 0


async def test_a_store_that_forgets_makes_a_second_holder(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    """Both are sent: that cannot be helped, but it is counted."""
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(until=gate))
    await one.until_sent()
    server.client.flushall()
    second = asyncio.create_task(two.create(until=gate))
    await two.until_sent()
    gate.set()
    assert [await first, await second] == ["sent 201"] * 2
    await one.written()
    await two.written()
    assert sorted(one.events + two.events) == [RepeatEvent.SECOND_HOLDER]


async def test_an_intent_that_the_store_forgot_is_entered_again(
    server: RedisServer, one: GuardReplica, two: GuardReplica
) -> None:
    gate = asyncio.Event()
    first = asyncio.create_task(one.create(lost(), until=gate))
    await one.until_sent()
    server.client.flushall()
    gate.set()
    assert await first == "upstream_lost"
    await one.written()
    assert await two.create() == "repeat_unknown"


@pytest.mark.parametrize(("intent", "told"), [(INTENT, "repeat_unknown"), (ASKING, "sent 201")])
async def test_an_open_outcome_that_the_store_forgot_is_held_where_it_was_sent(
    server: RedisServer, one: GuardReplica, intent: RepeatIntent, told: str
) -> None:
    """Where Twilio is asked another replica may have found it out meanwhile, and its caller has it."""
    assert await one.create(lost(), intent=intent) == "upstream_lost"
    await one.written()
    server.client.flushall()
    assert await one.create(intent=intent) == told


async def test_reports_send_and_count(server: RedisServer, one: GuardReplica) -> None:
    async with guard_replica(server, reports=True) as reporting:
        assert await one.create(lost()) == "upstream_lost"
        await one.written()
        assert await reporting.create() == "sent 201"
        assert reporting.events == [RepeatEvent.REPORTED]


async def test_a_guard_that_is_local_asks_no_store(server: RedisServer) -> None:
    async with guard_replica(server, shares=False) as local:
        assert await local.create(lost()) == "upstream_lost"
        assert await local.create() == "repeat_unknown"
        assert local.store.runs == 0


def dump(server: RedisServer) -> bytes:
    """All names and values."""
    found = b""
    for name in server.names():
        kind = server.client.type(name)
        found += name.encode()
        if kind == b"hash":
            found += b"".join(b"".join(pair) for pair in server.client.hgetall(name).items())
        elif kind == b"zset":
            found += b"".join(server.client.zrange(name, 0, -1))
        else:
            found += server.client.get(name)
    return found
