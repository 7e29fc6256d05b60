"""Many permits given back in one turn of the loop: those who wait go before what the holders do next."""

import asyncio

import pytest

from tests.support.virtual_time import VirtualTimeLoop
from tests.unit.concurrency.limiter_scene import SUCCESS, Scene, played


@pytest.mark.parametrize("slots", [1, 2, 20])
def test_all_that_were_granted_go_before_the_first_that_gave_back(slots: int) -> None:
    async def script(loop: VirtualTimeLoop) -> Scene:
        scene = Scene(loop, limit=slots)
        answered = loop.create_future()

        async def call(name: str) -> None:
            permit = await scene.permit(name)
            if name == "first":
                await answered
            permit.release(SUCCESS)
            await scene.limiter.let_granted_send()
            scene.order.append(f"{name} relayed")

        first = [loop.create_task(call("first")) for _ in range(slots)]
        second = [loop.create_task(call("second")) for _ in range(slots)]
        await asyncio.sleep(0)
        answered.set_result(None)  # wakes all holders in one turn
        await asyncio.gather(*first, *second)
        sent, relayed = ["first"] * slots + ["second"] * slots, ["first relayed"] * slots
        assert scene.order[: 3 * slots] == sent + relayed
        return scene

    played(script)
