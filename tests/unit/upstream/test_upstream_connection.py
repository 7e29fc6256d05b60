"""One connection over real sockets, on both loops: answers, time, breaking off, back-pressure."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import FailurePhase, UpstreamFailure
from gateway.http.response import Response
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.hand_out import HAND_OUT_SECONDS, MAX_BUFFERED_BYTES
from gateway.upstream.sending import Sending
from gateway.upstream.streamed_body import StreamedBody
from tests.support.loops import Run, on_both_loops
from tests.support.upstream import (
    RawUpstream,
    Step,
    UpstreamConnection,
    answer,
    early,
    gated,
    hang,
    raw,
    raw_upstream,
)

HEAD = b"POST /x HTTP/1.1\r\nHost: api.twilio.com\r\nContent-Length: 3\r\n\r\n"
FAR = 60.0
BIG = bytes(range(256)) * 4096


@asynccontextmanager
async def opened(*steps: Step, **options: Any) -> AsyncIterator[tuple[RawUpstream, ConnectionPool]]:
    """An upstream and a pool that leads to it."""
    async with raw_upstream(*steps) as upstream:
        pool = ConnectionPool(TransportOptions(**options))
        try:
            yield upstream, pool
        finally:
            await pool.close()


async def send(pool: ConnectionPool, url: str, **sending: Any) -> Response:
    """One exchange on a connection of the pool."""
    clock = asyncio.get_running_loop().time
    connection = await pool.acquire(url, clock() + FAR)
    deadline = clock() + sending.pop("within", FAR)
    given = {"data": HEAD + b"a=b", "to_head": False, "idle_seconds": FAR, "whole": False, **sending}
    return await connection.exchange(Sending(deadline=deadline, **given))


async def read_all(response: Response) -> bytes:
    """The whole body."""
    parts = [response.body]
    while response.rest is not None and not response.rest.at_end:
        parts.append(await response.rest.read())
    return b"".join(parts)


@on_both_loops
def test_one_write_one_answer_and_the_connection_again(run: Run) -> None:
    async def scenario() -> None:
        async with opened(raw(b"HTTP/1.1 103 H\r\n\r\n" + answer(b"{}", status="201 Made"))) as (
            upstream,
            pool,
        ):
            made = await send(pool, upstream.url)
            assert (made.status, made.reason, made.body, made.rest) == (201, "Made", b"{}", None)
            assert made.fields == ((b"Content-Length", b"2"),)
            assert (await send(pool, upstream.url)).body == b"{}"
            assert (upstream.received[0].head, upstream.received[0].raw_body) == (HEAD, b"a=b")
            assert upstream.connections == 1

    run(scenario())


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (raw(b"HTTP/1.1 204 No Content\r\n\r\n0\r\n\r\n"), 204),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}four"), 200),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"), 200),
        (raw(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), 200),
    ],
    ids=["204 and a chunk", "six bytes for two", "close", "HTTP/1.0"],
)
@on_both_loops
def test_a_connection_that_is_not_clean_serves_nobody_else(run: Run, step: Step, status: int) -> None:
    async def scenario() -> None:
        async with opened(step) as (upstream, pool):
            assert (await send(pool, upstream.url)).status == status
            assert pool.size == 0
            await send(pool, upstream.url)
            assert upstream.connections == 2

    run(scenario())


@on_both_loops
def test_bytes_on_an_idle_connection_close_it(run: Run) -> None:
    async def scenario() -> None:
        idle = asyncio.Event()
        async with opened(gated(answer(b"one"), idle, answer(b"POISON"))) as (upstream, pool):
            assert (await send(pool, upstream.url)).body == b"one"
            assert pool.idle == 1
            idle.set()
            while pool.size:  # noqa: ASYNC110 - the loop's callback is what is waited for
                await asyncio.sleep(0)
            assert (await send(pool, upstream.url)).body == b"{}"

    run(scenario())


@pytest.mark.parametrize(
    ("step", "slug", "phase"),
    [
        (raw(ends="close"), "upstream_lost", FailurePhase.SENT),
        (raw(ends="reset"), "upstream_lost", FailurePhase.SENT),
        (raw(b"HTTP/1.1 200 OK\r\nConte", ends="close"), "upstream_lost", FailurePhase.SENT),
        (raw(b"SSH-2.0\r\n"), "upstream_unreadable", FailurePhase.RESPONSE),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ends="close"), "upstream_unreadable",
         FailurePhase.RESPONSE),
        (raw(b"HTTP/1.1 200 OK\r\n\r\n{", ends="reset"), "upstream_unreadable", FailurePhase.RESPONSE),
    ],
    ids=["closed", "reset", "half a head", "another protocol", "half a body", "no length, reset"],
)  # fmt: skip
@on_both_loops
def test_what_breaks_says_in_which_phase(run: Run, step: Step, slug: str, phase: FailurePhase) -> None:
    async def scenario() -> None:
        async with opened(step) as (upstream, pool):
            with pytest.raises(UpstreamFailure) as failed:
                await send(pool, upstream.url, whole=True)
            assert (failed.value.slug, failed.value.phase, pool.size) == (slug, phase, 0)

    run(scenario())


@on_both_loops
def test_head_and_idle_times_are_told_apart(run: Run) -> None:
    """The deadline ends a wait for a head, silence one for the rest of a body that is needed whole."""

    async def scenario() -> None:
        stalled = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
        async with opened(hang(), raw(stalled)) as (upstream, pool):
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                await send(pool, upstream.url, within=0.05)
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                await send(pool, upstream.url, idle_seconds=0.05, whole=True)
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_c6_a_drip_is_covered_by_the_deadline(run: Run) -> None:
    """Of a head, and of a body that is needed whole: each byte is progress, none of it an answer."""

    async def drip(connection: UpstreamConnection) -> None:
        while True:
            await connection.send(b"x")
            await asyncio.sleep(0.005)

    async def drip_of_a_head(connection: UpstreamConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nX: ")
        await drip(connection)

    async def drip_of_a_body(connection: UpstreamConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        await drip(connection)

    async def interim_drip(connection: UpstreamConnection) -> None:
        for _ in range(30):
            await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with opened(drip_of_a_head, drip_of_a_body, interim_drip) as (upstream, pool):
            for _ in range(3):
                with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                    await send(pool, upstream.url, within=0.2, whole=True)

    run(scenario())


@pytest.mark.parametrize("early_answer", [False, True], ids=["answered behind it", "answered at once"])
@on_both_loops
def test_c6_a_drip_behind_an_upload_is_covered_by_the_deadline(run: Run, early_answer: bool) -> None:
    async def drip(connection: UpstreamConnection) -> None:
        if not early_answer:
            await connection.read_body()
        await connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9999\r\n\r\n")
        while True:
            await connection.send(b"x")
            await asyncio.sleep(0.005)

    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        if early_answer:
            await asyncio.get_running_loop().create_future()
        yield b"body"

    async def scenario() -> None:
        async with opened(early(drip)) as (upstream, pool):
            head = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n"
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                await send(pool, upstream.url, data=head, upload=body(), upload_seconds=0.2)
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_c6_an_upload_of_which_nothing_is_taken_ends(run: Run) -> None:
    """Whether or not its caller is still there: only a write finds out."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield BIG

    async def scenario() -> None:
        async with opened(early(gated(b"", asyncio.Event()))) as (upstream, pool):
            head = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                await send(pool, upstream.url, data=head, upload=body(), chunked=True, upload_seconds=0.2)
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_a11_an_answer_that_does_not_end_soon_is_streamed(run: Run) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        async with opened(gated(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{", gate, b'""}')) as (
            upstream,
            pool,
        ):
            began = asyncio.get_running_loop().time()
            response = await send(pool, upstream.url)
            assert asyncio.get_running_loop().time() - began >= HAND_OUT_SECONDS - 0.01
            rest = response.rest
            assert isinstance(rest, StreamedBody)
            assert (response.body, rest.slow, rest.at_end) == (b"{", True, False)
            ended: list[int] = []
            rest.on_end = lambda: ended.append(1)
            gate.set()
            assert await rest.read() == b'""}'
            assert (rest.at_end, ended, pool.idle) == (True, [1], 1)

    run(scenario())


@pytest.mark.parametrize("whole", [True, False])
@on_both_loops
def test_a11_unless_its_bytes_are_needed(run: Run, whole: bool) -> None:
    """An error's always are: what follows from it stands in its body."""

    async def scenario() -> None:
        status = b"200 OK" if whole else b"503 No"

        async def slow(connection: UpstreamConnection) -> None:
            await connection.send(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\n{" % status)
            await asyncio.sleep(HAND_OUT_SECONDS * 2)
            await connection.send(b"}")

        async with opened(slow) as (upstream, pool):
            response = await send(pool, upstream.url, whole=whole)
            assert (response.body, response.rest) == (b"{}", None)

    run(scenario())


@on_both_loops
def test_a11_events_are_passed_on_at_once(run: Run) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
        async with opened(gated(head + b"data: 1\n\n", gate, b"data: 2\n\n")) as (upstream, pool):
            response = await send(pool, upstream.url)
            rest = response.rest
            assert isinstance(rest, StreamedBody)
            assert not rest.slow
            if not response.body:
                assert await rest.read() == b"data: 1\n\n"
            gate.set()
            assert await rest.read() == b"data: 2\n\n"
            rest.close()
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_a11_a_slow_answer_holds_nothing_for_a_reader_that_stalls(run: Run) -> None:
    async def scenario() -> None:
        async with opened(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")) as (upstream, pool):
            rest = (await send(pool, upstream.url, idle_seconds=1)).rest
            assert isinstance(rest, StreamedBody)
            ended = asyncio.Event()
            rest.on_end = ended.set
            await asyncio.wait_for(ended.wait(), 30)
            assert (rest.at_end, pool.size) == (False, 1)
            rest.close()

    run(scenario())


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@on_both_loops
def test_a_large_answer_is_read_as_fast_as_its_reader_takes_it(run: Run, chunked: bool) -> None:
    """Beside what was handed out, no byte is held here while nobody reads."""

    async def scenario() -> None:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(BIG)
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BIG), BIG) if chunked else BIG
        async with opened(raw(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (framing, body))) as (upstream, pool):
            response = await send(pool, upstream.url)
            assert MAX_BUFFERED_BYTES < len(response.body) <= 2 * MAX_BUFFERED_BYTES
            rest = response.rest
            assert isinstance(rest, StreamedBody)
            (connection,) = pool._connections
            await asyncio.sleep(0.05)  # time in which it would read ahead
            reader = connection._reader
            assert reader is not None
            assert reader.size <= MAX_BUFFERED_BYTES
            assert await read_all(response) == BIG
            assert pool.idle == 1

    run(scenario())


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@on_both_loops
def test_uploads_are_held_back_and_may_be_answered_early(run: Run, chunked: bool) -> None:
    async def scenario() -> None:
        sent = 0
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {64 * len(BIG)}"
        head = f"POST /x HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode()

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(64):
                yield BIG
                sent += len(BIG)

        gate = asyncio.Event()

        async def whole(connection: UpstreamConnection) -> None:
            await gate.wait()
            await connection.read_body()
            assert connection.received.body == BIG * 64
            await connection.send(answer(b"done"))

        async with opened(early(whole), early(raw(answer(b"no", status="413 Too Large")))) as (
            upstream,
            pool,
        ):
            upload = {"data": head, "chunked": chunked, "upload_seconds": FAR}
            sending = asyncio.create_task(send(pool, upstream.url, upload=body(), **upload))
            await upstream.arrived()
            await asyncio.sleep(0.1)
            assert sent < 32 * len(BIG)  # held back
            gate.set()
            assert (await sending).body == b"done"
            assert (sent, pool.idle) == (64 * len(BIG), 1)
            sent = 0
            assert (await send(pool, upstream.url, upload=body(), **upload)).status == 413
            assert pool.size == 0
            assert sent < 64 * len(BIG)

    run(scenario())


@on_both_loops
def test_an_upload_that_breaks_off_says_why(run: Run) -> None:
    async def scenario() -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"some"
            raise ConnectionResetError("the caller is gone")

        async with opened(early(hang())) as (upstream, pool):
            head = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"
            with pytest.raises(ConnectionResetError, match="the caller is gone"):
                await send(pool, upstream.url, data=head, upload=body())
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_a_cancelled_exchange_closes_its_connection(run: Run) -> None:
    async def scenario() -> None:
        async with opened(hang()) as (upstream, pool):
            sending = asyncio.create_task(send(pool, upstream.url))
            await upstream.arrived()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await upstream.hung_up()
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_a_broken_exchange_leaves_no_cycle_behind(run: Run) -> None:
    """What is let go goes at once, and does not wait for the collector."""

    async def break_off(pool: ConnectionPool, upstream: RawUpstream) -> None:
        for _ in range(4):
            try:
                response = await send(pool, upstream.url, within=0.05)
                await read_all(response)
            except UpstreamFailure:
                pass

    async def scenario() -> None:
        cut = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + BIG[:200_000]
        half = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ends="close")
        async with opened(raw(ends="close"), hang(), half, raw(cut, ends="close")) as (upstream, pool):
            await asyncio.sleep(0)
            gc.collect()
            gc.disable()
            try:
                await break_off(pool, upstream)
                await asyncio.sleep(0.05)
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                left = {
                    type(each).__qualname__
                    for each in gc.garbage
                    if type(each).__module__.startswith("gateway")
                }
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
            assert left == set()

    run(scenario())
