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


async def test_a_last_answer_that_waits_for_its_caller_is_not_cut_off_with_the_close() -> None:
    """More than sockets hold, for a caller that reads nothing before the two seconds are over."""
    large = b"0123456789abcdef" * (1 << 19)

    async def answer_much(request: Request) -> None:
        reply(request, large, closes=True)

    authority = Authority()
    async with Port(answer_much, tls=secured(authority)) as port:
        connections = port.listener._scope.connections
        bare = socket.create_connection(("127.0.0.1", port.listener.port), timeout=60)
        with stopped_time() as clock:
            caller = await asyncio.to_thread(
                authority.trusting().wrap_socket, bare, server_hostname="localhost"
            )
            with caller:
                await asyncio.to_thread(caller.sendall, GET % b"x")
                await until(lambda: bool(connections))
                (connection,) = connections
                assert isinstance(connection, CallerConnection)
                transport = connection._transport
                await until(lambda: connection._caller.paused or transport.is_closing())
                await turns()
                clock.advance(2.1)
                await turns()
                assert await asyncio.to_thread(read_body, caller) == large


def read_body(caller: ssl.SSLSocket) -> bytes:
    """What follows the head, up to the connection's end."""
    received = b""
    while data := caller.recv(1 << 20):
        received += data
    return received.partition(b"\r\n\r\n")[2]


def ask(caller: socket.socket, trusting: ssl.SSLContext) -> ssl.SSLSocket:
    """Send a request, and read its answer by a socket that answers no close_notify by itself."""
    encrypted = trusting.wrap_socket(caller, server_hostname="localhost")
    encrypted.sendall(GET % b"x")
    received = b""
    while not received.endswith(b"last"):
        received += encrypted.recv(4096)
    return encrypted
