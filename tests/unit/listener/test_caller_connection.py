"""A connection on both loops, over real sockets: order, ends, pauses, and what a request must not share."""

import asyncio
import contextvars
import gc
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from gateway.errors import GatewayError
from gateway.http.buffered_bytes import BufferedBytes
from gateway.listener.connections import ConnectionLimits
from gateway.listener.listener import Listener
from gateway.listener.request import Request
from gateway.listener.request_parser import HeadLimits
from gateway.listener.tls_context import ListenerTls
from tests.support.running import nobody_connects
from tests.support.tls import Authority

Run = Callable[[Awaitable[None]], Any]
Handle = Callable[[Request], Awaitable[None]]
LOOPS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]
GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n"
MIB = 1 << 20

pytestmark = pytest.mark.parametrize("run", LOOPS)


def reply(request: Request, body: bytes = b"", *, closes: bool = False) -> None:
    """A whole answer: by default the request's target."""
    body = body or request.target.encode()
    request.answer(200, "OK", LENGTH % len(body), body, closes=closes)


async def answer(request: Request) -> None:
    """Echo the target."""
    reply(request)


def refuse(error: GatewayError, address: str) -> bytes:
    """What bytes that are no request are answered with."""
    return b"HTTP/1.0 %d %b\r\n\r\n" % (error.status, error.slug.encode())


