"""A connection on both loops, over real sockets: order, ends, pauses, and what a request must not share."""

import asyncio
import contextvars
import gc
import socket
import ssl

import pytest

from gateway.listener.caller_connection import CallerConnection
from gateway.listener.connections import ConnectionLimits
from gateway.listener.request import Request
from gateway.listener.tls_context import ListenerTls
from tests.support.caller_port import GET, MIB, Port, answer, read_answer, reply
from tests.support.loops import Run, on_both_loops
from tests.support.tls import Authority

pytestmark = on_both_loops


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


@pytest.mark.parametrize("answered", [False, True], ids=["before its answer", "behind it"])
def test_a_handler_that_fails_ends_its_connection_and_is_reported(run: Run, *, answered: bool) -> None:
    async def handle(request: Request) -> None:
        if answered:
            reply(request)
        raise LookupError("a fault of ours")

    async def scene() -> None:
        async with Port(handle) as port:
            received = await port.ask(GET % b"x")
            assert answered or received == b""
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
            outcome.append(f"{request.method} ran on")
        except asyncio.CancelledError:
            outcome.append(f"{request.method} cancelled")
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
        assert outcome == ["GET cancelled", "POST ran on"]

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


def test_a_caller_that_pipelines_and_reads_nothing_is_served_no_further(run: Run) -> None:
    served: list[str] = []

    async def handle(request: Request) -> None:
        served.append(request.target)
        reply(request, bytes(MIB))

    async def scene() -> None:
        async with Port(handle) as port:
            _, writer = await port.connect(limit=1024)
            writer.write(GET % b"x" * 60)
            while not port.listener._scope.connections:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
            (connection,) = port.listener._scope.connections
            assert isinstance(connection, CallerConnection)
            async with asyncio.timeout(60):
                while not connection._caller.paused:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
            for _ in range(500):
                await asyncio.sleep(0)
            assert len(served) < 40  # what the kernel has taken, and one more

    run(scene())


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_connections_have_keepalive_and_no_delay(run: Run, *, secure: bool) -> None:
    options: list[int] = []
    authority = Authority() if secure else None

    async def handle(request: Request) -> None:
        sock = request.caller._transport.get_extra_info("socket")
        options.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        reply(request)

    async def scene() -> None:
        tls, trusting = None, {}
        if authority is not None:
            tls = ListenerTls(authority.serving(), 1.0, lambda reason, words: None)
            trusting = {"ssl": authority.trusting(), "server_hostname": "localhost"}
        async with Port(handle, tls=tls) as port:
            reader, writer = await port.connect(**trusting)
            writer.write(GET % b"x")
            await read_answer(reader)
        assert (len(options), all(options)) == (2, True)

    run(scene())


def test_a_caller_that_only_connects_is_closed_when_idle(run: Run) -> None:
    async def scene() -> None:
        async with Port(answer, ConnectionLimits(idle_seconds=0.1)) as port:
            assert await port.ask(b"") == b""

    run(scene())


def test_a_request_that_has_come_is_read_although_its_connection_was_idle_for_too_long(run: Run) -> None:
    """The event loops may fire the timer first."""

    async def scene() -> None:
        async with Port(answer) as port:
            reader, writer = await port.connect()
            async with asyncio.timeout(60):
                while not port.listener._scope.connections:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
            (connection,) = port.listener._scope.connections
            assert isinstance(connection, CallerConnection)
            writer.write(GET % b"x")  # in the kernel at once
            connection._is_idle()
            assert await read_answer(reader) == b"/x"

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
