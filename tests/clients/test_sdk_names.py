"""The SDKs as they are installed: their User-Agents name them, and what the gateway does by their names."""

import asyncio
import json

import pytest
import twilio
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from tests.clients import python_tour
from tests.clients.node_tour import run_tour
from tests.clients.pointing import Login, pointed
from tests.clients.programs import NODE_FOLDER
from tests.clients.python_tour import RECIPIENT, SENDER
from tests.clients.scene import Scene
from tests.support.metrics import scrape_until, total
from tests.support.running import Running

NODE_VERSION = json.loads((NODE_FOLDER / "package.json").read_bytes())["dependencies"]["twilio"]
METRIC = "gateway_consumer_sdk_requests_total"


async def _require_known(scene: Scene, name: str, version: str) -> None:
    """In each line of the log, and in the metric; that it may send POSTs again, too."""
    gateway = scene.gateway
    assert isinstance(gateway, Running)
    assert scene.entries
    lines = await gateway.exchange_logged(len(scene.entries))
    assert {line["sdk"] for line in lines} == {f"{name}/{version}"}
    samples = await scrape_until(gateway.admin_url, METRIC, len(lines))
    labels = {"consumer": "app", "sdk": name, "version": version, "post_repeats": "optional"}
    assert total(samples, METRIC, **labels) == len(lines)


async def test_python(scene: Scene) -> None:
    def run() -> None:
        with pointed("prefix", scene.url) as client:
            python_tour.TAKE["messages"](client)

    await asyncio.to_thread(run)
    await _require_known(scene, "twilio-python", twilio.__version__)


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning")
async def test_async_python(scene: Scene) -> None:
    username, password, account_sid = Login()
    async with AsyncTwilioHttpClient() as http_client:
        client = Client(username, password, account_sid=account_sid, http_client=http_client)
        client.api.base_url = f"{scene.url}/api"
        await client.messages.create_async(to=RECIPIENT, from_=SENDER, body="hello")
    await _require_known(scene, "twilio-python", twilio.__version__)


async def test_node(node: str, scene: Scene) -> None:
    await run_tour(node, scene.url, "messages", "prefix", Login())
    await _require_known(scene, "twilio-node", NODE_VERSION)
