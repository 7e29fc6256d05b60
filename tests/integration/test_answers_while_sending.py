"""A caller that sends on though its answer has come (row A4), in tunnels and over TLS: nothing resets it."""

import asyncio
import http.client
import socket
import ssl
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
import uvloop

from tests.support.authority import make_authority, trusting_root
from tests.support.caller import MESSAGES, request
from tests.support.running import running_gateway
from tests.support.tunnel import ESTABLISHED, connect_head
from tests.support.upstream import raw_upstream

HOST = "api.twilio.com"
Way = Literal["tunnel", "tunnel of TLS 1.2", "by name"]
FORM = ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 10000000")


def inside(head: bytes, rest: int) -> bytes:
    """A head for the name, and so many bytes more."""
    return head.replace(b"Host: gateway.test", b"Host: " + HOST.encode()) + b"a" * rest


CASES = {
    "head-too-large": (inside(request(f"GET {MESSAGES}")[:-2] + b"X-0: ", 1_000_000), 431),
    "body-too-large": (inside(request(f"POST {MESSAGES}", *FORM), 10_000_000), 413),
    "unknown-key": (inside(request(f"POST {MESSAGES}", *FORM, auth="Basic eDp5"), 10_000_000), 401),
}


class Seen(NamedTuple):
    """What a caller saw: the status, the slug, and whether TLS ended in order behind the answer."""

    status: int
    slug: str | None
    ended: bool


def call(port: int, trusting: ssl.SSLContext, way: Way, data: bytes) -> Seen:
    """Send everything, and only then read, as many clients do. Raises `OSError` where sending fails."""
    with socket.create_connection(("127.0.0.1", port), 60) as outer:
        if way != "by name":
            outer.sendall(connect_head(HOST))
            assert outer.recv(len(ESTABLISHED), socket.MSG_WAITALL) == ESTABLISHED
        with trusting.wrap_socket(outer, server_hostname=HOST, suppress_ragged_eofs=False) as caller:
            caller.sendall(data)
            answer = http.client.HTTPResponse(caller)
            answer.begin()
            answer.read()
            ended = way == "by name" or caller.recv(1) == b""  # else only when it is silent for a while
            return Seen(answer.status, answer.getheader("Gateway-Error"), ended)


def run(folder: Path, way: Way, data: bytes, callers: int) -> list[Seen]:
    """By the event loop of production."""

    async def in_loop() -> list[Seen]:
        ca = make_authority(folder)
        trusting = trusting_root(folder)
        if way == "tunnel of TLS 1.2":
            trusting.maximum_version = ssl.TLSVersion.TLSv1_2
        async with (
            raw_upstream() as upstream,
            running_gateway(upstream.url, ca=ca, tls={"mint": True} if way == "by name" else None) as gateway,
        ):
            calls = (asyncio.to_thread(call, gateway.port, trusting, way, data) for _ in range(callers))
            seen = await asyncio.gather(*calls)
            assert upstream.received == []
            return seen

    return uvloop.run(in_loop())


@pytest.mark.parametrize("way", ["tunnel", "tunnel of TLS 1.2", "by name"])
@pytest.mark.parametrize(("data", "status"), CASES.values(), ids=CASES)
def test_a4_a_refusal_reaches_a_caller_that_is_still_sending(
    tmp_path: Path, way: Way, data: bytes, status: int
) -> None:
    """RFC 9112 9.6: our side is closed, and what still comes is read and dropped."""
    seen = run(tmp_path, way, data, 4)
    assert {(each.status, each.ended) for each in seen} == {(status, True)}


def test_a4_many_large_heads_at_once(tmp_path: Path) -> None:
    data, _ = CASES["head-too-large"]
    assert [each.status for each in run(tmp_path, "tunnel", data, 100)] == [431] * 100