class Port:
    """An open listener on a free port; what its loop reported as unhandled is in `unhandled`."""

    def __init__(
        self, handle: Handle, limits: ConnectionLimits | None = None, tls: ListenerTls | None = None
    ) -> None:
        self.buffers = BufferedBytes(1 << 20)
        limits = limits or ConnectionLimits()
        heads = HeadLimits(8192, 64)
        self.listener = Listener("test", handle, refuse, limits, heads, tls, buffers=self.buffers)
        self.unhandled: list[dict[str, Any]] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Port":
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.unhandled.append(context))
        await self.listener.open("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self.writers:
            writer.transport.abort()
        with nobody_connects():
            await self.listener.drain(5)
        gc.collect()
        await asyncio.sleep(0)
        assert self.unhandled == []

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A caller."""
        made = await asyncio.open_connection("127.0.0.1", self.listener.port, **options)
        self.writers.append(made[1])
        return made

    async def ask(self, data: bytes) -> bytes:
        """All that comes back until the connection ends."""
        reader, writer = await self.connect()
        writer.write(data)
        async with asyncio.timeout(60):
            return await reader.read()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """The body of an answer with a length."""
    async with asyncio.timeout(60):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)


def test_requests_are_answered_in_order(run: Run) -> None:
    """Pipelined ones, too, however long each takes."""

    async def handle(request: Request) -> None:
        for _ in range(int(request.target[1:])):
            await asyncio.sleep(0)
        reply(request)

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect()
            writer.write(b"".join(GET % b"%d" % turns for turns in (9, 0, 5, 1)))
            assert [await read_answer(reader) for _ in range(4)] == [b"/9", b"/0", b"/5", b"/1"]

    run(scene())


@pytest.mark.parametrize("framing", ["sized", "chunked", "sized, in pieces", "chunked, in pieces"])
def test_a_body_is_the_requests_and_the_rest_is_the_next_requests(run: Run, framing: str) -> None:
    async def handle(request: Request) -> None:
        body = b""
        while piece := await request.body.read(10):
            body += piece
        reply(request, body + b"|" + request.target.encode())

    head = b"POST /p HTTP/1.1\r\nHost: a\r\n"
    sized = head + b"Content-Length: 3\r\n\r\nabc"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nX-T: 1\r\n\r\n"
    stream = (sized if framing.startswith("sized") else chunked) + GET % b"next"

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect()
            for piece in [bytes([byte]) for byte in stream] if "pieces" in framing else [stream]:
                writer.write(piece)
                await asyncio.sleep(0)
            assert [await read_answer(reader), await read_answer(reader)] == [b"abc|/p", b"|/next"]

    run(scene())


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


def test_a_request_sees_nothing_of_another_ones_context(run: Run) -> None:
    """Neither on its own connection nor on another, pipelined or not."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def handle(request: Request) -> None:
        found = variable.get()
        variable.set(request.target)
        await request.body.read(10)
        assert variable.get() == request.target
        reply(request, found.encode())

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect()
            writer.write(GET % b"1" * 3)
            seen = [await read_answer(reader) for _ in range(3)]
            body = b"x" * 300_000  # pauses and resumes reading from within the request's task
            writer.write(b"POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert (await reader.readuntil(b"unset")).endswith(b"unset")
            assert seen == [b"unset"] * 3

    run(scene())


def test_a_handler_that_fails_ends_its_connection_and_is_reported(run: Run) -> None:
    async def handle(request: Request) -> None:
        raise LookupError("a fault of ours")

    async def scene() -> None:
        async with Port(handle) as port:
            assert await port.ask(GET % b"x") == b""
            assert [type(each["exception"]) for each in port.unhandled] == [LookupError]
            port.unhandled.clear()

    run(scene())


def test_a_caller_that_leaves_cancels_a_task_that_allows_it(run: Run) -> None:
    ended = asyncio.Event()
    outcome: list[str] = []
    begun = asyncio.Semaphore(0)

    async def handle(request: Request) -> None:
        begun.release()
        request.cancel_on_disconnect(request.method == "GET")
        try:
            await asyncio.wait_for(ended.wait(), 60)
            outcome.append("ran on")
        except asyncio.CancelledError:
            outcome.append("cancelled")
            ended.set()
            raise

    async def scene() -> None:
        async with Port(handle) as port:
            for line in (b"POST", b"GET"):
                _, writer = await port.connect()
                writer.write(GET.replace(b"GET", line) % b"x")
                await begun.acquire()
                writer.transport.abort()
            await port.listener._scope.wait_until_empty()
        assert outcome == ["cancelled", "ran on"]

    run(scene())


def test_pipelined_requests_are_held_up_to_a_bound(run: Run) -> None:
    """Reading stops until the first one is answered."""
    gate = asyncio.Event()

    async def handle(request: Request) -> None:
        await gate.wait()
        reply(request)

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect()
            writer.write(GET % b"x" * 500_000)
            await asyncio.sleep(0.3)
            (connection,) = port.listener._scope.connections
            assert len(connection._held) < 2 * MIB  # type: ignore[attr-defined]
            assert writer.transport.get_write_buffer_size() > MIB
            gate.set()
            assert [await read_answer(reader) for _ in range(2000)] == [b"/x"] * 2000

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


def test_connections_have_keepalive_and_no_delay(run: Run) -> None:
    options: list[int] = []

    async def handle(request: Request) -> None:
        sock = request.caller._transport.get_extra_info("socket")
        options.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        reply(request)

    async def scene() -> None:
        async with Port(handle) as port:
            reader, writer = await port.connect()
            writer.write(GET % b"x")
            await read_answer(reader)
        assert all(options)

    run(scene())


def test_a_caller_that_only_connects_is_closed_when_idle(run: Run) -> None:
    async def scene() -> None:
        async with Port(answer, ConnectionLimits(idle_seconds=0.1)) as port:
            assert await port.ask(b"") == b""

    run(scene())


def test_tls_connections_end_without_a_leak(run: Run, recwarn: pytest.WarningsRecorder) -> None:
    """Each closed by us, by the caller, or broken off; none of them stays open or is reported."""
    authority = Authority()

    async def scene() -> None:
        tls = ListenerTls(authority.serving(), 1.0, lambda reason, words: None)
        context: ssl.SSLContext = authority.trusting()

        async def handle(request: Request) -> None:
            reply(request, closes=request.target == "/close")

        async with Port(handle, ConnectionLimits(), tls) as port:
            for number in range(9):
                reader, writer = await port.connect(ssl=context, server_hostname="localhost")
                writer.write(GET % (b"close" if number % 3 == 0 else b"keep"))
                await read_answer(reader)
                if number % 3 == 0:
                    assert await reader.read() == b""
                elif number % 3 == 1:
                    writer.close()
                else:
                    writer.transport.abort()
            await asyncio.wait_for(port.listener._scope.wait_until_empty(), 60)
            assert port.listener.tracker.open == 0
        gc.collect()

    run(scene())
    assert [str(each.message) for each in recwarn if issubclass(each.category, ResourceWarning)] == []
