"""Creates with faults at random, of clients that call again: one message each, and none lost silently."""

import asyncio
import json
from random import Random

import pytest

from tests.support.asking import Asking, asking_scene
from tests.support.caller import FORM, MESSAGES, raw_caller, request
from tests.support.impatience import answer_or_leave
from tests.support.moved_clock import passing_time

FAULTS = [
    "reset-after",
    "reset-before",
    "commit-late=0..8",
    "hang-after",
    "hang",
    "garbage",
    "truncate",
    *(f"{name}={status}" for name in ("status", "status-after") for status in (500, 502, 503, 504)),
    "delay=2.5..3.5",
    "reset-after, rewrite-body=smart",
    "reset-after, rewrite-body=trial",
    "reset-after, replace-sender=+15005550009",
    "reset-after, redact=body",
    "reset-after, no-date-sent",
]
CREATES, AT_ONCE = 150, 15
PATIENCE = [2, 9, 30]
"""After how many seconds a client gives up and calls again, three times; then it waits.

No answer comes in the very moment in which a client gives up: it would count as taken.
"""


async def call_until_done(scene: Asking, number: int, patience: float) -> list[str]:
    """Call with one text until Twilio's resource comes back; what was told on the way."""
    body = f"To=%2B1500{number:07d}&From=%2B15005550001&Body=text+{number}".encode()
    given = request(f"POST {MESSAGES}", FORM, body=body)
    told: list[str] = []
    for seconds in (patience, patience, patience, *[60.0] * 60):
        async with raw_caller(scene.gateway.port) as caller:
            await caller.send(given)
            answer = await answer_or_leave(caller, seconds)
        if answer is None:
            told.append("gave up")
            continue
        if answer.status == 201:
            assert json.loads(answer.body)["to"] == f"+1500{number:07d}"
            return [*told, "done"]
        told.append(answer.value("Gateway-Outcome") or str(answer.status))
        await asyncio.sleep(1)
    return told


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_create_happens_once(seed: int) -> None:
    chance = Random(seed)
    async with asking_scene(upstream={"deadline_seconds": 28}) as scene:
        scene.simulator.faults.add("reset-before", method="POST", count=12)  # so that some are told "absent"
        for fault in FAULTS:
            scene.simulator.faults.add(fault, method="POST", probability=0.03)
        scene.simulator.faults.add("list-lag=0..5", method="GET", probability=0.5)
        scene.simulator.faults.add("status=503", method="GET", probability=0.05)
        turn = asyncio.Semaphore(AT_ONCE)

        async def create(number: int) -> list[str]:
            async with turn:
                return await call_until_done(scene, number, chance.choice(PATIENCE))

        async with passing_time(scene.clock, step=0.05):
            told = await asyncio.gather(*map(create, range(CREATES)))
        assert scene.simulator.store.duplicates() == {}
        assert [each for each in told if each[-1] != "done"] == []
        assert scene.created == CREATES
        assert sum("absent" in each for each in told) > 3
