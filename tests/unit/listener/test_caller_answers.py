"""Answers that come early, stop, or break off, on both loops over real sockets."""

import asyncio
import socket

import pytest

from gateway.listener.connections import ConnectionLimits
from gateway.listener.request import Request
from tests.support.caller_port import GET, LENGTH, MIB, Port, reply
from tests.support.loops import Run, on_both_loops

pytestmark = on_both_loops


@pytest.mark.parametrize("closes", [True, False], ids=["told to close", "kept open"])
def test_an_answer_before_the_upload_ends_reaches_the_caller(run: Run, closes: bool) -> None:
    """RFC 9112 9.6: what is still sent is read and dropped until the caller has seen the answer."""

    async def handle(request: Request) -> None:
        reply(request, b"early", closes=closes)

    def upload(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
            caller.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (10 * MIB))
            for _ in range(10):
                caller.sendall(b"x" * MIB)
            received = b""
            while piece := caller.recv(65_536):
                received += piece
            return received

    async def scene() -> None:
        async with Port(handle) as port:
            received = await asyncio.to_thread(upload, port.listener.port)
        assert received.endswith(b"Connection: close\r\n\r\nearly")

    run(scene())


def test_nothing_behind_a_closing_answer_is_served(run: Run) -> None:
    served: list[str] = []

    async def handle(request: Request) -> None:
        served.append(request.target)
        reply(request, closes=True)

    async def scene() -> None:
        async with Port(handle) as port:
            assert (await port.ask(GET % b"1" + GET % b"2")).count(b"HTTP/1.1") == 1
        assert served == ["/1"]

    run(scene())


def test_a_stalled_reader_costs_a_bounded_buffer_and_is_cut_off(run: Run) -> None:
    seen: list[int] = []
    failed: list[type[BaseException]] = []
    failing = asyncio.Event()

    async def handle(request: Request) -> None:
        request.begin_answer(200, "OK", b"", None, closes=False)
        try:
            while True:
                if request.caller.paused:
                    await request.caller.drain()
                request.write(b"x" * 65_536)
                seen.append(request.caller._transport.get_write_buffer_size())
        except ConnectionResetError as error:
            failed.append(type(error))
            failing.set()
            assert request.caller.too_slow

    async def scene() -> None:
        async with Port(handle, ConnectionLimits(write_seconds=0.2)) as port:
            _, writer = await port.connect(limit=1024)
            writer.write(GET % b"x")
            await asyncio.wait_for(failing.wait(), 60)
            assert max(seen) <= 131_072
            assert len(seen) < 1000

    run(scene())


def test_what_a_caller_left_unread_is_given_back_when_it_catches_up(run: Run) -> None:
    held: list[int] = []

    async def handle(request: Request) -> None:
        request.begin_answer(200, "OK", b"", None, closes=False)
        while not request.caller.paused:
            request.write(b"x" * 65_536)
        held.append(request.caller.buffers.used)
        paused.set()
        await request.caller.drain()
        held.append(request.caller.buffers.used)
        request.end_answer()

    paused = asyncio.Event()

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect(limit=1024)
            writer.write(GET % b"x")
            async with asyncio.timeout(60):
                await paused.wait()
                await reader.readuntil(b"\r\n\r\n")
                while held[1:] == []:
                    await reader.read(65_536)
            assert held[0] > 0
            assert held[1] == 0

    run(scene())


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_an_answer_that_breaks_off_is_no_clean_end(run: Run, version: bytes) -> None:
    """In HTTP/1.0 the end of the connection would be the end of the answer: it is reset (row B9)."""

    async def handle(request: Request) -> None:
        request.begin_answer(200, "OK", b"", None, closes=False)
        request.write(b"part")
        await asyncio.sleep(0.05)  # sent
        request.abort()

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect()
            writer.write((GET % b"x").replace(b"1.1", version))
            received = b""
            try:
                while piece := await reader.read(1000):
                    received += piece
                ended = "clean"
            except ConnectionResetError:
                ended = "reset"
        assert (ended, version) in {("reset", b"1.0"), ("clean", b"1.1"), ("reset", b"1.1")}
        assert not received.endswith(b"0\r\n\r\n")

    run(scene())


def test_a_body_shorter_than_announced_is_broken_off(run: Run) -> None:
    async def handle(request: Request) -> None:
        request.begin_answer(200, "OK", LENGTH % 10, 10, closes=False)
        request.write(b"part")
        request.end_answer()

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect()
            writer.write(GET % b"x" + GET % b"y")
            try:
                received = await reader.read()
            except ConnectionResetError:
                received = b""
        assert received.count(b"HTTP/1.1") <= 1

    run(scene())
