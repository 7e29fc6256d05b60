"""The twilio package from PyPI, unmodified, through the gateway: every documented way, every tour."""

import asyncio
from typing import Any

import pytest
import twilio

from tests.clients import python_tour
from tests.clients.pointing import CORE_ONLY, EVERYWHERE, Login, pointed
from tests.clients.scene import OLD_TOKEN, ZERO_SID, Scene, mask_sids
from tests.clients.tour import CORE_TOURS, IDENTITIES, TOURS, USERS
from tests.support.running import ACCOUNT_SID, KEY

_EVERY = [(way, name) for way in EVERYWHERE for name in TOURS]
_CORE = [(way, name) for way in CORE_ONLY for name in CORE_TOURS]


async def _take(name: str, way: str, scene: Scene, login: Login | None = None) -> None:
    def run() -> dict[str, Any]:
        with pointed(way, scene.url, login) as client:
            return python_tour.TAKE[name](client)

    result = await asyncio.to_thread(run)
    expected = TOURS[name]
    assert mask_sids(result) == expected.result
    assert scene.reached() == expected.reached
    assert scene.created() == expected.created
    assert scene.agents() == {f"twilio-python/{twilio.__version__}"}
    assert await scene.refusals() == []


@pytest.mark.parametrize(("way", "name"), _EVERY + _CORE)
async def test_tour(way: str, name: str, scene: Scene) -> None:
    await _take(name, way, scene)


@pytest.mark.parametrize("name", TOURS)
async def test_all_zero_account_sid_stands_for_the_account_of_the_gateway(name: str, scene: Scene) -> None:
    await _take(name, "prefix", scene, Login(account_sid=ZERO_SID))


@pytest.mark.parametrize(
    "login",
    [
        pytest.param(Login(ACCOUNT_SID, OLD_TOKEN, None), id="account-sid-and-old-token"),
        pytest.param(Login("app", KEY, ACCOUNT_SID), id="name-and-key"),
    ],
)
@pytest.mark.parametrize("way", [*EVERYWHERE, *CORE_ONLY])
async def test_either_login_in_every_way(way: str, login: Login, scene: Scene) -> None:
    await _take("messages", way, scene, login)


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_identities_cross_as_the_sdk_writes_them(way: str, scene: Scene) -> None:
    def run() -> list[int]:
        with pointed(way, scene.url) as client:
            return python_tour.identities(client, list(IDENTITIES))

    assert await asyncio.to_thread(run) == [20404] * len(IDENTITIES)
    assert scene.reached() == [f"GET {USERS}/{quoted}" for quoted, _ in IDENTITIES.values()]
