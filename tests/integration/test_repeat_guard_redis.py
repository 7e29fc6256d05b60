"""Guarded creates of two replicas on one Redis: what one sends, the other waits for, shares, or refuses."""

import asyncio

import pytest

from gateway.http.response import Response
from gateway.policy.repeat_intent import RepeatIntent
from gateway.repeat_guard.repeat_rules import RepeatEvent
from tests.support.redis import RedisServer
from tests.support.repeat_guard import ASKING, BODY, INTENT, GuardReplica, created, guard_replica, lost


async def test_creates_that_succeed_leave_nothing(guard_one: GuardReplica, guard_two: GuardReplica) -> None:
    for each in (guard_one, guard_two, guard_one):
        assert await each.create() == "sent 201"
        await each.written()
    assert (guard_one.keys(), guard_one.guard.entries, guard_one.events + guard_two.events) == (set(), 0, [])


async def test_a_create_waits_for_one_of_another_replica(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """Its caller took the answer, so the second is a message of its own."""
    gate = asyncio.Event()
    first = asyncio.create_task(guard_one.create(until=gate))
    await guard_one.until_sent()
    second = asyncio.create_task(guard_two.create())
    await guard_two.until(RepeatEvent.WAITED)
    gate.set()
    assert [await first, await second] == ["sent 201", "sent 201"]
    assert guard_two.events == [RepeatEvent.WAITED]


async def test_the_answer_of_a_caller_that_left_is_shared(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    gate = asyncio.Event()
    first = asyncio.create_task(guard_one.create(created("SM7"), until=gate, connected=False))
    await guard_one.until_sent()
    second = asyncio.create_task(guard_two.create())
    await guard_two.until(RepeatEvent.WAITED)
    gate.set()
    assert [await first, await second] == ["sent 201", "shared 201"]
    assert await guard_two.create() == "sent 201"  # the answer was taken: this is another message
    await guard_two.written()
    assert guard_one.keys() == set()


async def test_an_answer_that_is_being_given_to_a_caller_is_no_other_s(
    server: RedisServer, guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """However long that takes it, or its resource to be read: the next one is a message of its own."""
    assert await guard_one.create(connected=False) == "sent 201"
    await guard_one.written()
    async with guard_two.hold() as hold:
        assert hold.shared is not None
        (name,) = (name for name in server.names() if ":intent:" in name)
        server.client.hset(name, "lease", 1)
        async with asyncio.timeout(120):
            while server.client.hget(name, "lease") == b"1":  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        assert await guard_one.create(seconds=0.05) == "repeat_in_flight"
        hold.delivered()
    await guard_two.written()
    assert await guard_one.create() == "sent 201"
    shared = guard_two.guard._parts.shared
    assert shared is not None
    assert not shared._taken


async def test_nothing_of_a_message_can_be_read_in_the_store(
    server: RedisServer, guard_one: GuardReplica
) -> None:
    """Neither while it is in flight nor in a kept answer; a request that is identical can."""
    gate = asyncio.Event()
    first = asyncio.create_task(guard_one.create(created(), intent=ASKING, until=gate, connected=False))
    await guard_one.until_sent()
    in_flight = dump(server)
    gate.set()
    await first
    await guard_one.written()
    for text in (in_flight, dump(server)):
        assert text
        assert BODY not in text
        assert b"nobody else" not in text
        assert b"+15550100" not in text
    other = INTENT._replace(secret=b"t" * 32)
    assert await guard_one.create(intent=other, connected=False) == "repeat_not_kept"
    assert await guard_one.create() == "shared 201"


async def test_an_open_outcome_is_open_for_all(guard_one: GuardReplica, guard_two: GuardReplica) -> None:
    assert await guard_one.create(lost()) == "upstream_lost"
    await guard_one.written()
    assert guard_one.guard.entries == 0
    assert [await each.create() for each in (guard_two, guard_one, guard_two)] == ["repeat_unknown"] * 3
    assert (guard_one.sent, guard_two.sent) == (1, 0)
    (listed,) = await guard_two.guard.outcomes.listed({"AC" + "0" * 32}, 10)
    assert (listed.slug, listed.state, listed.subject.consumer) == ("upstream_lost", "unknown", "billing")


async def test_a_500_is_shared_as_it_was(guard_one: GuardReplica, guard_two: GuardReplica) -> None:
    assert await guard_one.create(Response(500, "Oops", (), b"{}", None)) == "sent 500"
    await guard_one.written()
    assert [await each.create() for each in (guard_two, guard_two)] == ["shared 500"] * 2


async def test_the_seconds_count_from_when_it_was_last_given(
    server: RedisServer, guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """By the server's clock; an hour after the request began it is free, however often it was asked for."""
    assert await guard_one.create(lost()) == "upstream_lost"
    await guard_one.written()
    (name,) = (name for name in server.names() if ":intent:" in name)
    server.client.pexpire(name, 1000)
    assert await guard_two.create() == "repeat_unknown"
    assert server.client.pttl(name) > 250_000
    started = int(server.client.hget(name, "started"))
    server.client.hset(name, "started", started - 3_599_000)
    assert await guard_two.create() == "repeat_unknown"
    assert server.client.pttl(name) <= 1000
    server.client.hset(name, "started", started - 3_601_000)
    assert await guard_two.create() == "sent 201"


async def test_an_attempt_is_remembered_for_as_long_as_it_may_take(
    server: RedisServer, guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """Also where its replica is cut off, and outcomes are kept for a shorter time."""
    gate, intent = asyncio.Event(), INTENT._replace(seconds=2)
    first = asyncio.create_task(guard_one.create(lost(), intent=intent, seconds=50, until=gate))
    await guard_one.until_sent()
    (name,) = (name for name in server.names() if ":intent:" in name)
    assert server.client.pttl(name) > 20_000
    guard_one.lapse()
    assert await guard_two.create(intent=intent) == "repeat_unknown"
    assert server.client.pttl(name) > 20_000
    gate.set()
    assert await first == "upstream_lost"
    await guard_one.written()
    assert server.client.pttl(name) <= 2000


async def test_a_replica_that_was_killed_leaves_an_open_outcome(
    server: RedisServer, guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    gate = asyncio.Event()
    killed = asyncio.create_task(guard_one.create(until=gate))
    await guard_one.until_sent()
    guard_one.store.away = True  # as good as dead
    waiting = asyncio.create_task(guard_two.create())
    await guard_two.until(RepeatEvent.WAITED)
    guard_two.lapse()
    assert await waiting == "repeat_unknown"
    assert await guard_two.create() == "repeat_unknown"
    (listed,) = await guard_two.guard.outcomes.listed({"AC" + "0" * 32}, 10)
    assert (listed.slug, listed.ended_at < listed.ends_by) == ("replica_lost", True)
    gate.set()
    await killed


async def test_a_deadline_ends_the_wait(guard_one: GuardReplica, guard_two: GuardReplica) -> None:
    gate = asyncio.Event()
    first = asyncio.create_task(guard_one.create(until=gate))
    await guard_one.until_sent()
    assert await guard_two.create(seconds=0.05) == "repeat_in_flight"
    gate.set()
    assert await first == "sent 201"
    assert guard_two.sent == 0


async def test_a_store_that_forgets_makes_a_second_holder(
    server: RedisServer, guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """Both are sent: that cannot be helped, but it is counted."""
    gate = asyncio.Event()
    first = asyncio.create_task(guard_one.create(until=gate))
    await guard_one.until_sent()
    server.client.flushall()
    second = asyncio.create_task(guard_two.create(until=gate))
    await guard_two.until_sent()
    gate.set()
    assert [await first, await second] == ["sent 201"] * 2
    await guard_one.written()
    await guard_two.written()
    assert sorted(guard_one.events + guard_two.events) == [RepeatEvent.SECOND_HOLDER]


@pytest.mark.parametrize(
    ("is_own", "events"), [(True, []), (False, [RepeatEvent.SECOND_HOLDER])], ids=["own", "another's"]
)
async def test_the_next_create_of_a_replica_is_no_second_holder(
    server: RedisServer,
    guard_one: GuardReplica,
    guard_two: GuardReplica,
    is_own: bool,
    events: list[RepeatEvent],
) -> None:
    """It begins once the first has ended, which the store hears of later: it has lost its data."""
    store, gate = guard_one.store, asyncio.Event()
    store.faults.append("after")
    first = asyncio.create_task(guard_one.create(until=gate))
    await guard_one.until_sent()
    server.client.flushall()
    next_one = guard_one if is_own else guard_two
    sent, runs = next_one.sent, store.runs
    store.faults += ["", "late"]  # its BEGIN is barred, and FORGET comes behind that of the next one
    gate.set()
    assert await first == "sent 201"
    await store.until_runs(runs + 1)
    await store.until_asked()
    gate.clear()
    second = asyncio.create_task(next_one.create(until=gate))
    await next_one.until_sent(sent + 1)
    store.let_go.set()
    await guard_one.written()
    gate.set()
    assert await second == "sent 201"
    await next_one.written()
    assert guard_one.events + guard_two.events == [RepeatEvent.STORE_SLOW, *events]
    assert not any(":intent:" in name for name in server.names())


async def test_an_intent_that_the_store_forgot_is_entered_again(
    server: RedisServer, guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    gate = asyncio.Event()
    first = asyncio.create_task(guard_one.create(lost(), until=gate))
    await guard_one.until_sent()
    server.client.flushall()
    gate.set()
    assert await first == "upstream_lost"
    await guard_one.written()
    assert await guard_two.create() == "repeat_unknown"


@pytest.mark.parametrize(("intent", "told"), [(INTENT, "repeat_unknown"), (ASKING, "sent 201")])
async def test_an_open_outcome_that_the_store_forgot_is_held_where_it_was_sent(
    server: RedisServer, guard_one: GuardReplica, intent: RepeatIntent, told: str
) -> None:
    """Where Twilio is asked another replica may have found it out meanwhile, and its caller has it."""
    assert await guard_one.create(lost(), intent=intent) == "upstream_lost"
    await guard_one.written()
    server.client.flushall()
    assert await guard_one.create(intent=intent) == told


async def test_reports_send_and_count(server: RedisServer, guard_one: GuardReplica) -> None:
    async with guard_replica(server, reports=True) as reporting:
        assert await guard_one.create(lost()) == "upstream_lost"
        await guard_one.written()
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
