"""Formats and headers: XML, ETag, gzip, HEAD, `_method`, and the bodies that are taken or refused."""

from __future__ import annotations

import gzip
import io
import re
import xml.etree.ElementTree as ET

import aiohttp
import pytest

from tests.unit.twilio_simulator.conftest import ACCOUNTS, MESSAGE, NOW, Caller, account_path
from twilio_simulator import Simulator

MESSAGES = account_path("/Messages.json")


@pytest.mark.parametrize("suffix", ["", ".xml"])
async def test_xml(caller: Caller, suffix: str) -> None:
    made = await caller.post(account_path(f"/Messages{suffix}"), data={**MESSAGE, "Body": "a < b & c"})
    assert (made.status, made.headers["Content-Type"]) == (201, "application/xml")
    message = ET.fromstring(made.body).find("Message")
    assert message is not None
    sid = message.findtext("Sid")
    assert message.findtext("Body") == "a < b & c"
    assert message.findtext("Uri") == account_path(f"/Messages/{sid}")
    assert message.findtext("DateSent") == ""
    assert message.findtext("SubresourceUris/Media")

    listed = ET.fromstring((await caller.get(account_path(f"/Messages{suffix}?PageSize=1"))).body).find(
        "Messages"
    )
    assert listed is not None
    assert (listed.get("page"), listed.get("pagesize"), listed.get("nextpageuri")) == ("0", "1", "")
    assert [item.findtext("Sid") for item in listed.findall("Message")] == [sid]
    assert str(listed.get("uri")).startswith(account_path(f"/Messages{suffix}?"))


async def test_xml_of_an_empty_body_and_a_boolean(caller: Caller) -> None:
    reply = await caller.post(account_path("/IncomingPhoneNumbers"), data={"PhoneNumber": "+1555"})
    number = ET.fromstring(reply.body).find("IncomingPhoneNumber")
    assert number is not None
    assert number.findtext("Capabilities/Sms") == "true"


async def test_product_apis_are_json_whatever_the_suffix(caller: Caller) -> None:
    reply = await caller.get("/v1/Services", host="messaging.twilio.com")
    assert reply.headers["Content-Type"] == "application/json;charset=utf-8"
    assert (await caller.get("/v1/Services.xml", host="messaging.twilio.com")).json["code"] == 20404


@pytest.mark.parametrize("path", [MESSAGES, account_path("/Messages"), account_path(".json")])
async def test_etag(caller: Caller, path: str) -> None:
    first = await caller.get(path)
    etag = first.headers["ETag"]
    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        second = await caller.get(path, headers={"If-None-Match": held})
        assert (second.status, second.body, second.headers["ETag"]) == (304, b"", etag)
        assert "Content-Type" not in second.headers
    assert (await caller.get(path, headers={"If-None-Match": '"other"'})).status == 200
    await caller.post(MESSAGES, data=MESSAGE)
    await caller.post(account_path(".json"), data={"FriendlyName": "changed"})
    assert (await caller.get(path, headers={"If-None-Match": etag})).status == 200


