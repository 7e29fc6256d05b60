"""Who waits is woken when something lets it go, and no timer is left when nobody waits."""

import asyncio

import pytest

from gateway.concurrency.adaptive_limit import WINDOW_PERIOD_SECONDS, WINDOW_SECONDS
from tests.support.virtual_time import VirtualTimeLoop
from tests.unit.concurrency.limiter_scene import DROPPED, IGNORED, SUCCESS, Scene, played


def test_the_end_of_a_pause_wakes_though_a_later_moment_was_planned() -> None:
    """The wake timer stood for the next meeting, 1.9 s away; the pause of 50 ms ended unseen."""

    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, yields=True)
        await asyncio.sleep(WINDOW_SECONDS + 0.1)
        holder = await scene.permit()
        waiter = await scene.wait()
        began = loop.time()
        holder.release(DROPPED)
        assert not waiter.done()
        permit = await waiter
        assert 0.04 < loop.time() - began < 0.1
        permit.release(SUCCESS)
        return scene

    played(script)


def test_the_end_of_a_meeting_wakes() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, limit=10, yields=True)
        scene.limiter.adaptive_limit.capacity(0.0)
        await asyncio.sleep(10 * WINDOW_PERIOD_SECONDS + 0.01)  # it is not new any more, and yields
        permits = [await scene.permit() for _ in range(10)]
        assert loop.time() % WINDOW_PERIOD_SECONDS == pytest.approx(WINDOW_SECONDS, abs=0.01)
        for permit in permits:
            permit.release(IGNORED)
        return scene

    played(script)


def test_a_larger_share_wakes() -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, limit=4)
        scene.limiter.set_share(1)
        holder = await scene.permit()
        waiters = [await scene.wait() for _ in range(3)]
        scene.limiter.set_share(3)
        permits = [holder, *[await waiter for waiter in waiters[:2]]]
        assert not waiters[2].done()
        for permit in permits:
            permit.release(SUCCESS)
        (await waiters[2]).release(SUCCESS)
        return scene

    played(script)
