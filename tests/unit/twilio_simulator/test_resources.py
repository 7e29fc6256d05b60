"""Every resource made, read, listed, changed and deleted, and what each insists on."""

from __future__ import annotations

import pytest

from tests.unit.twilio_simulator.conftest import MAIN, MESSAGE, SUB, Caller, account_path, basic
from twilio_simulator import Simulator

CALL = {"To": "+15551112222", "From": "+15553334444", "Url": "https://example.com/voice.xml"}
NUMBER = {"PhoneNumber": "+15557778888"}
CONTENT = {"friendly_name": "t", "language": "en", "types": {"twilio/text": {"body": "hi"}}}
JSON_TYPE = {"Content-Type": "application/json"}

CRUD = [
    pytest.param(
        "api.twilio.com", account_path("/Messages"), ".json", "messages", "SM",
        {"data": MESSAGE}, {"Body": ""}, ("body", ""), id="messages",
    ),
    pytest.param(
        "api.twilio.com", account_path("/Calls"), ".json", "calls", "CA",
        {"data": CALL}, {"Status": "completed"}, ("status", "completed"), id="calls",
    ),
    pytest.param(
        "api.twilio.com", account_path("/IncomingPhoneNumbers"), ".json", "incoming_phone_numbers", "PN",
        {"data": NUMBER}, {"VoiceUrl": "https://a/"}, ("voice_url", "https://a/"), id="numbers",
    ),
    pytest.param(
        "api.twilio.com", account_path("/Keys"), ".json", "keys", "SK",
        {"data": {"FriendlyName": "a"}}, {"FriendlyName": "b"}, ("friendly_name", "b"), id="keys",
    ),
    pytest.param(
        "messaging.twilio.com", "/v1/Services", "", "services", "MG",
        {"data": {"FriendlyName": "a"}}, {"FriendlyName": "b"}, ("friendly_name", "b"), id="services",
    ),
    pytest.param(
        "content.twilio.com", "/v1/Content", "", "contents", "HX",
        {"json": CONTENT}, None, ("language", "en"), id="contents",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("host", "path", "suffix", "key", "prefix", "sent", "change", "changed"), CRUD)
async def test_life_of_a_resource(
    simulator: Simulator,
    caller: Caller,
    host: str,
    path: str,
    suffix: str,
    key: str,
    prefix: str,
    sent: dict[str, object],
    change: dict[str, str] | None,
    changed: tuple[str, str],
) -> None:
    before = len((await caller.get(path + suffix, host=host)).json[key])
    made = await caller.post(path + suffix, host=host, **sent)
    sid = made.json["sid"]
    assert made.status == 201
    assert sid.startswith(prefix)
    assert len(sid) == 34
    instance = f"{path}/{sid}{suffix}"

    listed = (await caller.get(path + suffix, host=host)).json[key]
    assert [len(listed), listed[0]["sid"]] == [before + 1, sid]
    if change is not None:
        updated = await caller.post(instance, host=host, data=change)
        assert (updated.status, updated.json[changed[0]]) == (200, changed[1])
    fetched = await caller.get(instance, host=host)
    assert (fetched.status, fetched.json[changed[0]]) == (200, changed[1])

    gone = await caller.send("DELETE", instance, host=host)
    assert (gone.status, gone.body) == (204, b"")
    assert "Content-Type" not in gone.headers
    for method in ("GET", "DELETE"):
        reply = await caller.send(method, instance, host=host)
        assert (reply.status, reply.json["code"]) == (404, 20404)
    assert simulator.counts()["created"] == {key: 1}


async def test_message_fields(caller: Caller) -> None:
    reply = await caller.post(account_path("/Messages.json"), data=MESSAGE)
    sid = reply.json["sid"]
    uri = account_path(f"/Messages/{sid}")
    assert reply.json == {
        "account_sid": MAIN,
        "api_version": "2010-04-01",
        "body": "hello",
        "date_created": "Tue, 14 Nov 2023 22:13:20 +0000",
        "date_sent": None,
        "date_updated": "Tue, 14 Nov 2023 22:13:20 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": "+15553334444",
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": "+15551112222",
        "uri": f"{uri}.json",
    }


@pytest.mark.parametrize(
    ("path", "form", "code"),
    [
        ("/Messages.json", {"From": "+1", "Body": "x"}, 21604),
        ("/Messages.json", {"To": "+1", "Body": "x"}, 21603),
        ("/Messages.json", {"To": "+1", "From": "+2"}, 21602),
        ("/Messages.json", {"To": "+1", "From": "+2", "Body": "x" * 1601}, 21617),
        ("/Messages.json", {"To": "+1", "MessagingServiceSid": "MG1", "Body": "x"}, None),
        ("/Messages.json", {"To": "+1", "From": "+2", "MediaUrl": "https://example.com/a.jpg"}, None),
        ("/Calls.json", {"From": "+1", "Url": "u"}, 21201),
        ("/Calls.json", {"To": "+1", "Url": "u"}, 21213),
        ("/Calls.json", {"To": "+1", "From": "+2"}, 21205),
        ("/Calls.json", {"To": "+1", "From": "+2", "Twiml": "<Response/>"}, None),
        ("/Calls.json", {"To": "+1", "From": "+2", "ApplicationSid": "AP1"}, None),
        ("/IncomingPhoneNumbers.json", {"FriendlyName": "x"}, 21421),
        ("/IncomingPhoneNumbers.json", {"AreaCode": "510"}, None),
    ],
)
async def test_what_a_create_insists_on(
    simulator: Simulator, caller: Caller, path: str, form: dict[str, str], code: int | None
) -> None:
    reply = await caller.post(account_path(path), data=form)
    assert (reply.status, reply.json.get("code")) == (400 if code else 201, code)
    assert bool(simulator.counts()["created"]) is (code is None)


@pytest.mark.parametrize(
    ("collection", "sent", "change", "code"),
    [
        ("/Messages", MESSAGE, {"Body": "other words"}, 20001),
        ("/Messages", MESSAGE, {"Status": "sent"}, 20001),
        ("/Calls", CALL, {"Status": "ringing"}, 21218),
    ],
)
async def test_what_an_update_refuses(
    caller: Caller, collection: str, sent: dict[str, str], change: dict[str, str], code: int
) -> None:
    sid = (await caller.post(account_path(f"{collection}.json"), data=sent)).json["sid"]
    reply = await caller.post(account_path(f"{collection}/{sid}.json"), data=change)
    assert (reply.status, reply.json["code"]) == (400, code)


async def test_accounts(caller: Caller) -> None:
    listed = (await caller.get("/2010-04-01/Accounts.json")).json["accounts"]
    assert {account["sid"] for account in listed} == {MAIN, SUB}
    own = (await caller.get(account_path(".json"))).json
    assert own["auth_token"] == "main-token"
    renamed = await caller.post(account_path(".json"), data={"FriendlyName": "New"})
    assert renamed.json["friendly_name"] == "New"
    assert (await caller.send("DELETE", account_path(".json"))).status == 405


async def test_new_subaccount_can_be_used(caller: Caller) -> None:
    made = (await caller.post("/2010-04-01/Accounts.json", data={"FriendlyName": "Team"})).json
    own = Caller(caller.session, caller.base_url, basic(made["sid"], made["auth_token"]))
    for who in (caller, own):
        assert (await who.get(account_path(".json", made["sid"]))).json["friendly_name"] == "Team"
        assert (await who.post(account_path("/Messages.json", made["sid"]), data=MESSAGE)).status == 201
    assert (await own.get(account_path("/Messages.json"))).status == 401


async def test_accounts_do_not_see_each_others_messages(caller: Caller) -> None:
    sid = (await caller.post(account_path("/Messages.json"), data=MESSAGE)).json["sid"]
    assert (await caller.get(account_path(f"/Messages/{sid}.json", SUB))).status == 404
    assert (await caller.get(account_path("/Messages.json", SUB))).json["messages"] == []


async def test_media_of_a_message(caller: Caller) -> None:
    form = [*MESSAGE.items(), ("MediaUrl", "https://example.com/a"), ("MediaUrl", "https://example.com/b")]
    message = (await caller.post(account_path("/Messages.json"), data=form)).json
    assert message["num_media"] == "2"
    listed = (await caller.get(message["subresource_uris"]["media"])).json["media_list"]
    assert [media["parent_sid"] for media in listed] == [message["sid"]] * 2
    assert (await caller.get(listed[0]["uri"])).json == listed[0]


async def test_content_takes_json_only(caller: Caller) -> None:
    reply = await caller.post("/v1/Content", host="content.twilio.com", data={"language": "en"})
    assert (reply.status, reply.json["code"]) == (415, 20415)
    for body in (b"{", b"[]", b"{}"):
        reply = await caller.post("/v1/Content", host="content.twilio.com", data=body, headers=JSON_TYPE)
        assert (reply.status, reply.json["code"]) == (400, 20001)


async def test_verification_attempts_are_capped(caller: Caller) -> None:
    async def send(to: str) -> int:
        form = {"To": to, "Channel": "sms"}
        path = "/v2/Services/VA1/Verifications"
        reply = await caller.post(path, host="verify.twilio.com", data=form)
        assert reply.status == 201 or reply.json["code"] == 60203
        return reply.status

    assert [await send("+1555") for _ in range(6)] == [201] * 5 + [429]
    assert await send("+1666") == 201


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("api.dublin.ie1.twilio.com", account_path("/Messages.json"), 200),
        ("API.TWILIO.COM:443", account_path("/Messages.json"), 200),
        ("localhost:9101", account_path("/Messages.json"), 200),
        ("localhost", "/v1/Services", 200),
        ("localhost", "/v1/Content", 200),
        ("messaging.twilio.com", account_path("/Messages.json"), 404),
        ("api.twilio.com", "/v1/Services.json", 404),
        ("api.twilio.com", account_path("/Nothing.json"), 404),
        ("api.twilio.com", account_path("/Messages/.json"), 404),
        ("video.twilio.com", "/v1/Rooms", 404),
    ],
)
async def test_product_comes_from_host_or_path(caller: Caller, host: str, path: str, status: int) -> None:
    reply = await caller.get(path, host=host)
    assert reply.status == status
    assert status == 200 or reply.json["code"] == 20404


