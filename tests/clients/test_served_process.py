"""The two SDKs against `gateway serve` as it runs in production: a process of its own, under uvloop."""

import asyncio
from typing import Any

from tests.clients import python_tour
from tests.clients.node_tour import run_tour
from tests.clients.pointing import Login, pointed
from tests.clients.scene import Scene, mask_sids
from tests.clients.tour import TOURS

_CALLERS, _MESSAGES_EACH = 8, 20


async def test_python_sdk(served: Scene) -> None:
    def run(name: str) -> dict[str, Any]:
        with pointed("prefix", served.url) as client:
            return python_tour.TAKE[name](client)

    for name in TOURS:
        await _require_told(name, await asyncio.to_thread(run, name), served)


async def test_node_sdk(node: str, served: Scene) -> None:
    for name in TOURS:
        await _require_told(name, await run_tour(node, served.url, name, "prefix", Login()), served)


async def test_each_of_many_callers_gets_its_own_answers(served: Scene) -> None:
    def run(caller: int) -> None:
        texts = [f"message {number} of caller {caller}" for number in range(_MESSAGES_EACH)]
        with pointed("prefix", served.url) as client:
            for text in texts:
                made = client.messages.create(to=python_tour.RECIPIENT, from_=python_tour.SENDER, body=text)
                assert made.body == text
                assert client.messages(made.sid).fetch().body == text

    await asyncio.gather(*(asyncio.to_thread(run, caller) for caller in range(_CALLERS)))
    assert len(served.reached()) == 2 * _CALLERS * _MESSAGES_EACH
    assert served.created() == {"messages": _CALLERS * _MESSAGES_EACH}
    assert served.simulator.store.duplicates() == {}
    assert await served.refusals() == []


async def _require_told(name: str, result: dict[str, Any], scene: Scene) -> None:
    assert mask_sids(result) == TOURS[name].result
    assert scene.reached() == TOURS[name].reached
    assert scene.created() == TOURS[name].created
    assert await scene.refusals() == []
    scene.simulator.reset()  # the next tour begins where this one did
