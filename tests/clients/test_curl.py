"""curl, as people use it: every way to address Twilio, every way to show a key, every kind of body."""

import hashlib
from pathlib import Path

import pytest

from tests.clients.programs import Curl
from tests.clients.scene import READER_KEY, WRONG_KEY, ZERO_SID, Scene, basic_token, same_message
from tests.support.running import ACCOUNT_SID, KEY

_LOGIN = ("-u", f"app:{KEY}")
_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
_SEEN = "api.twilio.com /2010-04-01/Accounts/{account}/Messages"
_FORM = "To=%2B15551112222&From=%2B15553334444&Body=one+%26%201+%c3%BC"
"""Both ways to write a space, and hex digits in either case: none of it may be written anew."""
_MESSAGE = ("-d", _FORM)


def _addresses(url: str) -> dict[str, tuple[str, ...]]:
    """The four ways of docs/design.md 4.1, and what makes curl use them; the path follows."""
    authority = url.removeprefix("http://")
    return {
        "prefix": (f"{url}/api",),
        "bare-path": (url,),
        "host": ("-H", "Host: api.twilio.com", url),
        "override-in-dns": ("--connect-to", f"api.twilio.com:80:{authority}", "http://api.twilio.com"),
        "absolute-form": ("-x", url, "http://api.twilio.com"),
        "absolute-form-of-https": ("--request-target", "https://api.twilio.com{path}", url),
    }


def _address(way: str, url: str, path: str) -> list[str]:
    *options, base = _addresses(url)[way]
    return [option.replace("{path}", path) for option in options] + [base + path]


@pytest.mark.parametrize("way", _addresses(""))
async def test_create_fetch_list_update_delete(way: str, curl: Curl, scene: Scene) -> None:
    made = await curl(*_LOGIN, *_MESSAGE, *_address(way, scene.url, f"{_PATH}.json"))
    assert (made.status, made.json["body"]) == (201, "one & 1 ü")
    one = _address(way, scene.url, f"{_PATH}/{made.json['sid']}.json")
    fetched = await curl(*_LOGIN, *one)
    assert fetched.status == 200
    assert same_message(fetched.json, made.json)
    listed = await curl(*_LOGIN, *_address(way, scene.url, f"{_PATH}.json?PageSize=1"))
    assert [message["sid"] for message in listed.json["messages"]] == [made.json["sid"]]
    updated = await curl(*_LOGIN, "-d", "Body=", *one)
    assert (updated.status, updated.json["body"]) == (200, "")
    deleted = await curl(*_LOGIN, "-X", "DELETE", *one)
    assert (deleted.status, deleted.body) == (204, b"")
    missing = await curl(*_LOGIN, *one)
    assert (missing.status, missing.json["code"], missing.ours) == (404, 20404, "")
    assert scene.reached() == [
        f"POST {_SEEN}.json",
        f"GET {_SEEN}/SM….json",
        f"GET {_SEEN}.json?PageSize=1",
        f"POST {_SEEN}/SM….json",
        f"DELETE {_SEEN}/SM….json",
        f"GET {_SEEN}/SM….json",
    ]
    assert scene.entries[0].body == _FORM
    assert scene.created() == {"messages": 1}


@pytest.mark.parametrize("sid", [ACCOUNT_SID, ZERO_SID])
async def test_pages_of_the_2010_api_by_relative_links(sid: str, curl: Curl, scene: Scene) -> None:
    for digit in range(5):
        await curl(*_LOGIN, *_MESSAGE, "-d", f"StatusCallback=/{digit}", f"{scene.url}{_PATH}.json")
    target, sids = f"/2010-04-01/Accounts/{sid}/Messages.json?PageSize=2", []
    while target:
        page = (await curl(*_LOGIN, f"{scene.url}/api{target}")).json
        sids += [message["sid"] for message in page["messages"]]
        target = page["next_page_uri"]
    assert len(set(sids)) == len(sids) == 5
    assert scene.reached()[5:] == [
        f"GET {_SEEN}.json?PageSize=2",
        f"GET {_SEEN}.json?PageSize=2&Page=1&PageToken=PA…",
        f"GET {_SEEN}.json?PageSize=2&Page=2&PageToken=PA…",
    ]
    assert scene.created() == {"messages": 5}


@pytest.mark.parametrize("options", [(), ("--compressed",), ("--http1.0",)])
async def test_pages_of_a_product_by_absolute_links(
    options: tuple[str, ...], curl: Curl, scene: Scene
) -> None:
    services = f"{scene.url}/messaging/v1/Services"
    for digit in range(5):
        made = await curl(*_LOGIN, *options, "-d", f"FriendlyName=service {digit}", services)
        assert made.status == 201
        assert made.json["url"] == f"{services}/{made.json['sid']}"
        assert made.json["links"]["messages"] == f"{services}/{made.json['sid']}/Messages"
    url, names = f"{services}?PageSize=2", []
    while url:
        assert url.startswith(scene.url)
        page = (await curl(*_LOGIN, *options, url)).json
        names += [service["friendly_name"] for service in page["services"]]
        url = page["meta"]["next_page_url"]
    assert names == [f"service {digit}" for digit in (4, 3, 2, 1, 0)]
    assert scene.reached()[5:] == [
        "GET messaging.twilio.com /v1/Services?PageSize=2",
        "GET messaging.twilio.com /v1/Services?PageSize=2&Page=1&PageToken=PA…",
        "GET messaging.twilio.com /v1/Services?PageSize=2&Page=2&PageToken=PA…",
    ]
    assert scene.created() == {"services": 5}


