"""How a connection ends: it takes what a caller still sends (RFC 9112 9.6), and no side takes for ever."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.listener.caller_connection import CallerConnection
from gateway.listener.connections import ConnectionLimits, has_taken_all, has_unread
from gateway.listener.request import Request
from tests.support.caller_port import GET, MIB, Port, read_answer, reply
from tests.support.moved_clock import StoppedClock, stopped_time

UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx"


class Lingering:
    """A caller that had its answer before its upload ended, and may go on sending."""

    def __init__(self, port: Port, writer: asyncio.StreamWriter, clock: StoppedClock) -> None:
        (connection,) = port.listener._scope.connections
        assert isinstance(connection, CallerConnection)
        self._port = port
        self.transport = connection._transport
        self._writer = writer
        self.clock = clock

    async def send(self) -> None:
        """A byte more; it was read when this returns."""
        self._writer.write(b"x")
        await until(lambda: has_taken_all(self._writer.transport, 0) and not has_unread(self.transport))

    async def is_open_after(self, seconds: float) -> bool:
        """Whether the connection is, once so much time has passed."""
        self.clock.advance(seconds)
        for _ in range(9):  # timers that are due have fired, and what they close is lost
            await asyncio.sleep(0)
        return bool(self._port.listener._scope.connections)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, by a clock that does not stand still."""
    late = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < late
        await asyncio.sleep(0)


async def answer_at_once(request: Request) -> None:
    reply(request, b"early", closes=True)


@asynccontextmanager
async def lingering(data: bytes = UPLOAD) -> AsyncIterator[Lingering]:
    async with Port(answer_at_once) as port:
        reader, writer = await port.connect()
        writer.write(data)
        assert await read_answer(reader) == b"early"
        await until(reader.at_eof)  # our side is closed
        with stopped_time() as clock:
            yield Lingering(port, writer, clock)
        writer.transport.abort()
        await until(lambda: not port.listener._scope.connections)


async def test_it_ends_after_two_seconds_in_which_nothing_comes() -> None:
    async with lingering() as caller:
        assert await caller.is_open_after(1.9)
        assert not await caller.is_open_after(0.2)


async def test_it_ends_two_seconds_after_the_last_byte() -> None:
    async with lingering() as caller:
        for _ in range(3):
            assert await caller.is_open_after(1.9)
            await caller.send()
        assert not await caller.is_open_after(2.1)


async def test_it_ends_after_thirty_seconds_however_much_is_sent() -> None:
    async with lingering() as caller:
        for _ in range(29):
            assert await caller.is_open_after(1.0)
            await caller.send()
        assert await caller.is_open_after(0.9)
        await caller.send()
        assert not await caller.is_open_after(0.2)


async def test_bytes_behind_a_closing_answer_are_taken_as_an_upload_is() -> None:
    async with lingering(GET % b"1" + GET % b"2") as caller:
        assert await caller.is_open_after(1.9)
        await caller.send()


async def test_a_last_answer_that_is_left_unread_is_cut_off() -> None:
    """What is written when a connection closes has `write_seconds`."""

    async def handle(request: Request) -> None:
        request.caller._transport.set_write_buffer_limits(16 * MIB)  # else the answer itself is waited for
        reply(request, bytes(8 * MIB), closes=True)

    async with Port(handle, ConnectionLimits(write_seconds=30)) as port:
        _, writer = await port.connect(limit=1024)
        with stopped_time() as clock:
            writer.write(GET % b"x")
            caller = Lingering(port, writer, clock)
            await until(lambda: caller.transport.is_closing())
            assert await caller.is_open_after(29.9)
            assert not await caller.is_open_after(0.2)
