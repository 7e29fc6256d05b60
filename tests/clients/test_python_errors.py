"""Refusals, Twilio's and ours, as the twilio package from PyPI raises them: its usual exception and code."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

from tests.clients.pointing import EVERYWHERE, WAYS, Login, pointed
from tests.clients.python_tour import RECIPIENT, SENDER, failure_of
from tests.clients.scene import READER_KEY, WRONG_KEY, ZERO_SID, Scene, mask_sids
from tests.clients.tour import VERIFY_SERVICE

_READER = Login("reader", READER_KEY)
_FOREIGN = "AC" + "f" * 32


def _send(client: Any) -> Any:
    return client.messages.create(to=RECIPIENT, from_=SENDER, body="hello")


def _send_nothing(client: Any) -> Any:
    return client.messages.create(to=RECIPIENT, from_=SENDER)


def _fetch_missing(client: Any) -> Any:
    return client.messages("SM" + "0" * 32).fetch()


def _fetch_account(client: Any) -> Any:
    return client.api.v2010.accounts(ZERO_SID).fetch()


def _send_elsewhere(client: Any) -> Any:
    client.api.base_url += "/nothing"
    return _send(client)


async def _fail(
    scene: Scene, act: Callable[[Any], Any], way: str = "prefix", login: Login | None = None
) -> dict[str, Any]:
    def run() -> dict[str, Any]:
        with pointed(way, scene.url, login) as client:
            return failure_of(lambda: act(client))

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("way", WAYS)
async def test_error_of_twilio_is_raised_as_it_is(way: str, scene: Scene) -> None:
    path = "/2010-04-01/Accounts/{account}/Messages/SM….json"
    assert mask_sids(await _fail(scene, _fetch_missing, way)) == {
        "status": 404,
        "code": 20404,
        "message": f"The requested resource {path} was not found",
    }
    assert scene.reached() == [f"GET api.twilio.com {path}"]
    assert await scene.refusals() == []


async def test_error_of_a_create_is_raised_as_it_is(scene: Scene) -> None:
    assert await _fail(scene, _send_nothing) == {
        "status": 400,
        "code": 21602,
        "message": "Message body is required.",
    }
    assert len(scene.reached()) == 1
    assert scene.created() == {}


async def test_attempt_cap_is_answered_without_another_try(scene: Scene) -> None:
    def verify(client: Any) -> None:
        for _ in range(6):
            client.verify.v2.services(VERIFY_SERVICE).verifications.create(to=RECIPIENT, channel="sms")

    failure = await _fail(scene, verify)
    assert failure == {"status": 429, "code": 60203, "message": "Max send attempts reached"}
    assert len(scene.reached()) == 6
    assert scene.created() == {"verifications": 5}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("login", "act", "status", "code", "slug"),
    [
        pytest.param(Login("app", WRONG_KEY), _send, 401, 20003, "unknown_consumer", id="wrong-key"),
        pytest.param(Login("reader"), _send, 401, 20003, "unknown_consumer", id="name-of-another"),
        pytest.param(_READER, _send, 403, 20403, "not_allowed", id="not-allowed"),
        pytest.param(Login(account_sid=_FOREIGN), _send, 403, 20403, "foreign_account", id="foreign-account"),
        pytest.param(Login(), _fetch_account, 403, 20403, "management_endpoint", id="account-itself"),
    ],
)
async def test_refusal_is_raised_with_our_code(
    way: str, login: Login, act: Callable[[Any], Any], status: int, code: int, slug: str, scene: Scene
) -> None:
    failure = await _fail(scene, act, way, login)
    assert (failure["status"], failure["code"]) == (status, code)
    assert failure["message"]
    assert await scene.refusals(1) == [slug]
    assert scene.reached() == []


async def test_address_that_leads_nowhere(scene: Scene) -> None:
    failure = await _fail(scene, _send_elsewhere, "bare-path")
    assert (failure["status"], failure["code"]) == (404, 20404)
    assert "in one of four ways" in failure["message"]
    assert await scene.refusals(1) == ["unknown_address"]
    assert scene.reached() == []


@pytest.mark.parametrize("way", EVERYWHERE)
async def test_refused_list_raises_what_the_sdk_raises_for_lists(way: str, scene: Scene) -> None:
    def run() -> tuple[str, int]:
        with pointed(way, scene.url, _READER) as client:
            with pytest.raises(TwilioException) as caught:
                client.messaging.v1.services.list(page_size=2)
            assert not isinstance(caught.value, TwilioRestException)
            message, response = caught.value.args
            return message, response.status_code

    assert await asyncio.to_thread(run) == ("Unable to fetch page", 403)
    assert await scene.refusals(1) == ["not_allowed"]
    assert scene.reached() == []
