"""Who waits is woken when something lets it go, and no timer is left when nobody waits."""

import asyncio

import pytest

from gateway.concurrency.adaptive_limit import MEETING_PERIOD_SECONDS, MEETING_SECONDS
from tests.support.virtual_time import VirtualTimeLoop
from tests.unit.concurrency.limiter_scene import DROPPED, IGNORED, SUCCESS, Scene, played


def test_the_end_of_a_pause_wakes_though_a_later_moment_was_planned() -> None:
    """The wake timer stood for the next meeting, 1.9 s away; the pause of 50 ms ended unseen."""

    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, yields=True)
        await asyncio.sleep(MEETING_SECONDS + 0.1)
        holder = await scene.slot()
        waiter = await scene.wait()
        began = loop.time()
        holder.release(DROPPED)
        assert not waiter.done()
        slot = await waiter
        assert 0.04 < loop.time() - began < 0.1
        slot.release(SUCCESS)
        return scene

    played(script)


def test_the_end_of_a_meeting_wakes() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, limit=10, yields=True)
        scene.gate.governor.capacity(0.0)
        await asyncio.sleep(10 * MEETING_PERIOD_SECONDS + 0.01)  # it is not new any more, and yields
        slots = [await scene.slot() for _ in range(10)]
        assert loop.time() % MEETING_PERIOD_SECONDS == pytest.approx(MEETING_SECONDS, abs=0.01)
        for slot in slots:
            slot.release(IGNORED)
        return scene

    played(script)


def test_a_larger_share_wakes() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, limit=4)
        scene.gate.set_share(1)
        holder = await scene.slot()
        waiters = [await scene.wait() for _ in range(3)]
        scene.gate.set_share(3)
        slots = [holder, *[await waiter for waiter in waiters[:2]]]
        assert not waiters[2].done()
        for slot in slots:
            slot.release(SUCCESS)
        (await waiters[2]).release(SUCCESS)
        return scene

    played(script)
