"""Python's `http.client`, which adds nothing of its own, in HTTP/1.1 and in HTTP/1.0.

In 1.0 it sends no Host, no keep-alive and understands no chunks: what such a client is answered must end
where Content-Length or the connection does.
"""

import asyncio
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.clients.programs import Reply
from tests.clients.scene import READER_KEY, Scene, basic_token, same_message
from tests.support.running import ACCOUNT_SID, KEY
from twilio_simulator.media_resources import pattern_bytes

_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
_SEEN = "api.twilio.com /2010-04-01/Accounts/{account}/Messages"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_MESSAGE = urlencode({"To": "+15551112222", "From": "+15553334444", "Body": "one & 1 ü"})
_BASIC = {"Authorization": f"Basic {basic_token('app', KEY)}"}

Send = Callable[..., Reply]


class HTTP10Connection(HTTPConnection):
    """Speaks HTTP/1.0."""

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


_VERSIONS: dict[str, type[HTTPConnection]] = {"HTTP/1.1": HTTPConnection, "HTTP/1.0": HTTP10Connection}


@pytest.fixture(params=list(_VERSIONS))
def version(request: pytest.FixtureRequest) -> str:
    """The version spoken."""
    spoken: str = request.param
    return spoken


async def _talk(scene: Scene, version: str, talk: Callable[[Send], Any]) -> Any:
    """`talk` to the gateway over one `http.client` connection, which opens again where it must."""

    def run() -> Any:
        connection = _VERSIONS[version](urlsplit(scene.url).netloc, timeout=30)

        def send(method: str, target: str, body: str | None = None, **fields: str) -> Reply:
            named = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request(method, target, body, {**_BASIC, **(_FORM if body else {}), **named})
            with connection.getresponse() as answer:
                heads = {name.lower(): value for name, value in answer.getheaders()}
                spoken = f"HTTP/{answer.version // 10}.{answer.version % 10}"
                return Reply(answer.status, heads, answer.read(), spoken)

        try:
            return talk(send)
        finally:
            connection.close()

    return await asyncio.to_thread(run)


async def test_create_fetch_list_update_delete(version: str, scene: Scene) -> None:
    def talk(send: Send) -> None:
        made = send("POST", f"{_PATH}.json", _MESSAGE)
        assert (made.status, made.json["body"], made.version) == (201, "one & 1 ü", version)
        one = f"{_PATH}/{made.json['sid']}.json"
        assert same_message(send("GET", one).json, made.json)
        listed = send("GET", f"/api{_PATH}.json?PageSize=1").json
        assert [message["sid"] for message in listed["messages"]] == [made.json["sid"]]
        assert send("POST", one, "Body=").json["body"] == ""
        deleted = send("DELETE", one)
        assert (deleted.status, deleted.body) == (204, b"")
        missing = send("GET", one)
        assert (missing.status, missing.json["code"], missing.ours) == (404, 20404, "")

    await _talk(scene, version, talk)
    assert scene.reached() == [
        f"POST {_SEEN}.json",
        f"GET {_SEEN}/SM….json",
        f"GET {_SEEN}.json?PageSize=1",
        f"POST {_SEEN}/SM….json",
        f"DELETE {_SEEN}/SM….json",
        f"GET {_SEEN}/SM….json",
    ]
    assert scene.created() == {"messages": 1}


async def test_put_updates(version: str, scene: Scene) -> None:
    def talk(send: Send) -> None:
        sid = send("POST", f"{_PATH}.json", _MESSAGE).json["sid"]
        assert send("PUT", f"{_PATH}/{sid}.json", "Body=").json["body"] == ""

    await _talk(scene, version, talk)
    assert scene.reached() == [f"POST {_SEEN}.json", f"PUT {_SEEN}/SM….json"]


async def test_pages_of_a_product_by_absolute_links(version: str, scene: Scene) -> None:
    def talk(send: Send) -> list[str]:
        for digit in range(5):
            assert send("POST", "/messaging/v1/Services", f"FriendlyName={digit}").status == 201
        url, names = f"{scene.url}/messaging/v1/Services?PageSize=2", []
        while url:
            assert url.startswith(scene.url)  # without Host, too: then by the address connected to
            parts = urlsplit(url)
            page = send("GET", f"{parts.path}?{parts.query}").json
            names += [service["friendly_name"] for service in page["services"]]
            url = page["meta"]["next_page_url"]
        return names

    assert await _talk(scene, version, talk) == ["4", "3", "2", "1", "0"]
    assert scene.reached()[5:] == [
        "GET messaging.twilio.com /v1/Services?PageSize=2",
        "GET messaging.twilio.com /v1/Services?PageSize=2&Page=1&PageToken=PA…",
        "GET messaging.twilio.com /v1/Services?PageSize=2&Page=2&PageToken=PA…",
    ]
    assert scene.created() == {"services": 5}


async def test_connection_is_kept_or_closed_as_the_version_says(version: str, scene: Scene) -> None:
    def talk(send: Send) -> list[Reply]:
        return [send("GET", f"{_PATH}.json"), send("GET", f"{_PATH}.json", Connection="keep-alive")]

    plain, kept = await _talk(scene, version, talk)
    assert {reply.version for reply in (plain, kept)} == {version}
    assert plain.fields["content-length"] == str(len(plain.body))
    assert "connection" not in plain.fields  # 1.1 stays open without a word, 1.0 closes without one
    assert kept.fields.get("connection", "keep-alive") == "keep-alive"
    assert ("connection" in kept.fields) == (version == "HTTP/1.0")


@pytest.mark.parametrize("chunked", [0, 1])
@pytest.mark.parametrize("size_bytes", [1_000, 400_000])
async def test_answer_of_any_framing_comes_whole(
    size_bytes: int, chunked: int, version: str, scene: Scene
) -> None:
    target = f"{_PATH}/SM{'0' * 32}/Media/ME{'0' * 32}?Size={size_bytes}&Chunked={chunked}"

    def talk(send: Send) -> list[Reply]:
        return [send("GET", target, Connection="keep-alive"), send("GET", target)]

    for reply in await _talk(scene, version, talk):
        assert (reply.status, reply.body) == (200, pattern_bytes(size_bytes))
        unknown = "content-length" not in reply.fields
        assert unknown == (chunked == 1 and size_bytes > 65_536)  # short ones are buffered
        assert ("transfer-encoding" in reply.fields) == (unknown and version == "HTTP/1.1")
        assert not (unknown and version == "HTTP/1.0" and "connection" in reply.fields)  # ends by closing
    assert len(scene.reached()) == 2


@pytest.mark.parametrize(
    ("fields", "target", "status", "slug"),
    [
        ({"Authorization": "Basic !"}, f"{_PATH}.json", 401, "missing_key"),
        (
            {"Authorization": f"Basic {basic_token('reader', READER_KEY)}"},
            f"{_PATH}.json",
            403,
            "not_allowed",
        ),
        ({}, "/nothing/v1/Services", 404, "unknown_address"),
    ],
)
async def test_refusal_is_ours(
    fields: dict[str, str], target: str, status: int, slug: str, version: str, scene: Scene
) -> None:
    def talk(send: Send) -> Reply:
        return send("POST", target, _MESSAGE, **fields)

    reply = await _talk(scene, version, talk)
    assert (reply.status, reply.ours, reply.version) == (status, slug, version)
    assert reply.json["gateway_error"] == slug
    assert scene.reached() == []
