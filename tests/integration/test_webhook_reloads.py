"""Live settings of the webhook port, a rotation step by step, and a reload that has no port to apply to."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from gateway.app.configuration import make_configuration
from gateway.app.gateway import Gateway
from gateway.config.loading.resolve import load_resolved
from gateway.config.reloading.live_settings import LIVE
from tests.support.attempts import until
from tests.support.running import configuration
from tests.support.webhooks import (
    AUTH_TOKEN,
    SECOND_TOKEN,
    SECRETS,
    SHARED,
    SHARED_KEY,
    SHARED_SECRET,
    SIGN_WITH,
    WEBHOOK_ENVIRON,
    WebhookScene,
    message,
    settings,
    sign_form,
    webhook_scene,
)

SECOND: dict[str, Any] = {"account": "main", "auth_token": {"env": "TWILIO_SECONDARY_AUTH_TOKEN"}}


async def apply(scene: WebhookScene, folder: Path, *routes: dict[str, Any], **more: Any) -> None:
    """Apply a `webhooks:` section, as a reload does."""
    path = folder / "gateway.yaml"
    section = settings(scene.service.url, *routes, **more)
    path.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", webhooks=section)))
    await scene.gateway.gateway.apply(make_configuration(load_resolved(path, WEBHOOK_ENVIRON)))


def _port(gateway: Gateway) -> Any:
    return gateway.webhooks


WITNESSES: dict[str, tuple[Any, Any, Any]] = {
    "webhooks.public_url": (
        "https://o.example.com",
        lambda p: p.handler.rules.address.host,
        b"o.example.com",
    ),
    "webhooks.connections": (7, lambda p: p.listener.tracker.limits.connections, 7),
    "webhooks.connections_per_address": (8, lambda p: p.listener.tracker.limits.connections_per_address, 8),
    "webhooks.header_bytes": (2048, lambda p: p.listener._scope.heads.line_bytes, 2048),
    "webhooks.idle_seconds": (9, lambda p: p.listener.tracker.limits.idle_seconds, 9),
    "webhooks.head_seconds": (3, lambda p: p.listener.tracker.limits.head_seconds, 3),
    "webhooks.body_seconds": (2, lambda p: p.handler.body_seconds, 2),
}
ELSEWHERE = ("webhooks.routes.*", "webhooks.secrets.*", "webhooks.ca_file", "webhooks.tls.")


def test_each_live_setting_has_a_witness() -> None:
    left = {path for path in LIVE if path.startswith("webhooks.")} - WITNESSES.keys()
    assert {path for path in left if not path.startswith(ELSEWHERE)} == set()


@pytest.mark.parametrize("path", WITNESSES)
async def test_a_live_setting(path: str, tmp_path: Path) -> None:
    value, read, seen = WITNESSES[path]
    async with webhook_scene() as scene:
        await apply(scene, tmp_path, **{path.removeprefix("webhooks."): value})
        assert read(_port(scene.gateway.gateway)) == seen


async def test_routes_come_and_go(tmp_path: Path) -> None:
    async with webhook_scene() as scene:
        other = {
            "path": "/other",
            "to": f"{scene.service.url}/other",
            "account": "main",
            "sign_with": SIGN_WITH,
        }
        assert (await scene.twilio.post("/other", message())).status == 404
        await apply(scene, tmp_path, other)
        assert (await scene.twilio.post("/other", message())).status == 200
        assert (await scene.twilio.post("/sms/orders", message())).status == 404
        assert scene.service.seen[-1].valid


async def test_an_event_under_way_ends_as_it_began(tmp_path: Path) -> None:
    going = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await going.wait()
        return web.Response(text="<Response/>")

    async with webhook_scene() as scene:
        scene.service.answer = answer
        posting = asyncio.create_task(scene.twilio.post("/sms/orders", message()))
        await until(lambda: bool(scene.service.seen))
        gone = {"path": "/x", "to": "http://127.0.0.1:9/x", "account": "main", "sign_with": SIGN_WITH}
        await apply(scene, tmp_path, gone)
        going.set()
        assert (await posting).status == 200


async def _send(scene: WebhookScene, kind: str) -> int:
    url = "https://hooks.example.com/sms/orders"
    signatures = {
        "primary": {"X-Twilio-Signature": sign_form(url, message(), AUTH_TOKEN)},
        "second": {"X-Twilio-Signature": sign_form(url, message(), SECOND_TOKEN)},
        "shared": {
            "X-Twilio-Signature": sign_form(url, message(), SHARED_SECRET, "HMAC_SHA256"),
            "X-Twilio-Webhooks-Signature-Settings": f"key={SHARED_KEY},algorithm=HMAC_SHA256",
        },
    }
    got = await scene.twilio.send("/sms/orders", message(), headers=signatures[kind])
    return got.status


async def test_a_rotation_step_by_step(tmp_path: Path) -> None:
    """The secondary token is promoted; then a SharedKey takes half of the traffic, then all of it."""
    async with webhook_scene() as scene:
        assert [await _send(scene, kind) for kind in ("primary", "second")] == [200, 403]
        await apply(scene, tmp_path, secrets=[*SECRETS, SECOND])  # both are good before Twilio changes
        found = Counter([await _send(scene, kind) for kind in ("primary", "second") * 25])
        assert found == {200: 50}
        await apply(scene, tmp_path, secrets=[SECOND])  # the old one is refused at once
        assert [await _send(scene, kind) for kind in ("primary", "second")] == [403, 200]
        await apply(scene, tmp_path, secrets=[SECOND, SHARED])
        assert Counter([await _send(scene, kind) for kind in ("second", "shared") * 25]) == {200: 50}
        await apply(scene, tmp_path, secrets=[SHARED])
        assert [await _send(scene, kind) for kind in ("primary", "second", "shared")] == [403, 403, 200]
        used = {event["secret"] for event in scene.events() if event.get("secret")}
        assert used == {
            "env:TWILIO_AUTH_TOKEN",
            "env:TWILIO_SECONDARY_AUTH_TOKEN",
            "env:TWILIO_SHARED_SECRET",
        }


async def test_a_file_without_webhooks_leaves_the_port_as_it_was(tmp_path: Path) -> None:
    async with webhook_scene() as scene:
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9")))
        await scene.gateway.gateway.apply(make_configuration(load_resolved(path, WEBHOOK_ENVIRON)))
        assert (await scene.twilio.post("/sms/orders", message())).status == 200
