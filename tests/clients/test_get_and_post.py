"""A client that knows only GET and POST (`urllib.request`, which can do little more): the method overrides.

The danger is a DELETE that arrives as an update, so each test looks at what Twilio took it for.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.clients.programs import Reply
from tests.clients.scene import LEGACY_KEY, POSTER_KEY, Scene, basic_token
from tests.support.running import ACCOUNT_SID, KEY

_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
_SEEN = "api.twilio.com /2010-04-01/Accounts/{account}/Messages"
_MESSAGE = {"To": "+15551112222", "From": "+15553334444", "Body": "hello"}
_LOGINS = {"app": KEY, "poster": POSTER_KEY, "legacy": LEGACY_KEY}


class GetAndPost:
    """Has no other methods than these two."""

    def __init__(self, gateway: str, consumer: str) -> None:
        self._gateway = gateway
        self._fields = {"Authorization": f"Basic {basic_token(consumer, _LOGINS[consumer])}"}

    def get(self, target: str) -> Reply:
        """GET."""
        return self._send(Request(self._gateway + target, headers=self._fields))

    def post(
        self, target: str, form: dict[str, str] | None = None, fields: dict[str, str] | None = None
    ) -> Reply:
        """POST a form."""
        body = urlencode(form or {}).encode()
        return self._send(Request(self._gateway + target, body, {**self._fields, **(fields or {})}))

    def _send(self, request: Request) -> Reply:
        try:
            answer = urlopen(request, timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            fields = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status, fields, answer.read())


async def _talk(scene: Scene, consumer: str, talk: Callable[[GetAndPost], Any]) -> Any:
    return await asyncio.to_thread(talk, GetAndPost(scene.url, consumer))


def _effective(scene: Scene) -> list[str]:
    """What Twilio took each request for."""
    return [entry.effective_method for entry in scene.entries]


@pytest.mark.parametrize(
    ("consumer", "target", "fields"),
    [
        pytest.param("app", "{one}?_method=DELETE", {}, id="query"),
        pytest.param("app", "{one}?_method=delete", {}, id="query-in-lower-case"),
        pytest.param("legacy", "{one}", {"X-HTTP-Method-Override": "DELETE"}, id="header"),
        pytest.param("legacy", "{one}", {"X-HTTP-Method-Override": "delete"}, id="header-in-lower-case"),
        pytest.param("legacy", "{one}?_method=DELETE", {"X-HTTP-Method-Override": "DELETE"}, id="both"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_delete(consumer: str, target: str, fields: dict[str, str], prefix: str, scene: Scene) -> None:
    def talk(client: GetAndPost) -> tuple[Reply, Reply]:
        made = client.post(f"{prefix}{_PATH}.json", _MESSAGE)
        one = f"{prefix}{_PATH}/{made.json['sid']}.json"
        return client.post(target.replace("{one}", one), fields=fields), client.get(one)

    deleted, missing = await _talk(scene, consumer, talk)
    assert (deleted.status, deleted.body) == (204, b"")
    assert (missing.status, missing.json["code"], missing.ours) == (404, 20404, "")
    assert scene.reached() == [
        f"POST {_SEEN}.json",
        f"DELETE {_SEEN}/SM….json",
        f"GET {_SEEN}/SM….json",
    ]
    assert not [entry for entry in scene.entries if "X-HTTP-Method-Override" in dict(entry.headers)]
    assert scene.created() == {"messages": 1}


@pytest.mark.parametrize(
    ("consumer", "query", "fields"),
    [("app", "?_method=PUT", {}), ("legacy", "", {"X-HTTP-Method-Override": "PUT"})],
)
async def test_put_updates(consumer: str, query: str, fields: dict[str, str], scene: Scene) -> None:
    def talk(client: GetAndPost) -> tuple[Reply, Reply]:
        one = f"{_PATH}/{client.post(f'{_PATH}.json', _MESSAGE).json['sid']}.json"
        return client.post(one + query, {"Body": ""}, fields), client.get(one)

    updated, fetched = await _talk(scene, consumer, talk)
    assert (updated.status, updated.json["body"], fetched.json["body"]) == (200, "", "")
    assert scene.reached() == [f"POST {_SEEN}.json", f"PUT {_SEEN}/SM….json", f"GET {_SEEN}/SM….json"]
    assert scene.created() == {"messages": 1}


async def test_delete_on_a_product_that_would_ignore_the_override(scene: Scene) -> None:
    def talk(client: GetAndPost) -> tuple[Reply, Reply]:
        made = client.post("/messaging/v1/Services", {"FriendlyName": "one"})
        one = f"/messaging/v1/Services/{made.json['sid']}"
        return client.post(f"{one}?_method=DELETE"), client.get(one)

    deleted, missing = await _talk(scene, "app", talk)
    assert (deleted.status, missing.status) == (204, 404)
    assert _effective(scene) == ["POST", "DELETE", "GET"]


async def test_emitted_as_post_where_the_path_to_twilio_knows_no_more(scene: Scene) -> None:
    def talk(client: GetAndPost) -> tuple[Reply, Reply]:
        one = f"{_PATH}/{client.post(f'{_PATH}.json', _MESSAGE).json['sid']}.json"
        return client.post(f"{one}?_method=PUT", {"Body": ""}), client.post(f"{one}?_method=DELETE")

    updated, deleted = await _talk(scene, "poster", talk)
    assert (updated.json["body"], deleted.status) == ("", 204)
    assert scene.reached() == [
        f"POST {_SEEN}.json",
        f"POST {_SEEN}/SM….json?_method=PUT",
        f"POST {_SEEN}/SM….json?_method=DELETE",
    ]
    assert _effective(scene) == ["POST", "PUT", "DELETE"]


@pytest.mark.parametrize(
    ("consumer", "target", "form", "fields"),
    [
        pytest.param("app", "{one}", {}, {"X-HTTP-Method-Override": "DELETE"}, id="header-of-no-legacy"),
        pytest.param("app", "{one}?_method=PATCH", {}, {}, id="another-value"),
        pytest.param("app", "{one}?_Method=DELETE", {}, {}, id="another-spelling"),
        pytest.param("app", "{one}?%5Fmethod=DELETE", {}, {}, id="another-encoding"),
        pytest.param("app", "{one}?_method=DELETE&_method=DELETE", {}, {}, id="twice"),
        pytest.param("app", "{one}", {"_method": "DELETE"}, {}, id="in-the-form"),
        pytest.param(
            "legacy", "{one}?_method=PUT", {}, {"X-HTTP-Method-Override": "DELETE"}, id="contradiction"
        ),
    ],
)
async def test_what_looks_like_an_override_never_arrives_as_an_update(
    consumer: str, target: str, form: dict[str, str], fields: dict[str, str], scene: Scene
) -> None:
    def talk(client: GetAndPost) -> tuple[Reply, Reply]:
        one = f"{_PATH}/{client.post(f'{_PATH}.json', _MESSAGE).json['sid']}.json"
        return client.post(target.replace("{one}", one), form, fields), client.get(one)

    refused, fetched = await _talk(scene, consumer, talk)
    assert (refused.status, refused.ours) == (400, "method_override")
    assert fetched.json["body"] == "hello"
    assert scene.reached() == [f"POST {_SEEN}.json", f"GET {_SEEN}/SM….json"]
