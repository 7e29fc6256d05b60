"""Open outcomes of one process: what is entered, which SIDs are ours, what resolving does to the intent."""

import asyncio

from gateway.policy.repeat_intent import CreateSubject
from gateway.repeat_guard.local_outcomes import LocalOutcomes
from gateway.repeat_guard.open_outcomes import KEPT_SECONDS, SID_SECONDS, OpenOutcome, OutcomeState
from gateway.repeat_guard.repeat_rules import RepeatEnding
from gateway.repeat_guard.repeat_table import RepeatEntry, RepeatTable

SUBJECT = CreateSubject("billing", "main", "AC1", "api", "/Messages", to="+1", to_digest="d1", asks=True)


class Scene:
    """A table and its outcomes, with one clock."""

    def __init__(self, max_entries: int = 10) -> None:
        self.now = 1000.0
        self.table = RepeatTable(max_entries, lambda: self.now)
        self.outcomes = LocalOutcomes(self.table, max_entries, lambda: self.now)

    def open_one(self, id_: str, subject: CreateSubject = SUBJECT) -> tuple[OpenOutcome, RepeatEntry]:
        """A create that ended open, as the guard enters it."""
        outcome = OpenOutcome(id_, f"scope {id_}", subject, 300.0, self.now, self.now + 10)
        entry = self.table.begin(outcome.scope, outcome.seconds)
        self.outcomes.enter(outcome)
        outcome.state, outcome.ended_at, entry.outcome = OutcomeState.OPEN, self.now, outcome
        self.outcomes.end(outcome)
        self.table.keep(outcome.scope, entry, RepeatEnding.OPEN)
        return outcome, entry


async def test_a_found_outcome_is_given_to_the_next_repeat() -> None:
    scene = Scene()
    outcome, entry = scene.open_one("one")
    assert await scene.outcomes.resolve(outcome, OutcomeState.FOUND, sid="SM1")
    assert (entry.ending, entry.found_sid, scene.table.open_outcomes) == (RepeatEnding.DEFINITE, "SM1", 0)
    assert await scene.outcomes.listed({"AC1"}, 10) == []
    assert not await scene.outcomes.resolve(outcome, OutcomeState.ABSENT)


async def test_an_absent_outcome_ends_the_intent_and_wakes_who_waits() -> None:
    scene = Scene()
    outcome, entry = scene.open_one("one")
    waiter = asyncio.get_running_loop().create_future()
    entry.waiters.append(waiter)
    assert await scene.outcomes.resolve(outcome, OutcomeState.ABSENT)
    assert waiter.done()
    assert scene.table.find(outcome.scope) is None


async def test_an_unknown_outcome_is_held_and_listed_until_it_is_old() -> None:
    scene = Scene()
    outcome, _ = scene.open_one("one")
    assert await scene.outcomes.resolve(outcome, OutcomeState.UNKNOWN)
    assert scene.table.find(outcome.scope) is not None
    assert await scene.outcomes.listed({"AC1"}, 10) == [outcome]
    assert await scene.outcomes.listed({"AC2"}, 10) == []
    assert await scene.outcomes.take("AC1", "one") is outcome
    scene.now += KEPT_SECONDS + 1
    assert await scene.outcomes.listed({"AC1"}, 10) == []


async def test_what_is_looked_at_is_nobody_elses_until_it_is_released() -> None:
    scene = Scene()
    outcome, _ = scene.open_one("one")
    assert await scene.outcomes.take("AC1", "one") is None
    assert await scene.outcomes.take_over({"AC1"}, 10) == []
    await scene.outcomes.release(outcome)
    assert not await scene.outcomes.keep(outcome)
    assert await scene.outcomes.take_over({"AC2"}, 10) == []
    assert await scene.outcomes.take_over({"AC1"}, 10) == [outcome]
    assert await scene.outcomes.keep(outcome)


async def test_sids_of_ours_and_other_creates_with_this_to() -> None:
    scene = Scene()
    first, _ = scene.open_one("first")
    flying = OpenOutcome("flying", "scope", SUBJECT, 300.0, scene.now, scene.now + 10)
    scene.outcomes.enter(flying)
    scene.open_one("elsewhere", SUBJECT._replace(account="AC2"))
    scene.open_one("to another", SUBJECT._replace(to="+2"))
    assert await scene.outcomes.compare(first, ["SM1", "SM2"]) == (("SM1", "SM2"), 1)
    scene.outcomes.drop(flying, "SM1")
    await scene.outcomes.own("AC1", "SM3")
    assert await scene.outcomes.compare(first, ["SM1", "SM2", "SM3"]) == (("SM2",), 0)
    scene.now += SID_SECONDS + 1
    assert (await scene.outcomes.compare(first, ["SM1"])).unowned == ("SM1",)


async def test_outcomes_and_sids_are_bounded() -> None:
    scene = Scene(max_entries=2)
    for number in range(3):
        scene.table.max_entries = 10
        scene.open_one(str(number))
        await scene.outcomes.own("AC1", f"SM{number}")
    assert [each.id for each in await scene.outcomes.listed({"AC1"}, 10)] == ["1", "2"]
    only, *_ = await scene.outcomes.listed({"AC1"}, 10)
    assert (await scene.outcomes.compare(only, ["SM0", "SM1", "SM2"])).unowned == ("SM0",)
