"""The webhook port end to end: real sockets, a real aiohttp service, the validator of the real SDK."""

import hashlib
import json

from aiohttp import web

from tests.support.webhooks import (
    AUTH_TOKEN,
    PUBLIC_URL,
    SECRETS,
    SHARED,
    SHARED_KEY,
    SHARED_SECRET,
    TWIML,
    message,
    sign_form,
    webhook_scene,
)


async def test_a_signed_form_reaches_the_service_whose_own_validator_passes() -> None:
    async with webhook_scene() as scene:
        got = await scene.twilio.post("/sms/orders", message())
        assert (got.status, got.body.decode()) == (200, TWIML)
        assert got.headers["Content-Type"] == "text/xml; charset=utf-8"
        (seen,) = scene.service.seen
        assert seen.valid
        assert seen.url == "/twilio/sms"
        assert seen.headers["X-Twilio-Signature"] != sign_form(f"{PUBLIC_URL}/sms/orders", message())
        (event,) = await scene.logged(1)
        assert (event["route"], event["outcome"], event["status"]) == ("/sms/orders", "relayed", 200)
        assert event["sid"] == message()["MessageSid"]


async def test_what_twilio_did_not_sign_is_403_and_nothing_else() -> None:
    async with webhook_scene() as scene:
        unsigned = await scene.twilio.send("/sms/orders", message())
        forged = await scene.twilio.post("/sms/orders", message(), token="f" * 32)
        for got in (unsigned, forged):
            assert (got.status, got.body) == (403, b"")
            assert set(got.headers) == {"Content-Length"}
        assert scene.service.seen == []
        assert [event["reason"] for event in await scene.logged(2)] == ["signature_missing", "signature"]


async def test_paths_without_a_route_are_404_and_say_nothing() -> None:
    async with webhook_scene() as scene:
        for target in (
            "/",
            "/sms/orders/",
            "/sms",
            "/SMS/orders",
            "/voice/orders",
            "//sms/orders",
            "/metrics",
        ):
            got = await scene.twilio.post(target, message())
            assert (got.status, got.body, set(got.headers)) == (404, b"", {"Content-Length"}), target
        for method in ("PUT", "DELETE", "HEAD", "OPTIONS"):
            assert (await scene.twilio.send("/sms/orders", method=method)).status == 404
        assert scene.service.seen == []
        events = await scene.logged(11)
        assert {event["route"] for event in events} == {"{none}"}


async def test_a_get_is_signed_with_its_query() -> None:
    async with webhook_scene() as scene:
        target = "/sms/orders?Body=a+b%20c&From=%2B1415&x="
        headers = {"X-Twilio-Signature": sign_form(PUBLIC_URL + target, {})}
        got = await scene.twilio.send(target, method="GET", headers=headers)
        assert got.status == 200
        (seen,) = scene.service.seen
        assert seen.url == "/twilio/sms?Body=a+b%20c&From=%2B1415&x="
        assert seen.valid
        worse = target.replace("a+b", "a%20b")
        assert (await scene.twilio.send(worse, method="GET", headers=headers)).status == 403


async def test_json_is_signed_by_its_hash() -> None:
    async with webhook_scene() as scene:
        body = json.dumps({"AccountSid": message()["AccountSid"], "text": "Grüße"}).encode()
        target = f"/voice/orders/events?bodySHA256={hashlib.sha256(body).hexdigest()}"
        headers = {
            "X-Twilio-Signature": sign_form(PUBLIC_URL + target, {}),
            "Content-Type": "application/json",
        }
        assert (await scene.twilio.send(target, body=body, headers=headers)).status == 200
        (seen,) = scene.service.seen
        assert seen.valid
        assert seen.url == "/twilio" + target.removeprefix("/voice/orders")
        for tampered in (body + b" ", b"", b"{}"):
            assert (await scene.twilio.send(target, body=tampered, headers=headers)).status == 403
        plain = "/voice/orders/events"
        headers["X-Twilio-Signature"] = sign_form(PUBLIC_URL + plain, {})
        assert (await scene.twilio.send(plain, body=body, headers=headers)).status == 403
        form = headers | {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await scene.twilio.send(target, body=b"=", headers=form)).status == 403


async def test_a_shared_key_is_named_by_its_header_and_never_by_a_weaker_algorithm() -> None:
    async with webhook_scene(secrets=[*SECRETS, SHARED]) as scene:
        url = f"{PUBLIC_URL}/sms/orders"
        strong = sign_form(url, message(), SHARED_SECRET, "HMAC_SHA256")
        weak = sign_form(url, message(), SHARED_SECRET)
        rows = [
            (strong, f"key={SHARED_KEY},algorithm=HMAC_SHA256", 200),
            (weak, f"key={SHARED_KEY},algorithm=HMAC_SHA1", 403),
            (weak, f"key={SHARED_KEY}", 403),
            (strong, "key=webhooks_sharedkey_other,algorithm=HMAC_SHA256", 403),
            (strong, f"key={SHARED_KEY},algorithm=HMAC_MD5", 403),
            (strong, "", 403),
            (sign_form(url, message(), AUTH_TOKEN), "", 200),
        ]
        for signature, named, status in rows:
            headers = {"X-Twilio-Signature": signature}
            if named:
                headers["X-Twilio-Webhooks-Signature-Settings"] = named
            got = await scene.twilio.send("/sms/orders", message(), headers=headers)
            assert got.status == status, named
        assert all("X-Twilio-Webhooks-Signature-Settings" not in seen.headers for seen in scene.service.seen)
        assert all(seen.valid for seen in scene.service.seen)


async def test_only_listed_fields_cross_and_cookies_go_both_ways() -> None:
    async def answer(request: web.Request) -> web.Response:
        response = web.Response(text=TWIML, content_type="text/xml")
        response.set_cookie("step", "1")
        response.set_cookie("call", "2", path="/twilio", domain="orders.internal")
        response.headers["X-Internal-Host"] = "orders-7f"
        response.headers["Server"] = "orders"
        return response

    async with webhook_scene() as scene:
        scene.service.answer = answer
        sent = {
            "Cookie": "step=0; call=1",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": "token-1",
            "X-Forwarded-For": "203.0.113.9",
            "Authorization": "Basic bm9uZTpub25l",
            "X-Original-Url": "/admin",
        }
        got = await scene.twilio.post("/sms/orders", message(), headers=sent)
        assert sorted(got.headers.getall("Set-Cookie")) == ["call=2; Path=/", "step=1; Path=/"]
        assert set(got.headers) == {"Content-Type", "Content-Length", "Set-Cookie"}
        (seen,) = scene.service.seen
        assert {name: value for name, value in seen.headers.items() if name in sent} == {
            name: sent[name] for name in ("Cookie", "User-Agent", "I-Twilio-Idempotency-Token")
        }
