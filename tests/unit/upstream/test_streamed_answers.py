"""Answers that are handed out before they end, and read as fast as their reader takes them, on both loops."""

import asyncio

import pytest

from gateway.errors import UpstreamFailure
from gateway.upstream.hand_out import HAND_OUT_SECONDS, MAX_BUFFERED_BYTES
from gateway.upstream.streamed_body import StreamedBody
from tests.support.loops import Run, on_both_loops
from tests.support.opened_pool import BIG, FAR, opened, read_all, send
from tests.support.upstream import (
    ScriptedConnection,
    gated,
    raw,
)


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

        async def slow(connection: ScriptedConnection) -> None:
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


@on_both_loops
def test_silence_is_bounded_while_a_reader_waits(run: Run) -> None:
    """Behind what was there when the answer was handed out, as behind any other piece."""

    async def scenario() -> None:
        begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + BIG[: MAX_BUFFERED_BYTES + 1]
        async with opened(raw(begun)) as (upstream, pool):
            response = await send(pool, upstream.url, idle_seconds=0.2)
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                async with asyncio.timeout(FAR / 2):
                    await read_all(response)
            assert pool.size == 0

    run(scenario())
