"""Whether a caller was there when its answer was written, over real sockets and both event loops.

The gateway's loop stands still meanwhile, as a busy one does: it knows of nothing that the caller does.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

import pytest
import uvloop

from gateway.http.buffered_bytes import BufferedBytes
from gateway.listener.caller_transport import CallerTransport
from gateway.listener.connection_timer import ConnectionTimer
from gateway.listener.connections import ConnectionLimits, ConnectionTracker

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


CASES: list[tuple[Callable[[socket.socket], None], Callable[[socket.socket], None], bool]] = [
    (stay, stay, True),
    (half_close, stay, True),
    (stay, read_and_close, True),
    (half_close, read_and_close, True),
    (hang_up, stay, False),
    (shut_down, stay, False),
    (reset, stay, False),
]


async def was_there(before: Callable[[socket.socket], None], after: Callable[[socket.socket], None]) -> bool:
    """What is known of a caller that does this before its answer is written, and that before it is asked."""
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[asyncio.Transport] = loop.create_future()

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connected.set_result(cast(asyncio.Transport, transport))

    server = await loop.create_server(Accepted, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        transport = await connected
        timer, tracker = ConnectionTimer(loop, transport.abort), ConnectionTracker(ConnectionLimits())
        caller = CallerTransport(transport, timer, tracker, BufferedBytes(1_000_000))
        before(client)
        caller.write(ANSWER)
        after(client)
        found = caller.was_there
        transport.abort()
    server.close()
    return found


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("before", "after", "expected"), CASES, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_caller_that_left_before_the_answer_was_not_there(
    loop: Callable[[], asyncio.AbstractEventLoop],
    before: Callable[[socket.socket], None],
    after: Callable[[socket.socket], None],
    expected: bool,
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(was_there(before, after)) is expected
