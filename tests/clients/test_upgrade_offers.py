"""Clients that offer HTTP/2 to a plain port (RFC 7540 3.2) are served as if they had not (RFC 9110 7.8)."""

from pathlib import Path

import pytest

from tests.clients.programs import Curl, require_tool, run_program
from tests.support.caller import AUTHORIZATION, MESSAGES
from tests.support.running import KEY, running_gateway
from tests.support.upstream import RawUpstream, raw_upstream, reply

_SOURCE = Path(__file__).parent / "java" / "Offer.java"
_FORM = "To=%2B15558675310&Body=a"
_OFFERED = ("upgrade", "http2-settings", "connection")


def _require_nothing_passed_on(upstream: RawUpstream) -> None:
    for received in upstream.received:
        assert [value for name in _OFFERED for value in received.values(name)] == []


@pytest.mark.parametrize("body", [(), ("-d", _FORM)], ids=["get", "post"])
async def test_a1_curl(body: tuple[str, ...], curl: Curl) -> None:
    async with raw_upstream() as upstream, running_gateway(upstream.url) as gateway:
        upstream.otherwise = reply(b'{"sid":"SM1"}')
        url = f"{gateway.url}{MESSAGES}"
        got = await curl("--http2", "-u", f"app:{KEY}", *body, url)
        assert (got.status, got.version, got.body) == (200, "HTTP/1.1", b'{"sid":"SM1"}')
    assert len(upstream.received) == 1
    _require_nothing_passed_on(upstream)


async def test_a1_java(tmp_path: Path) -> None:
    """`java.net.http.HttpClient` offers it with its first request; the others come on the same connection."""
    java = require_tool("java")
    async with raw_upstream() as upstream, running_gateway(upstream.url) as gateway:
        upstream.otherwise = reply(b"{}")
        said = await run_program([java, str(_SOURCE), f"{gateway.url}{MESSAGES}", AUTHORIZATION], tmp_path)
        assert gateway.gateway.listener.tracker.accepted == 1
    assert said.decode().splitlines() == ["200 HTTP_1_1 {}"] * 3
    assert [each.line.split()[0] for each in upstream.received] == ["GET", "POST", "POST"]
    _require_nothing_passed_on(upstream)
