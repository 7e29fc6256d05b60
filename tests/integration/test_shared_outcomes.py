"""Open outcomes of two replicas on one Redis: listed by all, looked at by one, taken over by another."""

import asyncio

import pytest

from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState
from tests.support.redis import RedisServer
from tests.support.repeat_guard import ACCOUNT, ASKING, SUBJECT, GuardReplica, lost

OTHER = ASKING._replace(scope="b" * 64)


async def open_outcome(replica: GuardReplica, intent: object = ASKING) -> OpenOutcome:
    """A create that ended open, which its replica is to look for."""
    opened: list[OpenOutcome] = []
    replica.guard.set_on_open(opened.append)
    assert await replica.create(lost(), intent=ASKING if intent is ASKING else OTHER) == "upstream_lost"
    await replica.written()
    (outcome,) = opened
    return outcome


async def test_one_replica_looks_and_all_list(guard_one: GuardReplica, guard_two: GuardReplica) -> None:
    outcome = await open_outcome(guard_one)
    outcome.looks, outcome.looked_at = 1, outcome.ended_at + 1
    assert await guard_one.guard.outcomes.keep(outcome)
    (listed,) = await guard_two.guard.outcomes.listed([ACCOUNT], 10)
    assert listed.subject == SUBJECT._replace(to="")
    assert (listed.id, listed.looks, listed.slug, listed.state) == (outcome.id, 1, "upstream_lost", "open")
    assert await guard_two.guard.outcomes.take_over([ACCOUNT], 10) == []
    assert await guard_two.guard.outcomes.take(ACCOUNT, outcome.id) is None


