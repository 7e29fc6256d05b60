"""TLS that a caller does not finish: a handshake that does not come, and a close that is not confirmed."""

import asyncio
import socket
import ssl

from gateway.listener.caller_connection import CallerConnection
from gateway.listener.request import Request
from gateway.listener.tls_context import ListenerTls
from tests.support.caller_port import GET, Port, reply
from tests.support.moved_clock import stopped_time
from tests.support.tls import Authority
from tests.unit.listener.test_lingering import until


async def answer_last(request: Request) -> None:
    reply(request, b"last", closes=True)


def secured(authority: Authority) -> ListenerTls:
    return ListenerTls(authority.serving(), 1.0, lambda reason, words: None)


async def turns() -> None:
    """Timers that are due have fired, and what they end is lost."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_handshake_that_does_not_come_is_given_up_after_ten_seconds() -> None:
    tls = secured(Authority())
    async with Port(answer_last, tls=tls) as port:
        with stopped_time() as clock:
            reader, _ = await port.connect()
            await until(lambda: tls._under_way.total() == 1)
            await turns()
            clock.advance(9.9)
            await turns()
            assert tls._under_way.total() == 1
            clock.advance(0.2)
            await until(reader.at_eof)
        assert tls._under_way.total() == 0


async def test_a_close_that_is_not_confirmed_ends_after_two_seconds() -> None:
    """Of what a caller owes by then nothing is needed: it has its answer, and our close_notify."""
    authority = Authority()
    async with Port(answer_last, tls=secured(authority)) as port:
        connections = port.listener._scope.connections
        with (
            socket.create_connection(("127.0.0.1", port.listener.port), timeout=30) as caller,
            stopped_time() as clock,
        ):
            encrypted = await asyncio.to_thread(ask, caller, authority.trusting())
            (connection,) = connections
            assert isinstance(connection, CallerConnection)
            transport = connection._transport
            await until(lambda: transport.is_closing())
            clock.advance(1.9)
            await turns()
            assert connections
            clock.advance(0.2)
            await until(lambda: not connections)
            encrypted.close()


def ask(caller: socket.socket, trusting: ssl.SSLContext) -> ssl.SSLSocket:
    """Send a request, and read its answer by a socket that answers no close_notify by itself."""
    encrypted = trusting.wrap_socket(caller, server_hostname="localhost")
    encrypted.sendall(GET % b"x")
    received = b""
    while not received.endswith(b"last"):
        received += encrypted.recv(4096)
    return encrypted
