"""Clients against a gateway that asks Twilio: one message, and who sent it has it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from tests.clients.pointing import Login
from tests.support.asking import TEXT, TO, Asking, asking_scene
from tests.support.caller import FORM, MESSAGES, RawAnswer, raw_caller, request
from tests.support.impatience import answer_or_leave
from tests.support.moved_clock import passing_time

# twilio 9.13 logs in by ways whose end aiohttp 3.14 announces; they are the SDK's to change.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

DONE = ["reset-after", "status-after=500", "status-after=502", "status-after=503", "status-after=504"]
NOT_DONE = ["reset-before", "status=500", "status=502", "status=503", "status=504"]
JAVA_5XX, JAVA_503 = 3, 6
"""How often Java's SDK sends in all (`docs/facts.md`)."""


class Ended(NamedTuple):
    """What a client ends with: the last status, the SID if there is one, and each `Gateway-Outcome`."""

    status: int
    sid: str
    outcomes: tuple[str, ...] = ()


@pytest.fixture
async def scene() -> AsyncIterator[Asking]:
    async with asking_scene() as scene:
        yield scene


async def python(scene: Asking) -> Ended:
    """`messages.create_async` of the real SDK with `max_retries=3`."""
    username, password, account_sid = Login()
    async with passing_time(scene.clock), AsyncTwilioHttpClient(max_retries=3) as http_client:
        client = Client(username, password, account_sid=account_sid, http_client=http_client)
        client.api.base_url = f"{scene.gateway.url}/api"
        try:
            message = await client.messages.create_async(to=TO, from_="+15005550001", body="hi")
        except TwilioRestException as error:
            return Ended(int(error.status), "")
    return Ended(201, str(message.sid))


async def java(scene: Asking) -> Ended:
    """A loop with the rules of Java's SDK."""
    outcomes: list[str] = []
    for sent in range(1, JAVA_503 + 1):
        answer = await scene.create()
        outcomes.append(answer.value("Gateway-Outcome"))
        most = JAVA_503 if answer.status == 503 else JAVA_5XX
        if answer.status < 500 or sent >= most:
            break
    return Ended(answer.status, sid_of(answer), tuple(outcomes))


async def impatient(scene: Asking) -> Ended:
    """No User-Agent that is known: gives up at 2 s, three times, and calls again until it is answered."""
    given = request(f"POST {MESSAGES}", FORM, body=TEXT)
    async with passing_time(scene.clock):
        for seconds in (2, 2, 2, *[60] * 10):
            async with raw_caller(scene.gateway.port) as caller:
                await caller.send(given)
                answer = await answer_or_leave(caller, seconds)
                if answer is None:
                    continue
                if answer.status < 500:
                    return Ended(answer.status, sid_of(answer), (answer.value("Gateway-Outcome"),))
            await asyncio.sleep(1)
    raise AssertionError("it never got its message")


def sid_of(answer: RawAnswer) -> str:
    return str(json.loads(answer.body)["sid"]) if answer.status == 201 else ""


@pytest.mark.parametrize("fault", DONE)
async def test_python_gets_the_message_that_was_sent(scene: Asking, fault: str) -> None:
    scene.simulator.faults.add(fault, method="POST", count=1)
    assert await python(scene) == Ended(201, scene.sids()[0])
    assert scene.created == 1


@pytest.mark.parametrize("fault", NOT_DONE)
async def test_python_sends_what_was_not_sent(scene: Asking, fault: str) -> None:
    """It is told `absent`, which is a 5xx to it: it calls again by itself."""
    scene.simulator.faults.add(fault, method="POST", count=1)
    assert await python(scene) == Ended(201, scene.sids()[0])
    assert scene.created == 1


@pytest.mark.parametrize("fault", DONE)
async def test_java_gets_the_message_that_was_sent(scene: Asking, fault: str) -> None:
    scene.simulator.faults.add(fault, method="POST", count=1)
    assert await java(scene) == Ended(201, scene.sids()[0], ("found",))
    assert scene.created == 1


@pytest.mark.parametrize("fault", NOT_DONE)
async def test_java_sends_what_was_not_sent(scene: Asking, fault: str) -> None:
    scene.simulator.faults.add(fault, method="POST", count=1)
    assert await java(scene) == Ended(201, scene.sids()[0], ("absent", ""))
    assert scene.created == 1


@pytest.mark.parametrize("fault", NOT_DONE)
async def test_java_is_told_each_time_that_nothing_was_sent(scene: Asking, fault: str) -> None:
    scene.simulator.faults.add(fault, method="POST")
    ended = await java(scene)
    assert ended.status >= 500
    assert set(ended.outcomes) == {"absent"}
    assert scene.created == 0


@pytest.mark.parametrize("fault", [*DONE, *NOT_DONE])
async def test_an_impatient_client_gets_one_message(scene: Asking, fault: str) -> None:
    """Twilio takes 5 s, of which it waits for 2."""
    scene.simulator.faults.add(f"delay=5, {fault}", method="POST", count=1)
    ended = await impatient(scene)
    assert (ended.status, ended.sid, scene.created) == (201, scene.sids()[0], 1)


async def test_an_impatient_client_gets_a_message_that_only_takes_its_time(scene: Asking) -> None:
    scene.simulator.faults.add("delay=5", method="POST", count=1)
    assert await impatient(scene) == Ended(201, scene.sids()[0], ("shared",))
    assert scene.created == 1


async def test_two_equal_messages_of_two_callers_are_two(scene: Asking) -> None:
    ended = await asyncio.gather(java(scene), java(scene))
    assert {each.sid for each in ended} == set(scene.sids())
    assert scene.created == 2
