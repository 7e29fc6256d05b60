"""The async client of the twilio package from PyPI (`AsyncTwilioHttpClient`), pointed by prefix and by Host.

Content is left out: this client sends a JSON body as a form (`data=` in its async_http_client.py, 9.13).
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import twilio
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from tests.clients.pointing import PRODUCTS, Login
from tests.clients.python_tour import PICTURES, RECIPIENT, SENDER, TEXTS, describe
from tests.clients.scene import READER_KEY, WRONG_KEY, ZERO_SID, Scene, mask_sids
from tests.clients.tour import TOURS, VERIFY_SERVICE
from tests.support.running import ACCOUNT_SID

# twilio 9.13 logs in by ways whose end aiohttp 3.14 announces; they are the SDK's to change.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


class HostKeepingAsyncClient(AsyncTwilioHttpClient):  # type: ignore[misc]
    """Connects to the gateway, but says `Host: {product}.twilio.com`."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        self.gateway = gateway

    async def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Send to the gateway with Twilio's Host."""
        host = urlsplit(url).netloc
        kwargs["headers"] = {**kwargs["headers"], "Host": host}
        return await super().request(method, self.gateway + url.partition(host)[2], *args, **kwargs)


@asynccontextmanager
async def _pointed(way: str, gateway: str, login: Login | None = None) -> AsyncIterator[Any]:
    username, password, account_sid = login or Login()
    http_client = HostKeepingAsyncClient(gateway) if way == "host" else AsyncTwilioHttpClient()
    async with http_client:
        client = Client(username, password, account_sid=account_sid, http_client=http_client)
        for product in PRODUCTS if way == "prefix" else ():
            getattr(client, product).base_url = f"{gateway}/{product}"
        yield client


async def _failure_of(act: Awaitable[object]) -> dict[str, Any]:
    with pytest.raises(TwilioRestException) as caught:
        await act
    return describe(caught.value)


async def _messages(client: Any) -> dict[str, Any]:
    sids: list[str] = []
    for text in TEXTS:
        media = {"media_url": PICTURES} if not sids else {}
        made = await client.messages.create_async(to=RECIPIENT, from_=SENDER, body=text, **media)
        sids.append(made.sid)
    one = client.messages(sids[0])
    fetched = await one.fetch_async()
    return {
        "distinct": len(set(sids)),
        "fetched": fetched.body,
        "media": fetched.num_media,
        "listed": [message.body for message in await client.messages.list_async(page_size=2)],
        "updated": (await one.update_async(body="")).body,
        "deleted": await one.delete_async(),
        "then": await _failure_of(one.fetch_async()),
    }


async def _services(client: Any) -> dict[str, Any]:
    resource = client.messaging.v1.services
    made = [await resource.create_async(friendly_name=f"service {digit}") for digit in range(1, 6)]
    one = resource(made[0].sid)
    return {
        "fetched": (await one.fetch_async()).friendly_name,
        "updated": (await one.update_async(friendly_name="first")).friendly_name,
        "listed": [service.friendly_name for service in await resource.list_async(page_size=2)],
        "deleted": await one.delete_async(),
        "then": await _failure_of(one.fetch_async()),
    }


async def _verifications(client: Any) -> dict[str, Any]:
    resource = client.verify.v2.services(VERIFY_SERVICE).verifications
    started = await resource.create_async(to=RECIPIENT, channel="sms")
    return {"status": started.status, "to": started.to}


_TAKE = {"messages": _messages, "services": _services, "verifications": _verifications}


@pytest.mark.parametrize("name", _TAKE)
@pytest.mark.parametrize(
    ("way", "account_sid"), [("prefix", ACCOUNT_SID), ("host", ACCOUNT_SID), ("prefix", ZERO_SID)]
)
async def test_tour(way: str, account_sid: str, name: str, scene: Scene) -> None:
    async with _pointed(way, scene.url, Login(account_sid=account_sid)) as client:
        result = await _TAKE[name](client)
    expected = TOURS[name]
    assert mask_sids(result) == expected.result
    assert scene.reached() == expected.reached
    assert scene.created() == expected.created
    assert scene.agents() == {f"twilio-python/{twilio.__version__}"}
    assert await scene.refusals() == []


@pytest.mark.parametrize("way", ["prefix", "host"])
@pytest.mark.parametrize(
    ("login", "status", "code", "slug"),
    [
        (Login("app", WRONG_KEY), 401, 20003, "unknown_consumer"),
        (Login("reader", READER_KEY), 403, 20403, "not_allowed"),
    ],
)
async def test_refusal_is_raised_with_our_code(
    way: str, login: Login, status: int, code: int, slug: str, scene: Scene
) -> None:
    async with _pointed(way, scene.url, login) as client:
        failure = await _failure_of(client.messages.create_async(to=RECIPIENT, from_=SENDER, body="hello"))
    assert (failure["status"], failure["code"]) == (status, code)
    assert await scene.refusals(1) == [slug]
    assert scene.reached() == []
