"""Connections of the admin port: their number is bounded, and so is the time that a request head may take."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.admin.admin_connections import HEAD_SECONDS, IDLE_SECONDS, AdminConnections, AdminProtocol
from gateway.admin.request_guard import answer_failure
from tests.support.attempts import until
from tests.support.caller import MESSAGES, RawCaller, ask_admin, raw_caller, request
from tests.support.moved_clock import MovedClock
from tests.support.running import spawned_gateway
from tests.support.upstream import RawUpstream

IDLE = 1_200
DESCRIPTORS = 700
"""Fewer than the idle connections, more than both bounds need."""
PROBE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_c3_idle_connections_keep_nobody_out(tmp_path: Path, upstream: RawUpstream) -> None:
    """The admin port takes no descriptor that callers need, and answers probes all the same."""
    async with spawned_gateway(tmp_path, upstream.url) as gateway, AsyncExitStack() as idle:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        admin_port = port_of(gateway.admin_url)
        for _ in range(IDLE):
            await idle.enter_async_context(raw_caller(admin_port))
        assert (await ask_admin(admin_port, "/livez")).body == b"ok\n"
        for _ in range(200):
            caller = await idle.enter_async_context(raw_caller(port_of(gateway.url)))
            await caller.send(request(f"GET {MESSAGES}"))
            assert (await caller.answer()).status == 200
        assert (await ask_admin(admin_port, "/readyz")).status == 200


@asynccontextmanager
async def admin_port(connections: AdminConnections) -> AsyncIterator[int]:
    """A server whose handler brackets each request as the guard does; `/hold` never ends by itself."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        assert isinstance(protocol, AdminProtocol)
        protocol.begin(request.content)
        try:
            if request.path == "/read":
                await request.read()
            if request.path == "/hold":
                await asyncio.Event().wait()
            return web.Response(text="ok\n")
        finally:
            protocol.end()

    loop = asyncio.get_running_loop()
    manager = web.Server(handle)
    server = await loop.create_server(
        lambda: AdminProtocol(manager, connections, answer_failure, loop=loop), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await manager.shutdown(0.01)


@pytest.mark.parametrize("later", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("sent", [b"", b"GET /", PROBE[:-2]], ids=["nothing", "line", "head"])
async def test_c3_a_head_has_a_time(clock: MovedClock, sent: bytes, later: bool) -> None:
    """From the connection's begin, or a later head's first byte; idle connections are kept for longer."""
    connections = AdminConnections()
    async with admin_port(connections) as port, raw_caller(port) as caller:
        if later:
            await caller.send(PROBE)
            assert (await caller.answer()).status == 200
        await caller.send(sent)
        await until(lambda: len(connections) == 1)
        await until(lambda: any(each.awaits_head for each in connections) is (bool(sent) or not later))
        clock.advance(HEAD_SECONDS + 1 if sent or not later else IDLE_SECONDS + 1)
        assert await caller.reader.read() == b""
        assert len(connections) == 0


async def test_a_newcomer_replaces_the_longest_idle() -> None:
    """Not one whose request is being answered; where all are, the newcomer is closed itself."""
    connections = AdminConnections(limit=3)
    async with admin_port(connections) as port, AsyncExitStack() as stack:

        async def enter(sent: bytes = b"") -> RawCaller:
            caller = await stack.enter_async_context(raw_caller(port))
            await caller.send(sent or PROBE)
            if not sent:
                assert (await caller.answer()).status == 200
            return caller

        await enter(HOLD)
        first, second = await enter(), await enter()
        await first.send(PROBE)
        assert (await first.answer()).status == 200
        await enter(HOLD)
        assert await second.reader.read() == b""
        await first.send(HOLD)
        await until(lambda: not connections._idle)
        refused = await stack.enter_async_context(raw_caller(port))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused.reader.readexactly(1)
        assert (len(connections), connections.closed) == (3, 2)


UNSENT = {
    "sized": b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    "chunked": b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
}


@pytest.mark.parametrize("unsent", UNSENT.values(), ids=UNSENT)
async def test_c3_bodies_that_do_not_arrive_keep_nobody_out(
    unsent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A newcomer replaces the oldest of them, which is no error, and not a request that is whole."""
    connections = AdminConnections(limit=3)
    async with admin_port(connections) as port, AsyncExitStack() as stack:
        callers = []
        for number, sent in enumerate((HOLD, unsent, unsent)):
            callers.append(await stack.enter_async_context(raw_caller(port)))
            await callers[-1].send(sent)
            await until(lambda number=number: len(connections._busy) == number + 1)  # type: ignore[misc]
        for replaced in callers[1:]:
            probe = await stack.enter_async_context(raw_caller(port))
            await probe.send(PROBE)
            assert (await probe.answer()).status == 200
            assert await replaced.rest() == b""
            await probe.send(HOLD)
            await until(lambda: not connections._idle)
        assert (len(connections), connections.closed) == (3, 2)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
