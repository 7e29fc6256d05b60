"""What strangers may send to the webhook port: refused without harm, and served ones are not disturbed."""

import asyncio
import threading
from typing import Any

import pytest
from aiohttp import web

from gateway.webhooks import webhook_delivery, webhook_handler
from gateway.webhooks.answer_adaptation import AdaptedAnswer, adapt_answer
from gateway.webhooks.webhook_verification import Verification, verify_event
from tests.support.attempts import until
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.webhooks import WebhookScene, message, sign_form, webhook_scene

SMS = {"path": "/sms/orders", "to": "{service}/twilio/sms"}
HEAD = b"POST /sms/orders HTTP/1.1\r\nHost: hooks.example.com\r\nX-Twilio-Signature: AAAA\r\n"


async def raw(scene: WebhookScene, *pieces: bytes) -> bytes:
    """Everything that comes back until the connection ends, or an answer with its end is there."""
    host, _, port = scene.twilio.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(120):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


ODD = {
    "too large by its length": (HEAD + b"Content-Length: 2000000\r\n\r\n", b"413"),
    "both framings": (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    "chunks that are none": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", b"400"),
    "no request": (b"\x16\x03\x01 what\r\n\r\n", b"400"),
    "two signatures": (HEAD + b"X-Twilio-Signature: BBBB\r\nContent-Length: 0\r\n\r\n", b"403"),
    "an absolute target": (b"GET http://hooks.example.com/sms/orders HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
    "CONNECT": (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", b"404"),
    "a long field": (HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n", b"431"),
    "no signature, and a body to come": (
        b"POST /sms/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"403",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status"), ODD.values(), ids=ODD)
async def test_odd_requests_get_a_status_and_nothing_else(sent: bytes, status: bytes) -> None:
    async with webhook_scene(SMS) as scene:
        head = await raw(scene, sent)
        lines = head.rstrip(b"\r\n").split(b"\r\n")
        assert lines[0].split()[1] == status
        assert {line.partition(b":")[0] for line in lines[1:]} <= {b"Content-Length", b"Connection"}
        assert b"Content-Length: 0" in lines
        assert scene.service.seen == []
        assert (await scene.twilio.post("/sms/orders", message())).status == 200


async def test_a_body_that_grows_beyond_the_bound() -> None:
    async with webhook_scene(SMS | {"max_body": 1000}) as scene:
        chunk = b"400\r\n" + b"a" * 1024 + b"\r\n"
        assert b" 413 " in await raw(scene, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
        fits = message(Body="x" * 300)
        assert (await scene.twilio.post("/sms/orders", fits)).status == 200
        assert (await scene.twilio.post("/sms/orders", message(Body="x" * 1000))).status == 413


async def test_a_slow_body_is_not_waited_for(clock: MovedClock) -> None:
    async with webhook_scene(SMS) as scene:
        async with passing_time(clock):
            assert b" 408 " in await raw(scene, HEAD + b"Content-Length: 100\r\n\r\n", b"a")
        (event,) = await scene.logged(1)
        assert (event["outcome"], event["reason"]) == ("slow", "body_timeout")


async def test_a_slow_head_is_not_waited_for(clock: MovedClock) -> None:
    async with webhook_scene(SMS) as scene, passing_time(clock):
        assert b" 408 " in await raw(scene, b"POST /sms/orders HT")


async def test_large_bodies_share_a_bound() -> None:
    async with webhook_scene(SMS) as scene:
        port = scene.gateway.gateway.webhooks
        assert port is not None
        budget = port.handler._budget
        budget._max_bytes = 1_500_000
        host, _, number = scene.twilio.url.removeprefix("http://").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(number))
        writer.write(HEAD + b"Content-Length: 1000000\r\n\r\nx")
        await writer.drain()
        await until(lambda: budget.held > 0)
        assert b" 503 " in await raw(scene, HEAD + b"Content-Length: 600000\r\n\r\n")
        assert (await scene.twilio.post("/sms/orders", message())).status == 200
        writer.close()
        await until(lambda: budget.held == 0)


async def test_the_loop_does_not_decode_large_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mebibyte of escapes takes tenths of a second: other callers are answered meanwhile."""
    threads: list[bool] = []

    def verify(*arguments: Any) -> Verification:
        threads.append(threading.current_thread() is threading.main_thread())
        return verify_event(*arguments)

    def adapt(*arguments: Any) -> AdaptedAnswer:
        threads.append(threading.current_thread() is threading.main_thread())
        return adapt_answer(*arguments)

    monkeypatch.setattr(webhook_handler, "verify_event", verify)
    monkeypatch.setattr(webhook_delivery, "adapt_answer", adapt)
    async with webhook_scene(SMS) as scene:
        scene.service.answer = large_answer
        large = message(Body="+" * 300_000)
        assert (await scene.twilio.post("/sms/orders", large, token="f" * 32)).status == 403
        got = await scene.twilio.post("/sms/orders", large)
        assert (got.status, b">https://hooks.example.com/sms/orders<" in got.body) == (200, True)
        assert threads == [False, False, False]
        scene.service.answer = None
        assert (await scene.twilio.post("/sms/orders", message())).status == 200
        assert threads[3:] == [True, True]


async def large_answer(request: web.Request) -> web.Response:
    text = f"<Response>{' ' * 100_000}<Redirect>/twilio/sms</Redirect></Response>"
    return web.Response(text=text, content_type="text/xml")


async def test_connections_are_bounded() -> None:
    async with webhook_scene(SMS, connections_per_address=2) as scene:
        host, _, number = scene.twilio.url.removeprefix("http://").rpartition(":")
        held = [await asyncio.open_connection(host, int(number)) for _ in range(2)]
        head = await raw(scene, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 503 " in head
        for _, writer in held:
            writer.close()


async def test_a_flood_of_forged_events_has_one_hint_a_second_and_moves_nothing() -> None:
    async with webhook_scene(SMS) as scene:
        for _ in range(50):
            assert (await scene.twilio.post("/sms/orders", message(), token="f" * 32)).status == 403
        events = await scene.logged(50)
        assert 1 <= len(scene.hints()) <= 2 + sum(event["seconds"] for event in events)
        port = scene.gateway.gateway.webhooks
        assert port is not None
        assert len(port.handler.delivery.repeats) == 0


async def test_no_query_body_or_number_is_logged() -> None:
    async with webhook_scene(SMS) as scene:
        target = "/sms/orders?customer=s3cret-query"
        signature = sign_form("http://hooks.example.com:8080" + target, message())
        headers = {"X-Twilio-Signature": signature}
        assert (await scene.twilio.send(target, message(), headers=headers)).status == 403
        assert (await scene.twilio.post(target, message())).status == 200
        await scene.logged(2)
        text = str(scene.gateway.log())
        for secret in ("s3cret-query", message()["From"], message()["To"], "Grüße", signature):
            assert secret not in text
        (hint,) = scene.hints()
        assert (hint["would_match"], hint["hint"]) == ("url", "http for https and port 8080")
