"""Leaving a block from another task, and waiting for a judgement."""

import asyncio

import pytest

from gateway.outcome_resolution.look_verdict import Judgement, Look, LookVerdict
from gateway.outcome_resolution.pursuit import UNDECIDED, Interruption, Pursuit
from gateway.policy.repeat_intent import CreateSubject
from gateway.repeat_guard.open_outcomes import OpenOutcome
from tests.support.virtual_time import VirtualTimeLoop, run_in_virtual_time

SUBJECT = CreateSubject("billing", "main", "AC1", "api", "/Messages", asks=True)
FOUND = Judgement(LookVerdict.FOUND, "SM1")


def pursuit(loop: VirtualTimeLoop) -> Pursuit:
    return Pursuit(OpenOutcome("one", "scope", SUBJECT, 300.0, 0.0, 25.0), loop.time)


def test_an_interrupted_block_is_left_quietly() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        async with Interruption() as interruption:
            loop.call_later(1, interruption.interrupt)
            await asyncio.sleep(100)
        assert (loop.time(), interruption.happened) == (1, True)
        await asyncio.sleep(1)  # nothing of it is left behind

    run_in_virtual_time(main)


def test_a_block_that_has_ended_is_not_interrupted() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        async with Interruption() as interruption:
            pass
        interruption.interrupt()
        await asyncio.sleep(1)
        assert not interruption.happened
        with pytest.raises(ValueError, match="its own"):
            async with Interruption():
                raise ValueError("its own")

    run_in_virtual_time(main)


def test_a_cancelled_task_stays_cancelled() -> None:
    """By a drain, in the moment in which the block is interrupted, too."""

    async def main(loop: VirtualTimeLoop) -> None:
        async def work(interrupts: bool) -> None:
            async with Interruption() as interruption:
                if interrupts:
                    loop.call_later(1, interruption.interrupt)
                await asyncio.sleep(100)
            await asyncio.sleep(100)

        for interrupts in (False, True):
            task = asyncio.create_task(work(interrupts))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run_in_virtual_time(main)


def test_what_was_seen_and_is_gone_holds_up_looks_but_not_a_persons() -> None:
    """A person who asks again knows who deleted it."""

    async def main(loop: VirtualTimeLoop) -> None:
        sought = pursuit(loop)
        sought.outcome.ended_at = 1.0
        for since in (20.0, 25.0):
            gone = Look(since, is_wide=True, candidates=(), others=0, misses=True)
            assert sought.judge(gone, b"k") is LookVerdict.OPEN
        sought.look_now()
        assert sought.judge(gone._replace(started_at=30.0), b"k") is LookVerdict.OPEN
        assert sought.judge(gone._replace(started_at=35.0), b"k") is LookVerdict.ABSENT

    run_in_virtual_time(main)


def test_a_judgement_is_waited_for_until_the_deadline() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        sought = pursuit(loop)
        assert await sought.decision(5.0) is UNDECIDED
        assert loop.time() == 5
        loop.call_later(1, sought.decide, FOUND)
        assert await sought.decision(10.0) == FOUND
        assert (loop.time(), sought.is_decided) == (6, True)

    run_in_virtual_time(main)


def test_a_change_ends_the_wait_for_the_next_look() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        sought = pursuit(loop)
        loop.call_later(2, sought.changed)
        await sought.wait_until(50.0)
        assert loop.time() == 2
        await sought.wait_until(3.0)
        assert loop.time() == 3
        sought.look_now()
        assert sought.next_due() == 3
        assert not sought.begin_look()
        assert sought.outcome.looks == 1

    run_in_virtual_time(main)


def test_what_is_found_in_flight_is_told_at_once() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        sought, told = pursuit(loop), []
        sought.on_found = lambda: told.append(loop.time())
        sought.decide(FOUND)
        assert told == [0]

    run_in_virtual_time(main)
