"""Intents whose end the store did not hear of: the next request of their process ends them with its own.

What stayed behind would count as another open create to the same recipient: no look could tell then whose the
message is that it finds.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.redis.availability import StoreUnavailable
from gateway.redis.script import Script
from gateway.repeat_guard.intent_lease import IntentLease
from gateway.repeat_guard.intent_records import IntentEnd, account_keys
from gateway.repeat_guard.open_outcomes import OutcomeState, new_outcome, new_owner
from gateway.repeat_guard.shared_intents import SharedIntents
from tests.support.redis import RedisServer
from tests.support.repeat_guard import ACCOUNT, ASKING, SUBJECT, GuardReplica, created, guard_replica

BASE = f"gateway:{account_keys(ACCOUNT)[0]}"
NOT_SENT = None
FORGOTTEN = IntentEnd("", "SM1", asks=True)
OPEN = IntentEnd(OutcomeState.OPEN, status=500, slug="upstream_lost", asks=True)
DONE = IntentEnd("done", "SM1", 201, response=created(), asks=True)
ENDS = [
    pytest.param(NOT_SENT, id="not sent"),
    pytest.param(FORGOTTEN, id="delivered"),
    pytest.param(OPEN, id="open"),
    pytest.param(DONE, id="undelivered"),
]


@pytest.fixture
async def one(server: RedisServer) -> AsyncIterator[GuardReplica]:
    async with guard_replica(server) as made:
        yield made


@pytest.fixture
async def intents(one: GuardReplica) -> AsyncIterator[SharedIntents]:
    """Of a process that never writes again what the store did not take, but with a later request."""
    await one.store.store.open()

    async def sleep(_: float) -> None:
        await asyncio.Event().wait()

    made = SharedIntents(one.store, now=one.store.store.server_clock.now, unwritten_max=100, sleep=sleep)
    yield made
    await made.close(0)


def make_lease(intents: SharedIntents, now: float) -> IntentLease:
    return intents.lease(ASKING, new_outcome(ASKING, SUBJECT, now, 20, new_owner()))


async def unwritten(one: GuardReplica, intents: SharedIntents, end: IntentEnd | None) -> IntentLease:
    """A request that the store has entered, though it did not say so, and whose end it did not take."""
    lease = make_lease(intents, one.store.store.server_clock.now())
    one.store.faults += ["after", "before", "before"]
    runs = one.store.runs + len(one.store.faults)
    with pytest.raises(StoreUnavailable):
        await intents.begin(lease)
    intents.end(lease, end)
    await one.store.until_runs(runs)  # once when it ended, and once when it was written again
    await intents.settled()
    return lease


def listed(server: RedisServer) -> dict[str, set[bytes]]:
    client = server.client
    return {
        "open": set(client.hkeys(f"{BASE}:open")),
        "leases": set(client.zrange(f"{BASE}:leases", 0, -1)),
        "to": set(client.hkeys(f"{BASE}:to:{SUBJECT.to_digest}")),
    }


@pytest.mark.parametrize("end", ENDS)
async def test_its_next_request_takes_it_out(
    server: RedisServer, one: GuardReplica, intents: SharedIntents, end: IntentEnd | None
) -> None:
    """Whose own BEGIN was not answered either, so that the second knows of none of them."""
    first = await unwritten(one, intents, NOT_SENT)
    assert listed(server)["open"] == {first.outcome.id.encode()}
    second = make_lease(intents, one.store.store.server_clock.now())
    assert second.supersedes == (first.outcome.id,)
    one.store.faults.append("before")
    with pytest.raises(StoreUnavailable):
        await intents.begin(second)
    intents.end(second, end)
    await intents.settled()
    left = {second.outcome.id.encode()} if end is OPEN else set()
    assert listed(server) == {"open": left, "leases": left, "to": left}


async def test_the_next_request_is_entered_alone(
    server: RedisServer, one: GuardReplica, intents: SharedIntents
) -> None:
    """A create that is sent is the only open one to its recipient, whatever was not sent before."""
    await unwritten(one, intents, NOT_SENT)
    server.client.delete(f"{BASE}:intent:{ASKING.scope}")  # as if another had ended it meanwhile
    third = make_lease(intents, one.store.store.server_clock.now())
    assert await intents.begin(third) is None
    mine = {third.outcome.id.encode()}
    assert listed(server) == {"open": mine, "leases": mine, "to": mine}
    compared = await one.guard.outcomes.compare(third.outcome, ["SM1"])
    assert compared == (("SM1",), 0)


async def test_two_unwritten_ends_of_one_create_are_both_written(
    server: RedisServer, one: GuardReplica, intents: SharedIntents
) -> None:
    """The second was begun before the first's end was known to be unwritten."""
    now = one.store.store.server_clock.now()
    first, second = make_lease(intents, now), make_lease(intents, now)
    assert second.supersedes == ()
    for each in (first, second):
        one.store.faults.append("before")
        with pytest.raises(StoreUnavailable):
            await intents.begin(each)
    one.store.faults += ["before"] * 3
    intents.end(second, NOT_SENT)
    intents.end(first, NOT_SENT)
    await intents.settled()
    assert intents.unwritten == 1
    third = make_lease(intents, now)
    assert set(third.supersedes) == {first.outcome.id, second.outcome.id}


