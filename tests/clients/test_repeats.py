"""Real clients that send a POST again by themselves: through the gateway, Twilio sees one message."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from tests.clients.pointing import Login
from tests.clients.python_tour import RECIPIENT, SENDER
from tests.clients.scene import Scene, open_scene

# twilio 9.13 logs in by ways whose end aiohttp 3.14 announces; they are the SDK's to change.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

DONE = ["reset-after", "status-after=500", "status-after=502", "status-after=504", "garbage"]
NOT_DONE = ["reset-before", "status=500", "status=502"]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with open_scene() as scene:
        yield scene


async def create_with_retries(scene: Scene) -> int:
    """One `messages.create` of the async SDK with `max_retries=3`; the status that it failed with, or 201."""
    username, password, account_sid = Login()
    http_client = AsyncTwilioHttpClient(max_retries=3)
    async with http_client:
        client = Client(username, password, account_sid=account_sid, http_client=http_client)
        client.api.base_url = f"{scene.url}/api"
        try:
            await client.messages.create_async(to=RECIPIENT, from_=SENDER, body="once")
        except TwilioRestException as error:
            return int(error.status)
    return 201


@pytest.mark.parametrize("fault", DONE)
async def test_a_message_that_was_sent_is_sent_once(scene: Scene, fault: str) -> None:
    """The SDK sends three times; nobody can know that the first was done, and that is what it is told."""
    scene.simulator.faults.add(fault, method="POST", count=1)
    assert await create_with_retries(scene) >= 500
    assert scene.created() == {"messages": 1}
    assert len(scene.entries) == 1
    assert len(await scene.logged(3)) == 3


@pytest.mark.parametrize("fault", NOT_DONE)
async def test_a_message_that_may_have_been_sent_is_not_sent_again(scene: Scene, fault: str) -> None:
    scene.simulator.faults.add(fault, method="POST", count=1)
    assert await create_with_retries(scene) >= 500
    assert scene.created().get("messages", 0) == 0
    assert len(scene.entries) == 1


async def test_two_equal_messages_that_succeed_are_two(scene: Scene) -> None:
    statuses = await asyncio.gather(create_with_retries(scene), create_with_retries(scene))
    assert list(statuses) == [201, 201]
    assert await create_with_retries(scene) == 201
    assert scene.created() == {"messages": 3}
