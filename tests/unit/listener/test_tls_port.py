"""A port that speaks TLS, on both loops: handshakes, and back-pressure through them."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvloop

from gateway.listener.request import Request
from gateway.listener.tls_context import ListenerTls
from tests.support.caller_port import GET, Port, answer, read_answer, reply
from tests.support.tls import Authority
from tests.unit.listener.test_lingering import until

Run = Callable[[Awaitable[None]], Any]
LOOPS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]
LARGE = b"0123456789abcdef" * (1 << 18)  # 4 MiB, more than sockets and records take


def secured(context: ssl.SSLContext) -> ListenerTls:
    return ListenerTls(context, 1.0, lambda reason, words: None)


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_request_in_the_segment_that_ends_the_handshake(run: Run, version: ssl.TLSVersion) -> None:
    """Nothing more comes that would have it read. In TLS 1.2 the end is the server's."""
    authority = Authority()
    context = authority.trusting()
    context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    async def scene() -> None:
        async with Port(answer, tls=secured(authority.serving())) as port:
            reader, writer = await port.connect()
            received, done = b"", False
            while not received.endswith(b"/inside"):
                with suppress(ssl.SSLWantReadError):
                    if not done:
                        client.do_handshake()
                        done = True
                        client.write(GET % b"inside")
                    received += client.read(4096)
                writer.write(outgoing.read())
                if not received.endswith(b"/inside"):
                    async with asyncio.timeout(60):
                        incoming.write(await reader.read(65_536))
            assert received.startswith(b"HTTP/1.1 200")

    run(scene())


@pytest.mark.parametrize("run", LOOPS)
def test_b14_a_handshake_that_began_before_a_reload_keeps_no_connection(run: Run) -> None:
    """Its client certificate was verified by what held before."""
    server, former, others = Authority(), Authority(), Authority()

    def serving(clients: Authority) -> ssl.SSLContext:
        context = server.serving()
        context.verify_mode = ssl.CERT_REQUIRED
        clients.ca.configure_trust(context)
        return context

    tls = secured(serving(former))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = server.trusting(former.issue("billing.internal"))
    client = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")

    async def scene() -> None:
        async with Port(answer, tls=tls) as port:
            reader, writer = await port.connect()
            received, asked = b"", False
            while not received.endswith(b"/inside"):
                with suppress(ssl.SSLWantReadError):
                    if not asked:
                        client.do_handshake()
                        tls.replace(serving(others), 2.0)
                        client.write(GET % b"inside")
                        asked = True
                    received += client.read(4096)
                writer.write(outgoing.read())
                if not received.endswith(b"/inside"):
                    async with asyncio.timeout(60):
                        incoming.write(await reader.read(65_536))
            assert b"Connection: close" in received

    run(scene())


@pytest.mark.parametrize("run", LOOPS)
def test_a_refused_caller_gets_an_alert(run: Run) -> None:
    authority = Authority()
    context = authority.serving()
    context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(context)
    tls = secured(context)

    def call(port: int) -> bytes:
        bare = socket.create_connection(("127.0.0.1", port), timeout=60)
        with authority.trusting().wrap_socket(bare, server_hostname="localhost") as sock:
            return sock.recv(1)

    async def scene() -> None:
        async with Port(answer, tls=tls) as port:
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                await asyncio.to_thread(call, port.listener.port)
            assert dict(tls.failures) == {"PEER_DID_NOT_RETURN_A_CERTIFICATE": 1}
            await until(lambda: tls._under_way.total() == 0)

    run(scene())


@pytest.mark.parametrize("run", LOOPS)
def test_a_caller_that_does_not_read_holds_its_answer_up(run: Run) -> None:
    requests: list[Request] = []

    async def handle(request: Request) -> None:
        requests.append(request)
        reply(request, LARGE)

    async def scene() -> None:
        authority = Authority()
        async with Port(handle, tls=secured(authority.serving())) as port:
            reader, writer = await port.connect(
                ssl=authority.trusting(), server_hostname="localhost", limit=4096
            )
            writer.write(GET % b"large")
            await until(lambda: bool(requests) and requests[0].caller.paused)
            assert port.buffers.used > 0
            assert await read_answer(reader) == LARGE
            await until(lambda: not requests[0].caller.paused)
            assert port.buffers.used == 0

    run(scene())


@pytest.mark.parametrize("run", LOOPS)
def test_a_large_body_arrives_whole(run: Run) -> None:
    async def handle(request: Request) -> None:
        received = b""
        while data := await request.body.read(60):
            received += data
        reply(request, b"the same" if received == LARGE else b"another")

    async def scene() -> None:
        authority = Authority()
        async with Port(handle, tls=secured(authority.serving())) as port:
            reader, writer = await port.connect(ssl=authority.trusting(), server_hostname="localhost")
            head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
            writer.write(head + LARGE)
            assert await read_answer(reader) == b"the same"

    run(scene())


@pytest.mark.parametrize("run", LOOPS)
def test_the_end_of_a_drain_cuts_handshakes(run: Run) -> None:
    async def scene() -> None:
        tls = secured(Authority().serving())
        async with Port(answer, tls=tls) as port:
            reader, _ = await port.connect()
            await until(lambda: tls._under_way.total() == 1)
            await port.listener.drain(0.0)
            async with asyncio.timeout(60):
                assert await reader.read() == b""
            assert tls._under_way.total() == 0

    run(scene())