@pytest.mark.parametrize("end", [NOT_SENT, FORGOTTEN])
async def test_a_begin_that_runs_after_the_end_enters_nothing(
    server: RedisServer, one: GuardReplica, intents: SharedIntents, end: IntentEnd | None
) -> None:
    lease = make_lease(intents, one.store.store.server_clock.now())
    one.store.faults += ["before", "before"]
    with pytest.raises(StoreUnavailable):
        await intents.begin(lease)
    intents.hold(lease)
    await intents._renew(lease)
    intents.end(lease, end)
    await intents.settled()
    await intents.begin(lease)  # the one that was thought to be lost
    await intents._renew(lease)
    assert listed(server) == {"open": set(), "leases": set(), "to": set()}
    assert not server.client.exists(f"{BASE}:intent:{ASKING.scope}")


async def test_a_renewal_that_runs_after_the_end_enters_nothing(
    server: RedisServer, one: GuardReplica, intents: SharedIntents
) -> None:
    lease = make_lease(intents, one.store.store.server_clock.now())
    assert await intents.begin(lease) is None
    one.store.faults.append("before")
    await intents._renew(lease)
    intents.end(lease, FORGOTTEN)
    await intents.settled()
    await intents._renew(lease)
    assert listed(server) == {"open": set(), "leases": set(), "to": set()}


async def test_what_a_renewal_entered_is_superseded_like_what_began(
    server: RedisServer, one: GuardReplica, intents: SharedIntents
) -> None:
    """It was sent while the store was away, and entered when that was back: its end is as much needed."""
    lease = make_lease(intents, one.store.store.server_clock.now())
    one.store.away = True
    with pytest.raises(StoreUnavailable):
        await intents.begin(lease)
    one.store.away = False
    intents.hold(lease)
    await intents._renew(lease)
    assert listed(server)["open"] == {lease.outcome.id.encode()}
    one.store.faults += ["before", "before"]
    intents.end(lease, FORGOTTEN)
    await intents.settled()
    second = make_lease(intents, one.store.store.server_clock.now())
    assert second.supersedes == (lease.outcome.id,)
    assert await intents.begin(second) is None


async def test_what_a_store_that_is_away_was_never_asked_needs_no_end(
    one: GuardReplica, intents: SharedIntents
) -> None:
    one.store.away = True
    for _ in range(20):
        lease = make_lease(intents, 0.0)
        with pytest.raises(StoreUnavailable):
            await intents.begin(lease)
        intents.end(lease, NOT_SENT)
        await intents.settled()
    assert intents.unwritten == 0


async def test_an_end_that_waits_for_the_next_script_is_written_at_drain(
    server: RedisServer, one: GuardReplica, intents: SharedIntents
) -> None:
    lease = make_lease(intents, one.store.store.server_clock.now())
    assert await intents.begin(lease) is None
    assert listed(server)["open"] == {lease.outcome.id.encode()}
    intents.end(lease, FORGOTTEN)
    await intents.close(60)
    assert listed(server) == {"open": set(), "leases": set(), "to": set()}


async def test_an_end_that_is_written_again_after_the_next_create_is_no_second_holder(
    one: GuardReplica, guard_two: GuardReplica, intents: SharedIntents
) -> None:
    """Redis did it, and its reply was late: the next one of another replica was free to go."""
    lost: list[str] = []
    now = one.store.store.server_clock.now()
    outcome = new_outcome(ASKING, SUBJECT, now, 20, new_owner())
    lease = intents.lease(ASKING, outcome, lambda: lost.append("second"))
    assert await intents.begin(lease) is None
    one.store.faults += ["after", "before"]
    runs = one.store.runs + 2
    intents.end(lease, FORGOTTEN)
    await one.store.until_runs(runs)  # once when it ended, and once when it was written again
    gate = asyncio.Event()
    other = asyncio.create_task(guard_two.create(intent=ASKING, until=gate))
    await guard_two.until_sent()
    assert await intents._ends._write(lease)
    gate.set()
    assert (await other, lost) == ("sent 201", [])


async def test_an_end_during_a_renewal_bars_it(
    server: RedisServer, one: GuardReplica, intents: SharedIntents
) -> None:
    """The renewal may be lost on its way, and run late."""
    lease = make_lease(intents, one.store.store.server_clock.now())
    assert await intents.begin(lease) is None
    one.store.faults.append("late")
    renewing = asyncio.create_task(intents._renew(lease))
    await one.store.until_asked()
    intents.end(lease, FORGOTTEN)
    await intents.settled()
    one.store.let_go.set()
    await renewing
    assert listed(server) == {"open": set(), "leases": set(), "to": set()}


async def test_a_create_that_ends_as_a_round_of_renewals_begins_is_not_renewed(
    server: RedisServer, one: GuardReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is on its way by then, and would come first: it would be in flight for nobody."""
    assert await one.create() == "sent 201"
    await one.written()  # Redis knows the scripts
    now = one.store.store.server_clock.now
    intents = SharedIntents(one.store, now=now, unwritten_max=100, renew_seconds=0.01)
    other = ASKING._replace(scope="b" * 64)
    first, second = (
        intents.lease(each, new_outcome(each, SUBJECT, now(), 20, new_owner())) for each in (ASKING, other)
    )
    for lease in (first, second):
        assert await intents.begin(lease) is None
        intents.hold(lease)
    run, renewed = one.store.run, asyncio.Event()

    async def end_second(script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> Any:
        if not renewed.is_set():
            intents.end(second, FORGOTTEN)
            renewed.set()
        return await run(script, keys, args)

    monkeypatch.setattr(one.store, "run", end_second)
    await asyncio.wait_for(renewed.wait(), 180)
    await one.store.until_quiet()
    await intents.close(60)
    assert listed(server)["open"] == {first.outcome.id.encode()}