async def test_gzip(caller: Caller) -> None:
    plain = await caller.get(account_path(".json"))
    packed = await caller.get(account_path(".json"), headers={"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["ETag"] != plain.headers["ETag"]


async def test_small_and_xml_answers_are_not_packed(caller: Caller) -> None:
    gzipped = {"Accept-Encoding": "gzip"}
    for path in (account_path("/Messages"), account_path("/Messages.json")):
        caller.authorization = None
        assert "Content-Encoding" not in (await caller.get(path, headers=gzipped)).headers


async def test_head_is_get_without_a_body(caller: Caller) -> None:
    got, head = await caller.get(MESSAGES), await caller.send("HEAD", MESSAGES)
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag"):
        assert head.headers[name] == got.headers[name]


async def test_twilio_headers(caller: Caller) -> None:
    reply = await caller.get(MESSAGES)
    assert reply.headers["Twilio-Concurrent-Requests"] == "1"
    assert re.fullmatch(r"RQ[0-9a-f]{32}", reply.headers["Twilio-Request-Id"])
    assert reply.headers["Twilio-Request-Duration"] == "0.000"
    assert reply.headers["X-API-Domain"] == "api.twilio.com"
    assert reply.headers["X-Home-Region"] == "us1"
    assert reply.headers.getall("Server") == ["TwilioSim"]
    assert len(reply.headers.getall("Date")) == 1
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "query", "effect"),
    [
        ("POST", "_method=DELETE", "deleted"),
        ("POST", "_method=delete", "deleted"),
        ("POST", "_method=PUT", "updated"),
        ("POST", "_method=put", "updated"),
        ("POST", "", "updated"),
        ("PUT", "", "updated"),
        ("DELETE", "", "deleted"),
        ("POST", "_method=PATCH", "updated"),
        ("POST", "_method=DELETE&_method=DELETE", "updated"),
        ("GET", "_method=DELETE", "untouched"),
    ],
)
async def test_method_override(caller: Caller, method: str, query: str, effect: str) -> None:
    sid = (await caller.post(MESSAGES, data=MESSAGE)).json["sid"]
    path = account_path(f"/Messages/{sid}.json")
    form = {"Body": ""} if method in ("POST", "PUT") else None
    reply = await caller.send(method, f"{path}?{query}" if query else path, data=form)
    assert reply.status == (204 if effect == "deleted" else 200)
    after = await caller.get(path)
    assert (after.status == 404) is (effect == "deleted")
    assert effect == "deleted" or (after.json["body"] == "") is (effect == "updated")


async def test_other_products_ignore_the_override(caller: Caller) -> None:
    host = "messaging.twilio.com"
    sid = (await caller.post("/v1/Services", host=host, data={"FriendlyName": "a"})).json["sid"]
    reply = await caller.post(f"/v1/Services/{sid}?_method=DELETE", host=host)
    assert reply.status == 200  # it updated
    assert (await caller.get(f"/v1/Services/{sid}", host=host)).status == 200


async def test_unknown_method_is_405(caller: Caller) -> None:
    reply = await caller.send("PATCH", MESSAGES)
    assert (reply.status, reply.json["code"]) == (405, 20004)


async def test_json_on_a_form_route_is_400(simulator: Simulator, caller: Caller) -> None:
    reply = await caller.post(MESSAGES, json=MESSAGE)
    assert (reply.status, reply.json["code"]) == (400, 20001)
    assert "application/json is not supported" in reply.json["message"]
    assert simulator.counts()["created"] == {}


async def test_multipart_is_read_repeats_and_all(caller: Caller) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in (*MESSAGE.items(), ("MediaUrl", "https://a/"), ("MediaUrl", "https://b/")):
        form.add_field(name, value)
    reply = await caller.post(MESSAGES, data=form)
    assert (reply.status, reply.json["body"], reply.json["num_media"]) == (201, "hello", "2")


async def test_a_body_without_a_type_has_no_fields(caller: Caller) -> None:
    async with caller.session.post(
        caller.base_url + MESSAGES,
        data=b"To=%2B1&From=%2B2&Body=x",
        skip_auto_headers=("Content-Type",),
        headers={"Host": "api.twilio.com", "Authorization": str(caller.authorization)},
    ) as response:
        assert (await response.json())["code"] == 21604


async def test_a_body_that_is_too_large_is_413(caller: Caller) -> None:
    reply = await caller.post(MESSAGES, data=io.BytesIO(b"x" * 2_000_000))
    assert (reply.status, reply.json["code"]) == (413, 20413)


async def test_every_run_is_the_same() -> None:
    async def run() -> list[bytes]:
        async with (
            Simulator(ACCOUNTS, seed=7, now=lambda: NOW) as simulator,
            aiohttp.ClientSession() as session,
        ):
            caller = Caller(session, simulator.url)
            return [(await caller.post(MESSAGES, data=MESSAGE)).body for _ in range(3)]

    assert await run() == await run()
