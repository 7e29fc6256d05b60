"""TLS of the webhook port and towards services, and what a drain leaves to Twilio."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.attempts import until
from tests.support.running import running_gateway
from tests.support.tls import Authority
from tests.support.webhooks import (
    SIGN_WITH,
    WEBHOOK_ENVIRON,
    TwilioSide,
    message,
    running_service,
    settings,
    webhook_scene,
)


async def test_twilio_comes_by_tls(tmp_path: Path) -> None:
    authority = Authority()
    async with running_service() as service:
        section = settings(service.url, tls=authority.write_pair(tmp_path))
        async with running_gateway("http://127.0.0.1:9", WEBHOOK_ENVIRON, webhooks=section) as gateway:
            port = gateway.gateway.webhooks
            assert port is not None
            assert port.url.startswith("https://")
            connector = aiohttp.TCPConnector(ssl=authority.trusting())
            async with aiohttp.ClientSession(connector=connector) as session:
                url = port.url.replace("127.0.0.1", "localhost")
                assert (await TwilioSide(url, session).post("/sms/orders", message())).status == 200


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_service_by_tls(tmp_path: Path, trusted: bool) -> None:
    """Its certificate must be of the CA that is named; one that is not fails at once."""
    authority = Authority()
    ca_file = tmp_path / "ca.pem"
    (authority if trusted else Authority()).write_ca(ca_file)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="<Response/>", content_type="text/xml")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.serving()).start()
    to = f"https://localhost:{runner.addresses[0][1]}/x"
    route = {"path": "/sms/orders", "to": to}
    try:
        async with webhook_scene(route, ca_file=str(ca_file)) as scene:
            got = await scene.twilio.post("/sms/orders", message())
            (event,) = await scene.logged(1)
            if trusted:
                assert got.status == 200
            else:
                assert (got.status, event["reason"], event["attempts"]) == (502, "tls", 1)
    finally:
        await runner.cleanup()


async def test_a_drain_lets_events_under_way_end() -> None:
    going = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await going.wait()
        return web.Response(text="<Response/>")

    async with webhook_scene({"path": "/sms/orders", "to": "{service}/x", "sign_with": SIGN_WITH}) as scene:
        scene.service.answer = answer
        posting = asyncio.create_task(scene.twilio.post("/sms/orders", message()))
        await until(lambda: bool(scene.service.seen))
        draining = asyncio.create_task(scene.gateway.gateway.drain())
        port = scene.gateway.gateway.webhooks
        assert port is not None
        await until(lambda: port.handler.draining)
        going.set()
        got = await posting
        assert (got.status, got.headers["Connection"]) == (200, "close")
        await draining
        with pytest.raises(aiohttp.ClientConnectorError):
            await scene.twilio.post("/sms/orders", message())
