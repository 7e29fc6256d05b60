"""TLS of a listener on both loops: what is in force for whom, and how many handshakes there may be."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from gateway.config.loading.certificate_files import make_server_context
from gateway.errors import GatewayError
from gateway.http.buffered_bytes import BufferedBytes
from gateway.listener import tls_context
from gateway.listener.connections import ConnectionLimits
from gateway.listener.listener import Listener
from gateway.listener.request import Request
from gateway.listener.request_parser import HeadLimits
from gateway.listener.tls_context import TOO_MANY, ListenerTls
from tests.support.tls import Authority, self_signed, server_certificate

Run = Callable[[Awaitable[None]], Any]
LOOPS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def answer(request: Request) -> None:
    """Two letters."""
    request.answer(200, "OK", b"Content-Length: 2\r\n", b"ok", closes=False)


def refuse(error: GatewayError, address: str) -> bytes:
    """Never needed here."""
    raise AssertionError(error)


class Port:
    """A listening one."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.failed: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.tls = ListenerTls(context, 1.0, lambda reason, words: self.failed.append(reason))
        self.listener = Listener(
            "test",
            answer,
            refuse,
            ConnectionLimits(),
            HeadLimits(8192, 64),
            self.tls,
            buffers=BufferedBytes(1 << 20),
        )

    async def connect(self, context: ssl.SSLContext | None, source: str = "127.0.0.1") -> Any:
        """(reader, writer); without a context a handshake that never begins."""
        name = "localhost" if context else None
        found = await asyncio.open_connection(
            "127.0.0.1", self.listener.port, ssl=context, server_hostname=name, local_addr=(source, 0)
        )
        self.writers.append(found[1])
        return found

    async def until(self, under_way: int) -> None:
        """Wait until so many handshakes are under way."""
        async with asyncio.timeout(60):
            while self.tls._under_way.total() != under_way:  # noqa: ASYNC110 - nobody is told of it
                await asyncio.sleep(0.005)


async def ask(connection: Any) -> bytes:
    """The head of an answer; nothing if the other side has closed."""
    reader, writer = connection
    try:
        writer.write(GET)
        async with asyncio.timeout(60):
            head: bytes = await reader.readuntil(b"\r\n\r\nok")
            return head
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):  # the last: an alert says why
        return b""


def on_a_port(run: Run, scene: Callable[[Port], Awaitable[None]], context: ssl.SSLContext) -> None:
    """Play a scene; whatever happens in it, nothing stays open."""

    async def play() -> None:
        port = Port(context)
        await port.listener.open("127.0.0.1", 0)
        try:
            await scene(port)
        finally:
            for writer in port.writers:
                writer.transport.abort()
            await port.listener.drain(1)

    run(play())


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
        assert await ask(held)
        assert await ask(newcomer)
        assert server_certificate(held[1]) != server_certificate(newcomer[1])
        assert await ask(await port.connect(after.trusting())) == b""
        assert port.failed == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"]
        assert port.tls.expires == 2.0

    on_a_port(run, scene, before.serving())


@pytest.mark.parametrize("run", LOOPS)
def test_so_many_handshakes_and_no_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that are through do not count; those that went away are forgotten at once (row B12)."""
    monkeypatch.setattr(tls_context, "HANDSHAKES_AT_ONCE", 3)
    authority = Authority()

    async def scene(port: Port) -> None:
        through = [await port.connect(authority.trusting()) for _ in range(5)]
        assert all([await ask(connection) for connection in through])
        silent = [await port.connect(None) for _ in range(3)]
        await port.until(3)
        with pytest.raises(ConnectionError):
            await port.connect(authority.trusting())
        assert port.tls.failures[TOO_MANY] == 1
        silent[0][1].transport.abort()
        silent[1][1].close()
        await port.until(1)
        assert await ask(await port.connect(authority.trusting()))
        assert port.failed == []

    on_a_port(run, scene, authority.serving())


@pytest.mark.parametrize("run", LOOPS)
def test_b12_many_that_leave_before_their_handshake_lock_nobody_out(run: Run) -> None:
    authority = Authority()

    async def scene(port: Port) -> None:
        for _ in range(12):
            for _, writer in [await port.connect(None) for _ in range(100)]:
                writer.transport.abort()
        assert await ask(await port.connect(authority.trusting()))
        assert port.failed == []
        await port.until(0)

    on_a_port(run, scene, authority.serving())


@pytest.mark.parametrize("run", LOOPS)
def test_b12_an_address_has_a_share_of_the_handshakes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_context, "HANDSHAKES_PER_ADDRESS", 2)
    authority = Authority()

    async def scene(port: Port) -> None:
        for _ in range(2):
            await port.connect(None, "127.0.0.2")
        await port.until(2)
        with pytest.raises(ConnectionError):
            await port.connect(authority.trusting(), "127.0.0.2")
        assert await ask(await port.connect(authority.trusting()))

    on_a_port(run, scene, authority.serving())


CHANGES = ["another CA", "switched off", "same CA"]
PINNED = ["another certificate", "same certificate", "switched off"]


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("change", CHANGES, ids=[f"B14-{each}" for each in CHANGES])
def test_connections_of_other_client_terms_close_behind_their_next_answer(run: Run, change: str) -> None:
    server, clients, others = Authority(), Authority(), Authority()

    def serving(ca: Authority | None) -> ssl.SSLContext:
        context = server.serving()
        if ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            ca.ca.configure_trust(context)
        return context

    after = {"another CA": others, "switched off": None, "same CA": clients}[change]

    async def scene(port: Port) -> None:
        held = await port.connect(server.trusting(clients.issue("billing.internal")))
        assert b"Connection" not in await ask(held)
        port.tls.replace(serving(after), 2.0)
        closes = b"Connection: close" in await ask(held)
        assert closes == (change != "same CA")
        newcomer = await port.connect(server.trusting((after or clients).issue("billing.internal")))
        assert b"Connection" not in await ask(newcomer)

    on_a_port(run, scene, serving(clients))


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("change", PINNED, ids=[f"B14-{each}" for each in PINNED])
def test_a_clients_own_certificate_that_was_trusted_is_a_term_of_clients(run: Run, change: str) -> None:
    """Self-signed, and no CA: OpenSSL does not list it among those."""
    server, (mine, mine_pem), (_, other_pem) = Authority(), self_signed("mine"), self_signed("other")

    def serving(trusted: str) -> ssl.SSLContext:
        context = make_server_context()
        server.issue().configure_cert(context)
        if trusted:
            context.verify_mode = ssl.CERT_REQUIRED
            context.trust(trusted)
        return context

    after = {"another certificate": other_pem, "same certificate": mine_pem, "switched off": ""}[change]

    async def scene(port: Port) -> None:
        held = await port.connect(server.trusting(mine))
        assert b"Connection" not in await ask(held)
        port.tls.replace(serving(after), 2.0)
        assert (b"Connection: close" in await ask(held)) == (change != "same certificate")

    on_a_port(run, scene, serving(mine_pem))
