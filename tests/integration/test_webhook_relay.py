"""When a service cannot answer, when Twilio repeats, how much may come, and what is relayed all the same."""

import asyncio
import gzip

import pytest
from aiohttp import web

from tests.support.attempts import until
from tests.support.free_ports import free_port
from tests.support.running import configuration
from tests.support.webhooks import (
    SECOND_TOKEN,
    SIGN_WITH,
    TWIML,
    message,
    running_service,
    sign_form,
    webhook_scene,
)

SMS: dict[str, object] = {"path": "/sms/orders", "to": "{service}/twilio/sms"}
FALLBACK = "<Response><Say>Later</Say></Response>"


@pytest.mark.parametrize(
    ("fallback", "status", "body"), [(None, 502, ""), (FALLBACK, 200, FALLBACK)], ids=["without", "with"]
)
async def test_a_service_that_is_down(fallback: str | None, status: int, body: str) -> None:
    route = {"path": "/sms/orders", "to": f"http://127.0.0.1:{free_port()}/x", "timeout": 0.4}
    async with webhook_scene(route | ({"fallback": fallback} if fallback else {})) as scene:
        got = await scene.twilio.post("/sms/orders", message())
        assert (got.status, got.body.decode()) == (status, body)
        (event,) = await scene.logged(1)
        assert (event["outcome"], event["reason"]) == ("fallback" if fallback else "unanswered", "connect")
        assert event["attempts"] > 1
        assert event["seconds"] < 5


async def test_a_service_that_comes_back_in_time_is_reached() -> None:
    port = free_port()
    route = {"path": "/sms/orders", "to": f"http://127.0.0.1:{port}/x", "timeout": 10}
    async with webhook_scene(route) as scene:
        posting = asyncio.create_task(scene.twilio.post("/sms/orders", message()))
        handler = scene.gateway.gateway.webhooks
        assert handler is not None
        await until(lambda: bool(handler.handler.limits.in_flight))
        async with running_service(port=port) as service:
            got = await posting
            assert (got.status, len(service.seen)) == (200, 1)
            assert service.seen[0].valid


@pytest.mark.parametrize("how", ["hangs", "breaks", "too large", "slow body"])
async def test_a_service_that_does_not_answer_well(how: str) -> None:
    hanging = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if how == "hangs":
            await hanging.wait()
        if how == "too large":
            return web.Response(body=b"x" * (1 << 21))
        if how == "slow body":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await hanging.wait()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with webhook_scene(SMS | {"fallback": FALLBACK, "timeout": 0.5}) as scene:
        scene.service.answer = answer
        got = await scene.twilio.post("/sms/orders", message())
        hanging.set()
        assert (got.status, got.body.decode()) == (200, FALLBACK)
        (event,) = await scene.logged(1)
        reasons = {"hangs": "timeout", "slow body": "timeout", "breaks": "broken", "too large": "too_large"}
        assert (event["outcome"], event["reason"], event["attempts"]) == ("fallback", reasons[how], 1)
        assert len(scene.service.seen) == 1


async def test_an_error_of_the_service_is_its_answer() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503, text="busy", headers={"Retry-After": "7"})

    async with webhook_scene(SMS | {"fallback": FALLBACK}) as scene:
        scene.service.answer = answer
        got = await scene.twilio.post("/sms/orders", message())
        assert (got.status, got.body, got.headers["Retry-After"]) == (503, b"busy", "7")


async def test_repeats_get_the_first_answer() -> None:
    count = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(text=f"<Response><!-- {count} --></Response>", content_type="text/xml")

    async with webhook_scene() as scene:
        scene.service.answer = answer
        token = {"I-Twilio-Idempotency-Token": "token-1"}
        first = await scene.twilio.post("/sms/orders", message(), headers=token)
        again = await scene.twilio.post("/sms/orders", message(), headers=token)
        assert (first.status, first.body, first.headers) == (again.status, again.body, again.headers)
        assert len(scene.service.seen) == 1
        assert [event["outcome"] for event in await scene.logged(2)] == ["relayed", "repeated"]
        others = [
            await scene.twilio.post("/sms/orders", message(Body="other"), headers=token),
            await scene.twilio.post("/sms/orders", message(), headers={"I-Twilio-Idempotency-Token": "2"}),
            await scene.twilio.post("/sms/orders", message()),
            await scene.twilio.post("/sms/orders", message()),
            await scene.twilio.post("/voice/orders/x", message(), headers=token),
        ]
        assert len({got.body for got in [first, *others]}) == 6
        forged = {"X-Twilio-Signature": sign_form("https://hooks.example.com/sms/orders", message()), **token}
        tampered = await scene.twilio.send("/sms/orders", message(Body="tampered"), headers=forged)
        assert (tampered.status, tampered.body) == (403, b"")


async def test_a_repeat_waits_for_the_first() -> None:
    going = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await going.wait()
        return web.Response(text=TWIML, content_type="text/xml")

    async with webhook_scene() as scene:
        scene.service.answer = answer
        token = {"I-Twilio-Idempotency-Token": "token-1"}
        both = [
            asyncio.create_task(scene.twilio.post("/sms/orders", message(), headers=token)) for _ in range(2)
        ]
        port = scene.gateway.gateway.webhooks
        assert port is not None
        await until(lambda: port.handler.limits.in_flight.get("/sms/orders") == 2)
        going.set()
        assert [(await each).status for each in both] == [200, 200]
        assert len(scene.service.seen) == 1


