"""Draining: what is connected is answered or closed with notice, and no handshake is lost."""

import asyncio
import select
import signal
import socket
import time
from pathlib import Path

from gateway.listener.drain import refuse_handshakes
from tests.integration.test_reload_signal import events, port_of
from tests.support.caller import FORM, MESSAGES, raw_caller, request
from tests.support.running import Spawned, spawned_gateway
from tests.support.upstream import RawUpstream, answer, gated


async def drain(gateway: Spawned) -> None:
    """SIGTERM, and wait until it is heard."""
    gateway.process.send_signal(signal.SIGTERM)
    await gateway.capture.until(lambda lines: bool(events(lines, "draining")))


async def test_an_idle_connection_is_answered_once_more(tmp_path: Path, upstream: RawUpstream) -> None:
    """Kept by an exchange before, or not used yet: its next request is answered, and told to close."""
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        port = port_of(gateway.url)
        async with raw_caller(port) as kept, raw_caller(port) as fresh:
            await kept.send(request(f"GET {MESSAGES}"))
            assert (await kept.answer()).value("Connection") == ""
            await drain(gateway)
            for caller in (kept, fresh):
                await caller.send(request(f"GET {MESSAGES}"))
                answered = await caller.answer()
                assert (answered.status, answered.value("Connection")) == (200, "close")
                assert await caller.rest() == b""
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 0


async def test_an_idle_connection_is_closed_after_a_second(tmp_path: Path, upstream: RawUpstream) -> None:
    """Not at once, and not only when all time is over."""
    async with spawned_gateway(tmp_path, upstream.url, drain_seconds=60) as gateway:
        port = port_of(gateway.url)
        async with raw_caller(port) as kept, raw_caller(port) as fresh:
            await kept.send(request(f"GET {MESSAGES}"))
            await kept.answer()
            began = time.monotonic()
            await drain(gateway)
            assert await kept.rest() == await fresh.rest() == b""
            assert 0.9 < time.monotonic() - began < 20
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 0


async def test_a_post_whose_caller_has_gone_is_awaited(tmp_path: Path, upstream: RawUpstream) -> None:
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}", status="201 Created")))
    async with spawned_gateway(tmp_path, upstream.url, drain_seconds=60) as gateway:
        async with raw_caller(port_of(gateway.url)) as caller:
            await caller.send(request(f"POST {MESSAGES}", FORM, body=b"To=1"))
            await upstream.arrived()
        await drain(gateway)
        gate.set()
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 0
    [exchange] = events(gateway.capture.lines, "exchange")
    assert (exchange["status"], "outcome" in exchange) == (201, False)


async def test_no_time_to_drain_cuts_at_once(tmp_path: Path, upstream: RawUpstream) -> None:
    """`drain_seconds: 0` is no for ever."""
    upstream.then(gated(b"", asyncio.Event()))
    async with (
        spawned_gateway(tmp_path, upstream.url, drain_seconds=0) as gateway,
        raw_caller(port_of(gateway.url)) as caller,
    ):
        await caller.send(request(f"GET {MESSAGES}"))
        await upstream.arrived()
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 0


def test_a_listener_that_leaves_loses_no_connection() -> None:
    """Of two on a port, one refuses handshakes and goes: every connection is made, by the other."""
    with socket.socket() as leaving, socket.socket() as staying:
        port = 0
        for listener in (leaving, staying):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(64)
            port = listener.getsockname()[1]
        before = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        assert refuse_handshakes(leaving)
        leaving.setblocking(False)
        waiting = 0
        try:
            while True:
                leaving.accept()[0].close()
                waiting += 1
        except BlockingIOError:
            assert waiting, "the kernel gave it some of twenty"
        callers = [socket.socket() for _ in range(20)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        leaving.close()
        for caller in callers:
            assert select.select([], [caller], [], 20)[1], "a handshake that never ended"
            assert caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        for each in (*before, *callers):
            each.close()
