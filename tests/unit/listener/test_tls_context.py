"""The listener's context on both loops: what is in force for whom, and how many handshakes there may be."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import uvloop

from gateway.listener import tls_context as tls
from gateway.listener.tls_context import TOO_MANY, ListenerTls, listening_options
from tests.support.tls import Authority, server_certificate

Run = Callable[[Awaitable[None]], Any]
LOOPS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Port:
    """A listening one."""

    def __init__(self, authority: Authority) -> None:
        self.now = 0.0
        self.failed: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        context = authority.serving()
        self.tls = ListenerTls(
            context, 1.0, lambda reason, words: self.failed.append(reason), lambda: self.now
        )

    async def open(self) -> None:
        """On a free port."""
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(Echo, "127.0.0.1", 0, **listening_options(self.tls))
        self.number = self.server.sockets[0].getsockname()[1]

    async def connect(self, context: ssl.SSLContext | None) -> Any:
        """(reader, writer); without a context a handshake that never begins."""
        name = "localhost" if context else None
        found = await asyncio.open_connection("127.0.0.1", self.number, ssl=context, server_hostname=name)
        self.writers.append(found[1])
        return found

    async def close(self) -> None:
        """It, and every connection to it."""
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        for _ in range(10):  # the other ends notice in the next turns
            await asyncio.sleep(0)


async def echo(connection: Any) -> bytes:
    """A round trip; nothing if the other side has closed."""
    reader, writer = connection
    try:
        writer.write(b"x")
        async with asyncio.timeout(10):
            return bytes(await reader.read(1))
    except ConnectionError:
        return b""


async def on_a_port(scene: Callable[[Port], Awaitable[None]], authority: Authority) -> None:
    """Play a scene; whatever comes of it, nothing stays open."""
    port = Port(authority)
    await port.open()
    try:
        await scene(port)
    finally:
        await port.close()


@pytest.mark.parametrize("run", LOOPS)
def test_what_is_replaced_is_for_new_connections(run: Run) -> None:
    before, after, clients = Authority(), Authority(), Authority()

    async def scene(port: Port) -> None:
        held = await port.connect(before.trusting())
        context = after.serving()
        context.verify_mode = ssl.CERT_REQUIRED
        clients.ca.configure_trust(context)
        port.tls.replace(context, 2.0)
        newcomer = await port.connect(after.trusting(clients.issue("billing.internal")))
        assert await echo(held) == await echo(newcomer) == b"x"
        assert server_certificate(held[1]) != server_certificate(newcomer[1])
        bare = await port.connect(after.trusting())
        assert await echo(bare) == b""
        assert port.failed == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"]
        assert port.tls.expires == 2.0

    run(on_a_port(scene, before))


@pytest.mark.parametrize("run", LOOPS)
def test_so_many_handshakes_and_no_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that are through do not count; those that went away count until their time is up."""
    monkeypatch.setattr(tls, "HANDSHAKES_AT_ONCE", 3)
    authority = Authority()

    async def scene(port: Port) -> None:
        through = [await port.connect(authority.trusting()) for _ in range(5)]
        assert [await echo(connection) for connection in through] == [b"x"] * 5
        silent = [await port.connect(None) for _ in range(3)]
        with pytest.raises(ConnectionError):
            await port.connect(authority.trusting())
        assert port.tls.failures[TOO_MANY] == 1
        silent.pop()[1].transport.abort()
        with pytest.raises(ConnectionError):
            await port.connect(authority.trusting())
        port.now = 10.0
        last = await port.connect(authority.trusting())
        assert await echo(last) == b"x"
        assert port.failed == []

    run(on_a_port(scene, authority))


def test_a_plain_port_is_told_nothing_of_tls() -> None:
    assert listening_options(None) == {}