async def test_of_a_failure_a_repeat_hopes_for_better() -> None:
    statuses = [500, 200]

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=statuses.pop(0))

    async with webhook_scene() as scene:
        scene.service.answer = answer
        token = {"I-Twilio-Idempotency-Token": "token-1"}
        found = [await scene.twilio.post("/sms/orders", message(), headers=token) for _ in range(3)]
        assert [got.status for got in found] == [500, 200, 200]
        assert len(scene.service.seen) == 2


async def test_limits_are_spent_by_verified_events_only() -> None:
    async with webhook_scene(SMS | {"rate": "1/h", "burst": 2}) as scene:
        for _ in range(5):
            assert (await scene.twilio.post("/sms/orders", message(), token="f" * 32)).status == 403
        found = [await scene.twilio.post("/sms/orders", message()) for _ in range(3)]
        assert [got.status for got in found] == [200, 200, 429]
        assert int(found[2].headers["Retry-After"]) > 1000
        assert len(scene.service.seen) == 2


async def test_so_many_at_once() -> None:
    going = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await going.wait()
        return web.Response(text=TWIML)

    async with webhook_scene(SMS | {"concurrency": 2}) as scene:
        scene.service.answer = answer
        waiting = [asyncio.create_task(scene.twilio.post("/sms/orders", message())) for _ in range(2)]
        await until(lambda: len(scene.service.seen) == 2)
        got = await scene.twilio.post("/sms/orders", message())
        assert (got.status, got.headers["Retry-After"]) == (503, "1")
        going.set()
        assert [(await each).status for each in waiting] == [200, 200]
        assert (await scene.twilio.post("/sms/orders", message())).status == 200


async def test_report_relays_what_it_would_refuse() -> None:
    async with webhook_scene(SMS | {"mode": "report"}) as scene:
        assert (await scene.twilio.post("/sms/orders", message(), token="f" * 32)).status == 200
        assert (await scene.twilio.send("/sms/orders", message())).status == 200
        body = b'{"a": 1}'
        kind = {"Content-Type": "application/json"}
        assert (await scene.twilio.send("/sms/orders?x=1", body=body, headers=kind)).status == 200
        assert all(seen.valid for seen in scene.service.seen)
        assert scene.service.seen[2].url.startswith("/twilio/sms?x=1&bodySHA256=")
        found = [event["would_refuse"] for event in await scene.logged(3)]
        assert found == ["signature", "signature_missing", "signature_missing"]


async def test_a_coded_answer_is_read_and_its_addresses_replaced() -> None:
    async def answer(request: web.Request) -> web.Response:
        text = f"<Response><Redirect>http://{request.host}/twilio/next</Redirect></Response>"
        return web.Response(
            body=gzip.compress(text.encode()), content_type="text/xml", headers={"Content-Encoding": "gzip"}
        )

    async with webhook_scene() as scene:
        scene.service.answer = answer
        got = await scene.twilio.post("/voice/orders/start", message())
        assert (
            got.body
            == b"<Response><Redirect>https://hooks.example.com/voice/orders/next</Redirect></Response>"
        )
        assert "Content-Encoding" not in got.headers


async def test_a_redirect_leads_back_to_the_public_address() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"http://{request.host}/twilio/next?a=1"})

    async with webhook_scene() as scene:
        scene.service.answer = answer
        got = await scene.twilio.post("/voice/orders/start", message())
        assert (got.status, got.headers["Location"]) == (
            302,
            "https://hooks.example.com/voice/orders/next?a=1",
        )


async def test_hosts_that_twilio_cannot_reach_are_logged() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            text="<Response><Play>http://media/a.mp3</Play></Response>", content_type="text/xml"
        )

    async with webhook_scene() as scene:
        scene.service.answer = answer
        await scene.twilio.post("/sms/orders", message())
        (event,) = await scene.logged(1)
        assert event["unreachable_hosts"] == ["media"]


async def test_each_account_has_its_own_secrets() -> None:
    sub = "AC" + "5f" * 16
    secrets = [
        {"account": "main", "auth_token": {"env": "TWILIO_AUTH_TOKEN"}},
        {"account": sub, "auth_token": {"env": "TWILIO_SECONDARY_AUTH_TOKEN"}},
    ]
    other: dict[str, object] = {"path": "/sub", "account": sub, "to": "{service}/sub", "sign_with": SIGN_WITH}
    routes: list[dict[str, object]] = [SMS, other]
    main = configuration("x")["credentials"]["main"] | {"subaccounts": [sub]}
    async with webhook_scene(*routes, secrets=secrets, credentials={"main": main}) as scene:
        form = message(AccountSid=sub)
        assert (await scene.twilio.post("/sub", form, token=SECOND_TOKEN)).status == 200
        assert (await scene.twilio.post("/sms/orders", message())).status == 200
        assert (await scene.twilio.post("/sms/orders", message(), token=SECOND_TOKEN)).status == 403
        assert (await scene.twilio.post("/sub", form)).status == 403
        assert (await scene.twilio.post("/sub", message(), token=SECOND_TOKEN)).status == 403
        await scene.logged(5)
        hint = scene.hints()[0]
        assert (hint["would_match"], hint["route"]) == ("secret", "/sms/orders")
