"""The twilio package from npm, unmodified, through the gateway: ways, tours and errors as in Python."""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.node_tour import run_tour
from tests.clients.pointing import Login
from tests.clients.programs import NODE_FOLDER, run_program
from tests.clients.scene import OLD_TOKEN, READER_KEY, WRONG_KEY, ZERO_SID, Scene, mask_sids
from tests.clients.tour import CORE_TOURS, IDENTITIES, TOURS, USERS
from tests.support.running import ACCOUNT_SID

ROOT = Path(__file__).parents[2]
_EVERYWHERE = ("prefix", "rewriting", "host")
_WAYS = (*_EVERYWHERE, "bare-path")
_READER = Login("reader", READER_KEY)
_FOREIGN = "AC" + "f" * 32
_VERSION = json.loads((NODE_FOLDER / "package.json").read_bytes())["dependencies"]["twilio"]

Take = Callable[..., Awaitable[Any]]


@pytest.fixture
def take(node: str, scene: Scene) -> Take:
    """Runs a tour of `node/tours.mjs` in a process of its own."""

    async def run(tour: str, way: str = "prefix", login: Login | None = None, argument: object = None) -> Any:
        return await run_tour(node, scene.url, tour, way, login or Login(), argument)

    return run


@pytest.mark.parametrize(
    ("way", "name"),
    [(way, name) for way in _EVERYWHERE for name in TOURS] + [("bare-path", name) for name in CORE_TOURS],
)
async def test_tour(way: str, name: str, take: Take, scene: Scene) -> None:
    assert mask_sids(await take(name, way)) == TOURS[name].result
    await _require_seen(name, scene)


@pytest.mark.parametrize("name", TOURS)
async def test_all_zero_account_sid_stands_for_the_account_of_the_gateway(
    name: str, take: Take, scene: Scene
) -> None:
    assert mask_sids(await take(name, login=Login(account_sid=ZERO_SID))) == TOURS[name].result
    await _require_seen(name, scene)


@pytest.mark.parametrize("way", _WAYS)
async def test_account_sid_and_old_token(way: str, take: Take, scene: Scene) -> None:
    login = Login(ACCOUNT_SID, OLD_TOKEN, None)
    assert mask_sids(await take("messages", way, login)) == TOURS["messages"].result
    await _require_seen("messages", scene)


@pytest.mark.parametrize("way", _EVERYWHERE)
async def test_identities_cross_as_the_sdk_writes_them(way: str, take: Take, scene: Scene) -> None:
    assert await take("identities", way, argument=list(IDENTITIES)) == [20404] * len(IDENTITIES)
    assert scene.reached() == [f"GET {USERS}/{raw}" for _, raw in IDENTITIES.values()]


async def _require_seen(name: str, scene: Scene) -> None:
    assert scene.reached() == TOURS[name].reached
    assert scene.created() == TOURS[name].created
    assert scene.agents() == {f"twilio-node/{_VERSION}"}
    assert await scene.refusals() == []


@pytest.mark.parametrize("way", _WAYS)
async def test_error_of_twilio_is_raised_as_it_is(way: str, take: Take, scene: Scene) -> None:
    path = "/2010-04-01/Accounts/{account}/Messages/SM….json"
    assert mask_sids(await take("missingMessage", way)) == {
        "status": 404,
        "code": 20404,
        "message": f"The requested resource {path} was not found",
    }
    assert scene.reached() == [f"GET api.twilio.com {path}"]
    assert await scene.refusals() == []


async def test_error_of_a_create_is_raised_as_it_is(take: Take, scene: Scene) -> None:
    assert await take("emptyMessage") == {
        "status": 400,
        "code": 21602,
        "message": "Message body is required.",
    }
    assert len(scene.reached()) == 1
    assert scene.created() == {}


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize(
    ("tour", "login", "status", "code", "slug"),
    [
        ("refusedSend", Login("app", WRONG_KEY), 401, 20003, "unknown_consumer"),
        ("refusedSend", _READER, 403, 20403, "not_allowed"),
        ("refusedSend", Login(account_sid=_FOREIGN), 403, 20403, "foreign_account"),
        ("accountItself", Login(), 403, 20403, "management_endpoint"),
    ],
)
async def test_refusal_is_raised_with_our_code(
    tour: str, way: str, login: Login, status: int, code: int, slug: str, take: Take, scene: Scene
) -> None:
    failure = await take(tour, way, login)
    assert (failure["status"], failure["code"]) == (status, code)
    assert failure["message"]
    assert await scene.refusals(1) == [slug]
    assert scene.reached() == []


@pytest.mark.parametrize("way", _EVERYWHERE)
async def test_refused_list_is_raised_with_our_code(way: str, take: Take, scene: Scene) -> None:
    failure = await take("refusedList", way, _READER)
    assert (failure["status"], failure["code"]) == (403, 20403)
    assert await scene.refusals(1) == ["not_allowed"]
    assert scene.reached() == []


async def test_address_that_leads_nowhere(take: Take, scene: Scene) -> None:
    failure = await take("unknownAddress", "bare-path")
    assert (failure["status"], failure["code"]) == (404, 20404)
    assert "in one of four ways" in failure["message"]
    assert await scene.refusals(1) == ["unknown_address"]
    assert scene.reached() == []


async def _asked_host(node: str, url: str, **options: str) -> str:
    """The host that the SDK asks for a base URL; nothing is sent."""
    script = (
        "const twilio = require('twilio'); const [url, options] = process.argv.slice(1);"
        "const client = twilio('billing', 'k', {accountSid: 'AC' + '0'.repeat(32), ...JSON.parse(options)});"
        "console.log(client.getHostname(new URL(url).hostname, client.edge, client.region))"
    )
    output = await run_program([node, "-e", script, url, json.dumps(options)], NODE_FOLDER)
    return output.decode().strip()


async def test_the_address_in_kubernetes_works_with_node(node: str) -> None:
    text = (ROOT / "docs/operations.md").read_text()
    (url,) = re.findall(r"Services then call `(\S+)`", text)
    assert url.startswith("http://")
    assert await _asked_host(node, url) == url.removeprefix("http://")


@pytest.mark.parametrize(
    ("host", "options", "asked"),
    [
        ("gateway", {}, "gateway"),
        ("127.0.0.1", {}, "127.0.0.1"),
        ("twilio-gateway.shop", {}, "twilio-gateway.shop.twilio-gateway.shop"),
        ("twilio-gateway.shop.svc", {}, "twilio-gateway.shop.svc"),
        ("twilio-gateway.shop.svc.cluster.local", {}, "twilio-gateway.shop.svc.cluster.local"),
        ("a.shop.svc.cluster.example.com", {}, "a.shop.svc.example.com"),
        ("gateway.example.com", {"edge": "dublin"}, "gateway.dublin.us1.example.com"),
        ("gateway.example.com", {"region": "ie1"}, "gateway.ie1.example.com"),
    ],
)
async def test_hosts_as_the_documentation_has_them(
    node: str, host: str, options: dict[str, str], asked: str
) -> None:
    """docs/clients/, "Base URLs": what the SDK makes of an address."""
    assert await _asked_host(node, f"http://{host}", **options) == asked