async def test_what_is_found_is_given_to_a_repeat_and_then_over(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    outcome = await open_outcome(guard_one)
    assert await guard_one.guard.outcomes.resolve(outcome, OutcomeState.FOUND, sid="SM5")
    assert await guard_two.guard.outcomes.listed([ACCOUNT], 10) == []
    assert await guard_two.create(intent=ASKING, connected=False) == "found SM5"
    assert await guard_one.create(intent=ASKING) == "found SM5"
    await guard_one.written()
    assert await guard_two.create(intent=ASKING) == "sent 201"
    assert not await guard_one.guard.outcomes.resolve(outcome, OutcomeState.ABSENT)


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("knows", [True, False], ids=["by its own replica", "by another one"])
async def test_a_late_word_that_it_is_open_does_not_undo_what_was_found(
    guard_one: GuardReplica, guard_two: GuardReplica, fault: str, knows: bool
) -> None:
    """Its SID is owned by now: a look would not see it, and say that it may be sent again."""
    opened: list[OpenOutcome] = []
    guard_one.guard.set_on_open(opened.append)
    gate = asyncio.Event()
    call = asyncio.create_task(guard_one.create(lost(), intent=ASKING, until=gate))
    await guard_one.until_sent()
    guard_one.store.faults += [fault, "late"]  # the end is asked for again, and that waits
    gate.set()
    assert await call == "upstream_lost"
    (outcome,) = opened
    while guard_one.store.faults:
        guard_one.store.asked.clear()
        await guard_one.store.asked.wait()
    if knows:
        assert await guard_one.guard.outcomes.resolve(outcome, OutcomeState.FOUND, sid="SM5")
    else:
        guard_two.lapse(ASKING)
        (taken,) = await guard_two.guard.outcomes.take_over([ACCOUNT], 10)
        assert await guard_two.guard.outcomes.resolve(taken, OutcomeState.FOUND, sid="SM5")
    guard_one.store.let_go.set()
    await guard_one.written()
    guard_two.lapse(ASKING)
    assert await guard_two.guard.outcomes.listed([ACCOUNT], 10) == []
    assert await guard_two.guard.outcomes.take_over([ACCOUNT], 10) == []
    assert await guard_two.create(intent=ASKING) == "found SM5"


async def test_what_is_absent_may_be_sent_again(guard_one: GuardReplica, guard_two: GuardReplica) -> None:
    outcome = await open_outcome(guard_one)
    assert await guard_two.create(intent=ASKING) == "repeat_unknown"
    assert await guard_one.guard.outcomes.resolve(outcome, OutcomeState.ABSENT)
    assert await guard_two.create(intent=ASKING) == "sent 201"
    await guard_two.written()
    assert guard_two.keys() == set()


async def test_what_stays_unknown_is_held_and_listed_for_people(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    outcome = await open_outcome(guard_one)
    assert await guard_one.guard.outcomes.resolve(outcome, OutcomeState.UNKNOWN)
    assert await guard_two.create(intent=ASKING) == "repeat_unknown"
    assert await guard_two.guard.outcomes.take_over([ACCOUNT], 10) == []
    taken = await guard_two.guard.outcomes.take(ACCOUNT, outcome.id)
    assert taken is not None
    assert await guard_one.guard.outcomes.take(ACCOUNT, outcome.id) is None
    assert await guard_two.guard.outcomes.resolve(taken, OutcomeState.FOUND, sid="SM9")
    assert await guard_one.create(intent=ASKING) == "found SM9"


async def test_a_replica_that_is_gone_is_replaced(guard_one: GuardReplica, guard_two: GuardReplica) -> None:
    """By lease: from then on its own words count no more."""
    outcome = await open_outcome(guard_one)
    guard_two.lapse(ASKING)
    (taken,) = await guard_two.guard.outcomes.take_over([ACCOUNT], 10)
    assert (taken.id, taken.state, taken.subject.to) == (outcome.id, "open", "")
    assert not await guard_one.guard.outcomes.keep(outcome)
    assert not await guard_one.guard.outcomes.resolve(outcome, OutcomeState.ABSENT)
    assert await guard_one.create(intent=ASKING) == "repeat_unknown"
    assert await guard_two.guard.outcomes.keep(taken)
    assert await guard_two.guard.outcomes.resolve(taken, OutcomeState.ABSENT)
    assert await guard_one.create(intent=ASKING) == "sent 201"


async def test_a_replica_that_drains_hands_over_at_once(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    outcome = await open_outcome(guard_one)
    await guard_one.guard.outcomes.release(outcome)
    (taken,) = await guard_two.guard.outcomes.take_over([ACCOUNT], 10)
    assert taken.id == outcome.id
    await guard_two.guard.outcomes.release(taken)
    (back,) = await guard_one.guard.outcomes.take_over([ACCOUNT], 10)
    assert await guard_one.guard.outcomes.keep(back)


async def test_a_create_in_flight_whose_replica_is_gone_is_taken_over_as_open(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """Its attempt ended with the lease. If its replica lives after all, that one has the last word."""
    gate = asyncio.Event()
    call = asyncio.create_task(guard_one.create(intent=ASKING, until=gate))
    await guard_one.until_sent()
    guard_two.lapse(ASKING)
    (taken,) = await guard_two.guard.outcomes.take_over([ACCOUNT], 10)
    assert (taken.state, taken.slug) == ("open", "replica_lost")
    gate.set()
    assert await call == "sent 201"
    await guard_one.written()
    assert not await guard_two.guard.outcomes.keep(taken)
    assert not await guard_two.guard.outcomes.resolve(taken, OutcomeState.ABSENT)


async def test_the_sids_of_all_replicas_and_others_with_this_to(
    guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    outcome = await open_outcome(guard_one)
    gate = asyncio.Event()
    call = asyncio.create_task(guard_two.create(intent=OTHER, until=gate, sid="SM2"))
    await guard_two.until_sent()
    sids = ["SM1", "SM2", "SM3"]
    assert await guard_one.guard.outcomes.compare(outcome, sids) == (tuple(sids), 1)
    gate.set()
    assert await call == "sent 201"
    await guard_two.written()
    assert await guard_one.guard.outcomes.compare(outcome, sids) == (("SM1", "SM3"), 0)
    await guard_two.guard.outcomes.own(ACCOUNT, "SM3")
    assert await guard_one.guard.outcomes.compare(outcome, sids) == (("SM1",), 0)


async def test_records_of_another_version_are_left_alone(
    server: RedisServer, guard_one: GuardReplica, guard_two: GuardReplica
) -> None:
    """A later release may write what this one cannot read."""
    outcome = await open_outcome(guard_one)
    (name,) = (name for name in server.names() if name.endswith(":open"))
    held = server.client.hget(name, outcome.id)
    assert b'"version":1' in held
    server.client.hset(name, outcome.id, held.replace(b'"version":1', b'"version":9'))
    assert await guard_two.guard.outcomes.listed([ACCOUNT], 10) == []
    assert await guard_two.create(intent=ASKING) == "repeat_unknown"
