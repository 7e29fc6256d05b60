"""The clock that tests of deadlines move (row D10): timers fire when it says so, in order, and no sooner."""

import asyncio
import time

import pytest

from tests.support.moved_clock import MovedClock, steady_time


async def test_d10_deadlines_pass_when_the_clock_is_moved() -> None:
    clock = MovedClock(asyncio.get_running_loop())
    fired: list[str] = []
    loop = asyncio.get_running_loop()
    loop.call_later(600, fired.append, "second")
    loop.call_at(loop.time() + 60, fired.append, "first")
    for _ in range(10):
        await asyncio.sleep(0)
    assert fired == []
    clock.advance(600)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fired == ["first", "second"]


async def test_d10_a_time_out_is_reached_at_once() -> None:
    clock = MovedClock(asyncio.get_running_loop())

    async def wait() -> None:
        async with asyncio.timeout(3_600):
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    clock.advance(3_600)
    with pytest.raises(TimeoutError):
        await waiting


async def test_d10_a_stall_is_no_time() -> None:
    loop = asyncio.get_running_loop()
    with steady_time():
        began = loop.time()
        loop.call_soon(time.sleep, 0.3)  # the stall
        await asyncio.sleep(0)
        stalled = loop.time() - began
        await asyncio.sleep(0.1)
        slept = loop.time() - began - stalled
    assert stalled < 0.03
    assert slept >= 0.09
    assert loop.time() - began < 0.3 + slept  # and never goes back to the real time
