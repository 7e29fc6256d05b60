"""The troubles that proxies make, and what becomes of them here; and a whole call through the relay."""

import pytest
from aiohttp import web
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from tests.support.running import ACCOUNT_SID
from tests.support.webhooks import PUBLIC_URL, message, sign_form, webhook_scene

LONG = "&".join(f"parameter{number}={'x' * 20}" for number in range(200))

SENT = {
    "a query": "/voice/orders/a?x=1",
    "plus and %20": "/voice/orders/a?q=a+b%20c",
    "escapes in lower case": "/voice/orders/a?q=%c3%bc%2f",
    "escapes in upper case": "/voice/orders/a?q=%C3%BC%2F",
    "escapes in the path": "/voice/orders/%C3%BCber%20uns",
    "doubled slashes": "/voice/orders//a//b",
    "doubled slashes in the query": "/voice/orders/a?u=https://example.com//x",
    "a field twice": "/voice/orders/a?To=1&To=2&To=1",
    "empty values": "/voice/orders/a?a=&b&c=",
    "a trailing question mark": "/voice/orders/a?",
    "separators in values": "/voice/orders/a?a=1;b=2&c=x=y",
    "brackets and quotes": "/voice/orders/a?d[]='x'&e=(y)*",
    "a long query": f"/voice/orders/a?{LONG}",
}


@pytest.mark.parametrize("target", SENT.values(), ids=SENT)
@pytest.mark.parametrize(
    "public_url", [PUBLIC_URL, "https://[2001:db8::7]:8443", "http://hooks.example.com:8080"]
)
async def test_a_url_passes_as_it_is(target: str, public_url: str) -> None:
    """Whatever Twilio called is checked, relayed and signed byte for byte; only an empty query is none."""
    form = message()
    async with webhook_scene(public_url=public_url) as scene:
        got = await scene.twilio.post(target, form)
        assert got.status == 200
        (seen,) = scene.service.seen
        assert seen.valid
        assert seen.url == "/twilio" + target.removeprefix("/voice/orders").removesuffix("?")


TROUBLED = {
    "TLS ends before": ("http://hooks.example.com/voice/orders/a?x=1", "url", "http for https"),
    "the port of the backend": ("https://hooks.example.com:8443/voice/orders/a?x=1", "url", "port 8443"),
    "a slash is added": (
        "https://hooks.example.com/voice/orders/a/?x=1",
        "url",
        "the path with a slash at its end",
    ),
    "the query is dropped": ("https://hooks.example.com/voice/orders/a", "url", "the query left out"),
}


@pytest.mark.parametrize(("signed", "part", "text"), TROUBLED.values(), ids=TROUBLED)
async def test_what_differs_is_said_in_the_log(signed: str, part: str, text: str) -> None:
    async with webhook_scene() as scene:
        headers = {"X-Twilio-Signature": sign_form(signed, message())}
        got = await scene.twilio.send("/voice/orders/a?x=1", message(), headers=headers)
        assert (got.status, got.body) == (403, b"")
        await scene.logged(1)
        (hint,) = scene.hints()
        assert (hint["would_match"], hint["hint"]) == (part, text)


@pytest.mark.parametrize("target", ["/sms/orders/", "//sms/orders", "/SMS/orders"])
async def test_a_path_that_misses_its_route_is_said_in_the_log(target: str) -> None:
    async with webhook_scene() as scene:
        assert (await scene.twilio.post(target, message())).status == 404
        await scene.logged(1)
        (hint,) = scene.hints()
        assert (hint["would_match"], hint["route"]) == ("url", "/sms/orders")
        assert (await scene.twilio.send("/sms/orders/", message())).status == 404  # unsigned: no word of it
        assert len(scene.hints()) == 1


OUT = ["/voice/orders/../admin", "/voice/orders/%2e%2e/admin", "/voice/orders/a%2fb", "/voice/orders/a%5cb",
       "/voice/orders/a%00", "/voice/orders/./a", "/voice/orders/%252e%252e/a"]  # fmt: skip


@pytest.mark.parametrize("target", OUT)
async def test_no_path_leaves_its_prefix(target: str) -> None:
    async with webhook_scene() as scene:
        assert (await scene.twilio.post(target, message())).status == 404
        assert scene.service.seen == []


async def test_fields_of_proxies_have_no_part_in_it() -> None:
    async with webhook_scene() as scene:
        lies = {
            "Host": "evil.example.com",
            "X-Forwarded-Host": "evil.example.com",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Port": "8080",
            "Forwarded": "host=evil.example.com;proto=http",
            "X-Original-URL": "/admin",
        }
        assert (await scene.twilio.post("/sms/orders", message(), headers=lies)).status == 200
        signature = sign_form("http://evil.example.com/sms/orders", message())
        forged = {**lies, "X-Twilio-Signature": signature}
        assert (await scene.twilio.send("/sms/orders", message(), headers=forged)).status == 403


async def test_a_call_through_the_relay() -> None:
    """Gather, Redirect, Record, Dial: answers name the service's own addresses, and Twilio finds the way."""

    async def answer(request: web.Request) -> web.Response:
        own = f"http://{request.host}"
        step = request.path.rpartition("/")[2]
        response = VoiceResponse()
        if step == "start":
            response.append(Gather(action=f"{own}/twilio/menu?lang=de", num_digits=1))
        elif step == "menu":
            assert request.query["lang"] == "de"
            response.redirect("/twilio/record")
        elif step == "record":
            response.record(action="recorded?x=1&y=2", recording_status_callback=f"{own}/twilio/status")
        elif step == "recorded":
            response.append(Dial("+14155551212", action=f"{own}/twilio/dialled"))
        else:
            response.hangup()
        reply = web.Response(text=str(response), content_type="text/xml")
        reply.set_cookie("step", step)
        return reply

    async with webhook_scene() as scene:
        scene.service.answer = answer
        form = {"CallSid": "CA" + "1f" * 16, "AccountSid": ACCOUNT_SID, "From": "+14155551212"}
        expected = [
            ("start", "Gather", "action", "https://hooks.example.com/voice/orders/menu?lang=de"),
            ("menu?lang=de", "Redirect", "", "https://hooks.example.com/voice/orders/record"),
            ("record", "Record", "action", "recorded?x=1&amp;y=2"),
            ("recorded?x=1&y=2", "Dial", "action", "https://hooks.example.com/voice/orders/dialled"),
        ]
        cookie = ""
        for step, verb, attribute, url in expected:
            got = await scene.twilio.post(
                f"/voice/orders/{step}", form, headers={"Cookie": cookie} if cookie else {}
            )
            text = got.body.decode()
            assert (f'{attribute}="{url}"' if attribute else f">{url}<") in text, (verb, text)
            cookie = got.headers["Set-Cookie"].partition(";")[0]
        assert (
            "https://hooks.example.com/voice/orders/status"
            in (await scene.twilio.post("/voice/orders/record", form)).body.decode()
        )
        assert all(seen.valid for seen in scene.service.seen)
        assert scene.service.seen[1].headers["Cookie"] == "step=start"
        assert "127.0.0.1" not in text
