"""Any bytes at the data port give an answer or a clean close, and the next caller notices nothing."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.caller import FORM, MESSAGES, request
from tests.support.running import Running, running_gateway
from tests.support.upstream import raw_upstream

GET = request(f"GET {MESSAGES}")
POST = request(f"POST {MESSAGES}", FORM, body=b"To=%2B1&Body=x")
CHUNKED = request(
    f"POST {MESSAGES}", FORM, "Transfer-Encoding: chunked", body=b"4\r\nTo=1\r\n0\r\nX: 1\r\n\r\n"
)
PARTS = [
    b"\r\n", b"\n", b"\r", b":", b" ", b"\x00", b"\xff", b"/", b"//", b"..", b"%2e", b"?_method=DELETE",
    b"HTTP/1.1", b"HTTP/1.0", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Connection: close\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"a" * 9000, GET, POST, CHUNKED,
]  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A gateway on a loop in a thread of its own: hypothesis calls plain functions."""
    loop = asyncio.new_event_loop()
    ready: list[Running] = []
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        callers = {"idle_seconds": 30, "body_seconds": 30, "header_bytes": 4096}
        async with raw_upstream() as upstream, running_gateway(upstream.url, callers=callers) as gateway:
            ready.append(gateway)
            started.set()
            await ended.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(180)
    yield ready[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join(20)


def talk(port: int, data: bytes) -> bytes:
    """Send everything, end the sending side, and read to the end; a reset is an end, a silence is not."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        kept = b""
        with suppress(ConnectionError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while block := sock.recv(65_536):
                kept += block
        return kept


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A well-formed request with pieces cut out, put in, or swapped."""
    data = draw(st.sampled_from([GET, POST, CHUNKED, GET + POST, CHUNKED + GET]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from([0, 0, 1, 2, 20])))
        data = data[:at] + draw(st.one_of(st.sampled_from(PARTS), st.binary(max_size=4))) + data[end:]
    return data


any_bytes = st.one_of(
    st.binary(max_size=300), st.lists(st.sampled_from(PARTS), max_size=8).map(b"".join), mutated()
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=any_bytes)
def test_any_bytes_are_answered_or_closed_on(running: Running, data: bytes) -> None:
    """What comes back begins like HTTP, never quotes aiohttp, and the canary comes back as itself."""
    before = len([line for line in running.log() if line.get("gateway_error") == "internal_error"])
    answered = talk(running.port, data)
    assert answered == b"" or answered.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
    assert b"Python" not in answered
    assert b"500 Internal" not in answered
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as sock:
        sock.sendall(GET)
        canary = sock.recv(65_536)
    assert canary.startswith(b"HTTP/1.1 200 OK\r\n")
    assert canary.endswith(b"\r\n\r\n{}")
    faults = [line for line in running.log() if line.get("gateway_error") == "internal_error"]
    assert len(faults) == before
    assert [line for line in running.log() if line.get("library") or line["event"] == "internal error"] == []
