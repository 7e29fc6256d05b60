"""docs/webhooks-without-an-sdk.md: its services run as they are printed, behind the real relay."""

import asyncio
import hashlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from multidict import MultiDict
from yarl import URL

from tests.clients.programs import require_tool
from tests.support.fenced_blocks import Block, read_blocks
from tests.support.free_ports import free_port
from tests.support.running import ACCOUNT_SID
from tests.support.webhooks import (
    PUBLIC_URL,
    SERVICE_SECRET,
    WEBHOOK_ENVIRON,
    WebhookScene,
    message,
    sign_form,
    webhook_scene,
)

PAGE: Final = Path(__file__).parents[2] / "docs" / "webhooks-without-an-sdk.md"
TOOLS: Final = {"go": "go", "php": "php", "java": "java", "ruby": "ruby", "csharp": "mcs"}
OTHER_SECRET: Final = "the-secret-of-another-service"
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_SECONDS: Final = 120


def _program(language: str) -> tuple[Block, str]:
    """The file of a language, and the command that the page gives for it."""
    blocks = read_blocks(PAGE.read_text("utf-8"))
    at = next(index for index, block in enumerate(blocks) if block.language == language)
    assert (blocks[at].kind, blocks[at + 1].kind) == ("file", "run")
    return blocks[at], blocks[at + 1].text


@asynccontextmanager
async def serving_program(language: str, folder: Path) -> AsyncIterator[str]:
    """The service of the page on a free port: its URL, once it answers."""
    require_tool(TOOLS[language])
    port = free_port()
    file, command = _program(language)
    own = f"127.0.0.1:{port}"
    text = file.text.replace("orders.internal:8000", own)
    (folder / file.name).write_text(re.sub(r"\b8000\b", str(port), text))
    command = command.replace("0.0.0.0:8000", own)
    environ = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", command, cwd=folder, env={**environ, "ORDERS_WEBHOOK_SECRET": SERVICE_SECRET},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SECONDS):
            while not _accepts(port):
                assert process.returncode is None, "the service ended"
                await asyncio.sleep(0.05)
        yield f"http://{own}"
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def _send(url: str, body: bytes, fields: Mapping[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(URL(url, encoded=True), data=body, headers=fields) as answer,
    ):
        return answer.status


@pytest.mark.slow
@pytest.mark.parametrize("language", TOOLS)
async def test_a_service_of_the_page(language: str, tmp_path: Path) -> None:
    async with serving_program(language, tmp_path) as service:
        routes: list[dict[str, Any]] = [
            {"path": "/sms/**", "to": f"{service}/twilio/**"},
            {"path": "/other/**", "to": f"{service}/twilio/**", "sign_with": {"env": "OTHER_SECRET"}},
        ]
        async with webhook_scene(*routes, environ={**WEBHOOK_ENVIRON, "OTHER_SECRET": OTHER_SECRET}) as scene:
            await _check_what_passes(scene)
            assert (await scene.twilio.post("/other/a", message())).status == 403
        await _check_what_is_refused(f"{service}/twilio/a")


async def _check_what_passes(scene: WebhookScene) -> None:
    forms = [
        ("/sms/a", MultiDict(message())),
        ("/sms/b//c?q=a+b%20c&d=%c3%bc&e=", MultiDict({"AB": "", "A": "x+y & z=1", "a": "%41"})),
        ("/sms/c", MultiDict([("Media", "https://b"), ("Media", "https://a"), ("Media", "https://b")])),
        ("/sms/c", MultiDict([("A_.b", "😀"), ("A[]", "1"), ("Ab", "2"), ("A", "")])),
        ("/sms/d", MultiDict([("1", "b"), ("01", "a"), ("1", "10"), ("1", "9"), ("1", "1e1")])),
    ]
    for target, form in forms:
        headers = {"X-Twilio-Signature": sign_form(PUBLIC_URL + target, form)}
        got = await scene.twilio.send(target, list(form.items()), headers=headers)
        assert (got.status, got.body) == (200, b"<Response/>"), target
    body = f'{{"AccountSid": "{ACCOUNT_SID}", "text": "Grüße 😀"}}'.encode()
    for target, method, sent, kind in (
        ("/sms/a?From=%2B1415&x=", "GET", None, ""),
        ("/sms/a", "POST", b"", _FORM_TYPE),
        (f"/sms/a?bodySHA256={hashlib.sha256(body).hexdigest()}&x=1", "POST", body, "application/json"),
    ):
        headers = {"X-Twilio-Signature": sign_form(PUBLIC_URL + target, {})}
        got = await scene.twilio.send(
            target, method=method, body=sent, headers=headers | ({"Content-Type": kind} if kind else {})
        )
        assert (got.status, got.body) == (200, b"<Response/>"), target


async def _check_what_is_refused(url: str) -> None:
    """Sent past the gateway, which is all that can change what it signed."""
    kind = {"Content-Type": f"{_FORM_TYPE}; charset=UTF-8"}
    signed = kind | {"X-Twilio-Signature": sign_form(url, {"A": "1", "B": "2"}, SERVICE_SECRET)}
    assert await _send(url, b"B=2&A=1", signed) == 200
    for body in (b"B=2&A=2", b"B=2&A=1&C=", b"A=1", b"", b"B=2&A=1&A=3", b"b=2&A=1"):
        assert await _send(url, body, signed) == 403, body
    assert await _send(f"{url}?x=1", b"B=2&A=1", signed) == 403
    assert await _send(url, b"B=2&A=1", kind) == 403
    foreign = kind | {"X-Twilio-Signature": sign_form(url, {"A": "1", "B": "2"}, OTHER_SECRET)}
    assert await _send(url, b"B=2&A=1", foreign) == 403
    digest = hashlib.sha256(b"{}").hexdigest()
    for query, body, status in (
        (f"bodySHA256={digest}", b"{}", 200),
        (f"bodySHA256={digest}", b"{ }", 403),
        (f"bodySHA256={digest.upper()}", b"{}", 403),
        (f"bodySHA256={digest}&bodySHA256={digest}", b"{}", 403),
        ("x=1", b"{}", 403),
    ):
        target = f"{url}?{query}"
        fields = {"Content-Type": "application/json"}
        fields["X-Twilio-Signature"] = sign_form(target, {}, SERVICE_SECRET)
        assert await _send(target, body, fields) == status, (query, body)


def test_every_block_of_the_page_is_run() -> None:
    kinds = [block.kind for block in read_blocks(PAGE.read_text("utf-8")) if block.language != "yaml"]
    assert kinds == ["file", "run"] * len(TOOLS)
