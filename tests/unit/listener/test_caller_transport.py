"""Whether a caller was there when its answer was written, over real sockets and both event loops.

The gateway's loop stands still meanwhile, as a busy one does: it knows of nothing that the caller does.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import cast

import pytest
import uvloop

from gateway.http.buffered_bytes import BufferedBytes
from gateway.http.tunnel import Tunnel
from gateway.listener.caller_transport import CallerTransport
from gateway.listener.connection_timer import ConnectionTimer
from gateway.listener.connections import ConnectionLimits, ConnectionTracker
from gateway.listener.tunnels import OpenTunnel, TunnelBounds
from tests.support.tls import Authority

Deed = Callable[[socket.socket], None]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"


def stay(client: socket.socket) -> None:
    """It waits for its answer."""


def half_close(client: socket.socket) -> None:
    """It sends nothing more, and waits for its answer (RFC 9293 3.6)."""
    client.shutdown(socket.SHUT_WR)


def hang_up(client: socket.socket) -> None:
    client.close()


def shut_down(client: socket.socket) -> None:
    """It closes both sides, and keeps the descriptor."""
    client.shutdown(socket.SHUT_RDWR)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def read_and_close(client: socket.socket) -> None:
    assert client.recv(1000) == ANSWER
    client.close()


CASES: list[tuple[Deed, Deed, bool]] = [
    (stay, stay, True),
    (half_close, stay, True),
    (stay, read_and_close, True),
    (half_close, read_and_close, True),
    (hang_up, stay, False),
    (shut_down, stay, False),
    (reset, stay, False),
]
TLS_CASES = [case for case in CASES if case[0] is not half_close]


async def was_there(
    before: Deed,
    after: Deed,
    authority: Authority | None,
) -> bool:
    """What is known of a caller that does this before its answer is written, and that before it is asked.

    `authority` is that of the listener's certificate, where it speaks TLS.
    """
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[asyncio.Transport] = loop.create_future()

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connected.set_result(cast(asyncio.Transport, transport))

    own, trusting = (None, None) if authority is None else contexts(authority)
    server = await loop.create_server(Accepted, "127.0.0.1", 0, ssl=own)
    with socket.create_connection(server.sockets[0].getsockname()) as plain:
        client = plain
        if trusting is not None:
            client = await asyncio.to_thread(trusting.wrap_socket, plain, server_hostname="localhost")
        transport = await connected
        timer, tracker = ConnectionTimer(loop, transport.abort), ConnectionTracker(ConnectionLimits())
        caller = CallerTransport(transport, timer, tracker, BufferedBytes(1_000_000))
        before(client)
        caller.write(ANSWER)
        after(client)
        found = caller.was_there
        transport.abort()
        client.close()
    server.close()
    return found


def contexts(authority: Authority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The listener's, and a caller's."""
    own, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue("localhost").configure_cert(own)
    authority.ca.configure_trust(trusting)
    return own, trusting


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("before", "after", "expected"), CASES)
def test_a_caller_that_left_before_the_answer_was_not_there(
    loop: Callable[[], asyncio.AbstractEventLoop], before: Deed, after: Deed, expected: bool
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(was_there(before, after, None)) is expected


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("before", "after", "expected"), [case for case in CASES if case[0] is not half_close]
)
def test_the_same_holds_under_tls(
    authority: Authority,
    loop: Callable[[], asyncio.AbstractEventLoop],
    before: Deed,
    after: Deed,
    expected: bool,
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(was_there(before, after, authority)) is expected


@pytest.mark.parametrize("loop", LOOPS)
def test_a_connection_that_we_closed_has_no_caller(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The kernel, asked about a descriptor that is gone, would tell of nothing."""

    async def scene() -> None:
        here, there = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=here)
        tracker = ConnectionTracker(ConnectionLimits())
        timer = ConnectionTimer(asyncio.get_running_loop(), transport.abort)
        caller = CallerTransport(transport, timer, tracker, BufferedBytes(1_000_000))
        assert (caller.was_there, caller.has_left) == (True, False)
        transport.abort()
        assert (caller.was_there, caller.has_left) == (False, True)
        bounds = TunnelBounds()
        opened = OpenTunnel(bounds, "", Tunnel("a"), ssl.create_default_context(), 0.0, identified=False)
        with pytest.raises(ConnectionResetError):
            caller.accept_tunnel(opened)
        assert (bounds.open, bounds.opened) == (0, 1)
        await asyncio.sleep(0)
        caller.lost()
        assert (caller.was_there, caller.has_left) == (False, True)
        there.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scene())
