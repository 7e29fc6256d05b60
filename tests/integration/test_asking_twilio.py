"""A create whose answer is lost: Twilio is asked whether it was done, and the caller gets what it is owed."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.asking import Asking, asking_scene
from tests.support.caller import RawAnswer

SHORT = "Gateway-Timeout: 3"


@pytest.fixture
async def scene() -> AsyncIterator[Asking]:
    async with asking_scene() as scene:
        yield scene


def told(answer: RawAnswer) -> tuple[int, str, str]:
    return answer.status, answer.slug, answer.value("Gateway-Outcome")


FOUND = (201, "", "found")
ABSENT = (502, "upstream_absent", "absent")
DONE = [
    "reset-after",
    "status-after=500",
    "status-after=502",
    "status-after=503",
    "status-after=504",
    "garbage",
    "truncate",
    "hang-after",
    "commit-late=8",
    "reset-after, no-date-sent",
    "reset-after, rewrite-body=smart",
    "reset-after, rewrite-body=trial",
    "reset-after, redact=body",
    "reset-after, replace-sender=+15005550009",
]


@pytest.mark.parametrize("fault", DONE)
async def test_what_was_done_is_found(scene: Asking, fault: str) -> None:
    """The caller gets its message, and need not send it again."""
    answer = await scene.create(fault=fault)
    assert told(answer) == FOUND
    assert scene.created == 1
    [sid] = scene.sids()
    assert json.loads(answer.body)["sid"] == sid
    again = await scene.create()
    assert (again.status, again.value("Gateway-Outcome"), scene.created) == (201, "", 2)


@pytest.mark.parametrize("fault", ["reset-after", "commit-late=8"])
async def test_what_lists_show_late_is_found(scene: Asking, fault: str) -> None:
    scene.simulator.faults.add("list-lag=5", method="GET")
    assert told(await scene.create(fault=fault)) == FOUND
    assert scene.created == 1


NOT_DONE = [
    ("reset-before", ABSENT),
    ("status=500", (500, "", "absent")),
    ("status=502", (502, "", "absent")),
    ("status=503", (503, "", "absent")),
    ("status=504", (504, "", "absent")),
]


@pytest.mark.parametrize(("fault", "expected"), NOT_DONE)
async def test_what_was_not_done_is_absent_and_can_be_sent_again(
    scene: Asking, fault: str, expected: tuple[int, str, str]
) -> None:
    assert told(await scene.create(fault=fault)) == expected
    assert scene.created == 0
    again = await scene.create()
    assert (again.status, again.value("Gateway-Outcome"), scene.created) == (201, "", 1)
