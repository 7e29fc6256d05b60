"""No secret, phone number or message goes anywhere but upstream: all error paths taken, all searched."""

import asyncio
import gc
import logging
import re
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import KINDS
from gateway.upstream.forwarder import Forwarder
from tests.support.caller import ask, raw_caller, request
from tests.support.canaries import (
    APP,
    BODY,
    ENVIRON,
    EXCHANGES,
    KEY,
    MESSAGE,
    NARROW,
    PATH,
    PHONE,
    PRIVATE,
    SECRET,
    SETTINGS,
    holds_canary,
    post,
)
from tests.support.collector import collector
from tests.support.jwt import AUDIENCE, ISSUER, jwks
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.running import Running, configuration, running_gateway
from tests.support.upstream import RawUpstream, hang, raw_upstream, reply

LATE = ("body_timeout", "upstream_timeout")
"""Their time passes."""


async def provoke_all(gateway: Running, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """All that callers were answered."""
    clock = MovedClock(asyncio.get_running_loop())
    answers = b""
    for slug, given, step in EXCHANGES:
        upstream.script.clear()
        if step is not None:
            upstream.then(step)
        async with passing_time(clock) if slug in LATE else nullcontext():
            answer = await ask(gateway.port, given)
        assert answer.slug == slug, (slug, answer)
        answers += answer.head + answer.body
    for body in (b'{"code": 20003}', b"", BODY):
        upstream.then(
            reply(body, status="401 No"), reply(body, status="401 No"), reply(body, status="401 No")
        )
        answer = await ask(gateway.port, request(f"GET {PATH}?To={PHONE}", auth=APP))
        answers += answer.head + (b"" if body == BODY else answer.body)
    emit = request("DELETE /messaging/v1/Services/MG0", auth=NARROW)
    refused = await ask(gateway.port, emit)
    assert refused.slug == "emit_unsupported"
    answers += refused.head + refused.body
    async with raw_caller(gateway.port) as caller:  # a caller that hangs up
        upstream.script.clear()
        upstream.then(hang())
        await caller.send(post())
        caller.hang_up()
    with monkeypatch.context() as patch:
        patch.setattr(Forwarder, "send", fail)
        answer = await ask(gateway.port, post())
        assert answer.slug == "internal_error"
    return answers + answer.head + answer.body


API = (
    "state", "history", "consumers", "routes", "credentials", "codes", "limits", "exchanges?limit=2000",
    f"exchanges?consumer={MESSAGE.split()[0]}", f"exchanges?route={PHONE}", f"exchanges?code={PHONE}",
    f"exchanges?{KEY}=1", f"exchanges/{KEY}", f"limits?consumer={KEY}", f"events?status={PHONE}",
)  # fmt: skip


async def read_admin(gateway: Running) -> bytes:
    """All that the admin port has, a stream from the beginning, and `gateway tail`."""
    port = int(gateway.admin_url.rpartition(":")[2])
    answers = b""
    for path in ("/metrics", "/readyz", "/", "/login", f"/{KEY}", *(f"/api/{name}" for name in API)):
        found = await ask(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert found.status in (200, 303, 400, 404), path
        answers += found.head + found.body
    async with raw_caller(port) as reader:
        await reader.send(b"GET /api/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers += await reader.until(b"event: exchanges")
        answers += await reader.until(b"event: tick")
    tail = [sys.executable, "-m", "gateway", "tail", "--limit", "2000", "--admin", gateway.admin_url]
    for more in ([], ["--json"]):
        process = await asyncio.create_subprocess_exec(*tail, *more, stdout=asyncio.subprocess.PIPE)
        printed, _ = await asyncio.wait_for(process.communicate(), 180)
        assert len(printed.splitlines()) > len(EXCHANGES)
        answers += printed
    return answers


async def fail(self: Forwarder, *arguments: object) -> None:
    """A fault that quotes everything that it was given."""
    raise RuntimeError(f"{KEY} {SECRET} {PHONE} {MESSAGE} {arguments!r}")


def showing_canaries(gateway: Running) -> list[str]:
    """Objects of ours that the garbage collector knows and whose repr shows what it must not."""
    found: list[str] = []
    ours: dict[int, bool] = {}
    searched: set[str] = set()
    for each in [gateway.gateway, *gc.get_objects()]:
        kind = type(each)
        if (is_ours := ours.get(id(kind))) is None:
            is_ours = str(getattr(kind, "__module__", "")).startswith("gateway.")
            ours[id(kind)] = is_ours
        if is_ours and not isinstance(each, type) and (shown := object_repr(each)) not in searched:
            searched.add(shown)
            module = kind.__module__
            if needles := holds_canary(shown.encode("utf-8", "replace")):
                found.append(f"{module}.{type(each).__name__}: {needles[0]!r}")
    return sorted(set(found))


def object_repr(each: object) -> str:
    """Its repr, or what came of asking."""
    try:
        return f"{each!r} {each!s}\n"
    except Exception:  # noqa: BLE001 - half-built or closed objects of aiohttp's
        return traceback.format_exc()


def test_most_slugs_are_in_the_table() -> None:
    """Those of listener, policies and upstream; admission and store have their own tests."""
    apart = {
        "expired_certificate",
        "incomplete_body",
        "internal_error",
        "emit_unsupported",
        "upstream_unreachable",
        "draining",
        "head_timeout",
        "slow_reader",
        "too_many_connections",
        "upgrade_unsupported",  # no longer answered
        "too_many_failures",
        "too_many_streams",
        "buffers_full",
        "stopped",
        "answer_too_large",
        "upstream_absent",
        "tunnel_in_tunnel",  # test_tunnels.py
        "tunnel_refused",
        "two_identities",
        "misdirected_request",
        "loop_detected",
    }
    taken = {slug for slug, _, _ in EXCHANGES} - {""}
    assert taken | apart <= set(KINDS)
    later = (
        "idempotency",
        "queue",
        "rate",
        "store",
        "issuer",
        "repeat",
        "retry",
        "breaker",
        "budget",
        "circuit",
    )
    assert [slug for slug in set(KINDS) - taken - apart if not slug.startswith(later)] == []


async def search_gateway(gateway: Running, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provoke everything, and look at what can only be looked at while the gateway runs."""
    answers = await provoke_all(gateway, upstream, monkeypatch)
    await gateway.capture.until(lambda lines: sum(is_exchange(line) for line in lines) >= len(EXCHANGES) + 5)
    answers += await read_admin(gateway)
    assert holds_canary(answers) == []
    assert showing_canaries(gateway) == []
    upstream.then(hang())
    async with raw_caller(gateway.port) as caller:  # and of an exchange in flight
        await caller.send(post())
        await upstream.arrived(len(upstream.received) + 1)
        assert showing_canaries(gateway) == []
    keys = [key for received in upstream.received for key in received.values("authorization")]
    assert any(holds_canary(key.encode()) for key in keys)  # the search finds what is there


def is_exchange(line: dict[str, Any]) -> bool:
    """Also as a terminal has it: a status and a duration."""
    if line["event"] == "exchange":
        return True
    plain = re.sub(r"\x1b\[[0-9]+m", "", line["event"])
    return re.search(r" ([0-9]{3}|---) +[0-9.]+ m?s( |$)", plain) is not None


@pytest.mark.parametrize("style", ["json", "console"])
async def test_no_canary_gets_out(
    style: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Answers, log in both shapes, metrics, page, API, tail, traces, exceptions, objects, process title."""
    caplog.set_level(logging.DEBUG)
    published = tmp_path / "jwks.json"
    published.write_bytes(jwks(PRIVATE))
    issuers = [{"name": "cluster", "issuer": ISSUER, "audience": AUDIENCE, "jwks_file": str(published)}]
    observed = {"log": {"format": style}, "tracing": {"enabled": True, "send_upstream": True}}
    async with collector() as collecting, raw_upstream() as upstream:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collecting.endpoint)
        async with running_gateway(upstream.url, ENVIRON, **SETTINGS, **observed, jwt=issuers) as gateway:
            await search_gateway(gateway, upstream, monkeypatch)
    assert len(collecting.spans) > len(EXCHANGES)
    assert holds_canary(b"".join(collecting.bodies)) == []
    assert holds_canary(repr(gateway.log()).encode()) == []
    assert holds_canary(caplog.text.encode()) == []
    captured = capfd.readouterr()
    assert holds_canary((captured.out + captured.err).encode()) == []
    assert holds_canary(Path("/proc/self/cmdline").read_bytes()) == []  # noqa: ASYNC240
    assert SECRET not in repr(sys.argv)


def test_the_configuration_holds_no_secret() -> None:
    """Only references and digests."""
    assert holds_canary(repr(configuration("http://127.0.0.1:1", **SETTINGS)).encode()) == []