async def test_links_keep_the_host_for_callers_that_name_it(curl: Curl, scene: Scene) -> None:
    """By plain HTTP, as they came."""
    host = ("-H", "Host: messaging.twilio.com")
    made = await curl(*_LOGIN, *host, "-d", "FriendlyName=service", f"{scene.url}/v1/Services")
    assert made.json["url"] == f"http://messaging.twilio.com/v1/Services/{made.json['sid']}"
    assert scene.reached() == ["POST messaging.twilio.com /v1/Services"]


@pytest.mark.parametrize(
    "login",
    [
        pytest.param(("-u", f"app:{KEY}"), id="basic"),
        pytest.param(("-H", f"Authorization: Bearer {KEY}"), id="bearer"),
        pytest.param(("-H", f"Proxy-Authorization: Basic {basic_token('app', KEY)}"), id="proxy-alone"),
    ],
)
async def test_key_in_each_form(login: tuple[str, ...], curl: Curl, scene: Scene) -> None:
    made = await curl(*login, *_MESSAGE, f"{scene.url}{_PATH}.json")
    assert made.status == 201
    assert scene.reached() == [f"POST {_SEEN}.json"]
    assert scene.created() == {"messages": 1}


async def test_json_route(curl: Curl, scene: Scene) -> None:
    body = '{"language": "en", "types": {"twilio/text": {"body": "Hi {{1}}"}}}'
    json_type = ("-H", "Content-Type: application/json")
    made = await curl(*_LOGIN, *json_type, "-d", body, f"{scene.url}/content/v1/Content")
    assert made.status == 201
    assert scene.reached() == ["POST content.twilio.com /v1/Content"]
    assert scene.entries[0].body == body
    assert scene.created() == {"contents": 1}


async def test_multipart_form(curl: Curl, scene: Scene) -> None:
    form = ("-F", "To=+15551112222", "-F", "From=+15553334444", "-F", "Body=one & 1")
    made = await curl(*_LOGIN, *form, f"{scene.url}{_PATH}.json")
    assert (made.status, made.json["body"]) == (201, "one & 1")
    assert scene.created() == {"messages": 1}


@pytest.mark.parametrize("options", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect:")])
async def test_upload_is_streamed_whole(
    options: tuple[str, ...], curl: Curl, scene: Scene, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(bytes(range(256)) * 12_288)  # 3 MiB: curl asks for 100-continue from 1 MiB on
    url = f"{scene.url}/mcs/v1/Services/IS{'0' * 32}/Media"
    jpeg = ("-H", "Content-Type: image/jpeg")
    made = await curl(*_LOGIN, *options, *jpeg, "--data-binary", f"@{picture}", url)
    assert made.status == 201
    assert made.json["sha256"] == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert made.json["content_type"] == "image/jpeg"
    assert scene.reached() == ["POST mcs.us1.twilio.com /v1/Services/IS…/Media"]
    assert scene.created() == {"uploads": 1}


async def test_head_has_the_fields_of_get_and_no_body(curl: Curl, scene: Scene) -> None:
    listed = await curl(*_LOGIN, f"{scene.url}{_PATH}.json")
    asked = await curl(*_LOGIN, "-I", f"{scene.url}{_PATH}.json")
    assert asked.status == 200
    assert asked.fields["content-length"] == str(len(listed.body))
    assert asked.fields["content-type"] == listed.fields["content-type"]
    assert scene.reached() == [f"GET {_SEEN}.json", f"HEAD {_SEEN}.json"]


async def test_redirect_is_the_callers_to_follow(curl: Curl, scene: Scene) -> None:
    reply = await curl(*_LOGIN, f"{scene.url}{_PATH}/SM{'0' * 32}/Media/ME{'0' * 32}")
    assert reply.status == 307
    assert reply.fields["location"].startswith("https://media.twiliocdn.com/")
    assert scene.reached() == [f"GET {_SEEN}/SM…/Media/ME…"]


async def test_xml_where_no_suffix_asks_for_json(curl: Curl, scene: Scene) -> None:
    made = await curl(*_LOGIN, *_MESSAGE, scene.url + _PATH)
    assert made.status == 201
    assert b"<TwilioResponse><Message>" in made.body
    refused = await curl("-u", f"app:{WRONG_KEY}", *_MESSAGE, scene.url + _PATH)
    assert (refused.status, refused.ours) == (401, "unknown_consumer")
    assert b"<RestException><Code>20003</Code>" in refused.body
    assert scene.reached() == [f"POST {_SEEN}"]
    assert scene.created() == {"messages": 1}


@pytest.mark.parametrize(
    ("login", "path", "status", "code", "slug"),
    [
        ("", f"/api{_PATH}.json", 401, 20003, "missing_key"),
        (f"app:{WRONG_KEY}", f"/api{_PATH}.json", 401, 20003, "unknown_consumer"),
        (f"reader:{READER_KEY}", f"/api{_PATH}.json", 403, 20403, "not_allowed"),
        (f"app:{KEY}", "/nothing/v1/Services", 404, 20404, "unknown_address"),
    ],
)
async def test_refusal_is_ours(
    login: str, path: str, status: int, code: int, slug: str, curl: Curl, scene: Scene
) -> None:
    reply = await curl(*(("-u", login) if login else ()), *_MESSAGE, scene.url + path)
    assert (reply.status, reply.json["status"], reply.json["code"]) == (status, status, code)
    assert (reply.ours, reply.json["gateway_error"]) == (slug, slug)
    assert ("www-authenticate" in reply.fields) == (status == 401)
    assert scene.reached() == []
