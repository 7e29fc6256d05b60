"""The gateway as somebody's HTTP proxy: absolute-form targets, the key in Proxy-Authorization.

What the client says in Authorization is then meant for Twilio; it is replaced, whatever it is.
"""

import pytest

from tests.clients.programs import Curl
from tests.clients.scene import READER_KEY, WRONG_KEY, Scene, basic_token, same_message
from tests.support.running import ACCOUNT_SID, KEY

_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
_SEEN = "api.twilio.com /2010-04-01/Accounts/{account}/Messages"
_MESSAGE = ("-d", "To=%2B15551112222&From=%2B15553334444&Body=hello")


def _through(scene: Scene, login: str = f"app:{KEY}") -> tuple[str, ...]:
    return ("-x", scene.url, "--proxy-user", login)


@pytest.mark.parametrize(
    "own",
    [
        pytest.param((), id="no-authorization"),
        pytest.param(("-u", f"{ACCOUNT_SID}:not-a-token"), id="credentials-of-twilios"),
        pytest.param(("-H", "Authorization: Bearer something"), id="bearer"),
    ],
)
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
async def test_create_fetch_delete(own: tuple[str, ...], version: str, curl: Curl, scene: Scene) -> None:
    call = (*_through(scene), *own, version)
    made = await curl(*call, *_MESSAGE, f"http://api.twilio.com{_PATH}.json")
    assert made.status == 201
    one = f"http://api.twilio.com{_PATH}/{made.json['sid']}.json"
    fetched = await curl(*call, one)
    assert same_message(fetched.json, made.json)
    deleted = await curl(*call, "-X", "DELETE", one)
    assert deleted.status == 204
    missing = await curl(*call, one)
    assert (missing.status, missing.ours) == (404, "")
    assert scene.reached() == [
        f"POST {_SEEN}.json",
        f"GET {_SEEN}/SM….json",
        f"DELETE {_SEEN}/SM….json",
        f"GET {_SEEN}/SM….json",
    ]
    assert scene.created() == {"messages": 1}


async def test_pages_by_relative_links(curl: Curl, scene: Scene) -> None:
    for _ in range(3):
        await curl(*_through(scene), *_MESSAGE, f"http://api.twilio.com{_PATH}.json")
    target, sids = f"{_PATH}.json?PageSize=2", []
    while target:
        page = (await curl(*_through(scene), f"http://api.twilio.com{target}")).json
        sids += [message["sid"] for message in page["messages"]]
        target = page["next_page_uri"]
    assert len(set(sids)) == len(sids) == 3
    assert scene.reached()[3:] == [
        f"GET {_SEEN}.json?PageSize=2",
        f"GET {_SEEN}.json?PageSize=2&Page=1&PageToken=PA…",
    ]


@pytest.mark.parametrize("product", ["messaging", "content", "verify"])
async def test_host_of_the_target_names_the_product(product: str, curl: Curl, scene: Scene) -> None:
    reply = await curl(*_through(scene), f"http://{product}.twilio.com/v1/Services?PageSize=1")
    assert reply.ours == ""
    assert scene.reached() == [f"GET {product}.twilio.com /v1/Services?PageSize=1"]


@pytest.mark.parametrize(
    ("login", "url", "status", "slug"),
    [
        (f"app:{WRONG_KEY}", "http://api.twilio.com{path}", 401, "unknown_consumer"),
        (f"reader:{READER_KEY}", "http://api.twilio.com{path}", 403, "not_allowed"),
        (f"app:{KEY}", "http://example.com{path}", 404, "unknown_address"),
        (f"app:{KEY}", "http://api.twilio.com.example.com{path}", 404, "unknown_address"),
        (f"app:{KEY}", "http://api.twilio.com:8080{path}", 404, "unknown_address"),
        (f"app:{KEY}", "http://api.dublin.ie1.twilio.com{path}", 403, "wrong_region"),
    ],
)
async def test_refusal_is_ours(
    login: str, url: str, status: int, slug: str, curl: Curl, scene: Scene
) -> None:
    target = url.replace("{path}", f"{_PATH}.json")
    reply = await curl(*_through(scene, login), *_MESSAGE, target)
    assert (reply.status, reply.ours) == (status, slug)
    assert scene.reached() == []


async def test_wrong_proxy_key_is_not_saved_by_a_right_authorization(curl: Curl, scene: Scene) -> None:
    """In forward-proxy use Proxy-Authorization alone decides."""
    call = (*_through(scene, f"app:{WRONG_KEY}"), "-u", f"app:{KEY}")
    reply = await curl(*call, f"http://api.twilio.com{_PATH}.json")
    assert (reply.status, reply.ours) == (401, "unknown_consumer")
    assert scene.reached() == []


async def test_key_in_authorization_serves_where_no_proxy_key_is(curl: Curl, scene: Scene) -> None:
    reply = await curl("-x", scene.url, "-u", f"app:{KEY}", f"http://api.twilio.com{_PATH}.json")
    assert reply.status == 200
    assert scene.reached() == [f"GET {_SEEN}.json"]


async def test_connect_is_refused_with_an_explanation(curl: Curl, scene: Scene) -> None:
    """Sent as an ordinary request, so that curl shows what is answered to it."""
    target = ("-X", "CONNECT", "--request-target", "api.twilio.com:443")
    field = f"Proxy-Authorization: Basic {basic_token('app', KEY)}"
    reply = await curl(*target, "-H", field, scene.url)
    assert (reply.status, reply.ours) == (501, "connect_unsupported")
    assert "base URL" in reply.json["message"]
    assert scene.reached() == []