async def test_every_link_of_an_account_leads_to_a_list(caller: Caller) -> None:
    """Programs that copy an account follow them all; usage alone is a branch whose leaves are lists."""
    account = (await caller.get(account_path(".json"))).json
    for name, uri in account["subresource_uris"].items():
        paths = [f"{uri[: -len('.json')]}/{leaf}.json" for leaf in ("Records/Daily", "Triggers")]
        for path in paths if name == "usage" else [uri]:
            reply = await caller.get(path)
            assert (reply.status, reply.json["uri"].split("?")[0]) == (200, path)


@pytest.mark.parametrize(
    ("host", "path", "key"),
    [
        ("monitor", "/v1/Alerts", "alerts"),
        ("studio", "/v1/Flows", "flows"),
        ("chat", "/v2/Services", "services"),
        ("conversations", "/v1/Conversations", "conversations"),
        ("trunking", "/v1/Trunks", "trunks"),
        ("verify", "/v2/Services", "services"),
    ],
)
async def test_what_the_account_has_none_of_is_an_empty_page(
    caller: Caller, host: str, path: str, key: str
) -> None:
    listed = (await caller.get(path, host=f"{host}.twilio.com")).json
    assert (listed[key], listed["meta"]["key"], listed["meta"]["next_page_url"]) == ([], key, None)
    assert (await caller.get(f"{path}/XX1", host=f"{host}.twilio.com")).status == 404
    assert (await caller.post(path, host=f"{host}.twilio.com", data={})).json["code"] == 20004
