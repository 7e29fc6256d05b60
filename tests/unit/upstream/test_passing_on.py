"""A streamed body that is written on as it comes: whole, in order, held back, and broken off honestly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import UpstreamFailure
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.hand_out import MAX_BUFFERED_BYTES
from gateway.upstream.read_buffer import LONG_BYTES
from gateway.upstream.sending import Sending
from gateway.upstream.streamed_body import StreamedBody
from tests.support.loops import Run, on_both_loops
from tests.support.moved_clock import stopped_time
from tests.support.upstream import RawUpstream, ScriptedConnection, Step, raw, raw_upstream

REQUEST = b"GET /x HTTP/1.1\r\nHost: api.twilio.com\r\n\r\n"
BIG = b"".join(b"%07d\n" % number for number in range(1 << 18))
"""2 MiB in which no two places are alike."""
MIB = 1 << 20
FRAMINGS = {
    "sized": (b"Content-Length: %d\r\n\r\n" % len(BIG), BIG),
    "one chunk": (
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(BIG), BIG),
    ),
    "many chunks": (
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"".join(b"1000\r\n%b\r\n" % BIG[at : at + 4096] for at in range(0, len(BIG), 4096)) + b"0\r\n\r\n",
    ),
    "until close": (b"\r\n", BIG),
}


class Sink:
    """Takes all of a piece, but of every `stalls`-th: that it keeps as it is, as a transport would."""

    def __init__(self, stalls: int = 0) -> None:
        self.stalls = stalls
        self.pieces: list[bytes | memoryview] = []
        self.gone = False

    def write_piece(self, data: bytes | memoryview) -> bool:
        """As `BodySink` says."""
        if self.gone:
            raise ConnectionResetError("the caller is gone")
        kept = bool(self.stalls) and len(self.pieces) % self.stalls == 0
        self.pieces.append(data if kept else bytes(data))
        return not kept


@asynccontextmanager
async def streaming(step: Step, **options: Any) -> AsyncIterator[tuple[RawUpstream, ConnectionPool, Any]]:
    """An answer of which the beginning has come: the upstream, the pool and the response."""
    async with raw_upstream(step) as upstream:
        pool = ConnectionPool(TransportOptions())
        try:
            deadline = asyncio.get_running_loop().time() + 60
            connection = await pool.acquire(upstream.url, deadline)
            sending = {"deadline": deadline, "to_head": False, "idle_seconds": 60.0, "whole": False}
            response = await connection.exchange(Sending(REQUEST, **{**sending, **options}))
            assert isinstance(response.rest, StreamedBody)
            yield upstream, pool, response
        finally:
            await pool.close()


async def pass_all(rest: StreamedBody, sink: Sink) -> None:
    """The whole rest."""
    while not rest.at_end:
        await rest.pass_on(sink)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("stalls", [0, 1, 3])
@on_both_loops
def test_it_comes_whole_whatever_the_sink_keeps(run: Run, framing: str, stalls: int) -> None:
    async def scenario() -> None:
        fields, body = FRAMINGS[framing]
        ends = "close" if framing == "until close" else ""
        step = raw(b"HTTP/1.1 200 OK\r\n" + fields + body, ends=ends)
        async with streaming(step) as (_, pool, response):
            sink = Sink(stalls)
            await pass_all(response.rest, sink)
            assert response.body + b"".join(sink.pieces) == BIG
            assert max(map(len, sink.pieces)) <= LONG_BYTES + MAX_BUFFERED_BYTES
            assert pool.idle == (0 if ends else 1)

    run(scenario())


@on_both_loops
def test_nothing_is_read_for_a_sink_that_has_to_catch_up(run: Run) -> None:
    async def scenario() -> None:
        async with streaming(raw(b"HTTP/1.1 200 OK\r\n" + b"".join(FRAMINGS["sized"]))) as (
            _,
            pool,
            response,
        ):
            sink = Sink(1)
            await response.rest.pass_on(sink)
            (connection,) = pool._connections
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(sink.pieces) == 1
            reader: Any = connection._reader
            assert reader.size == 0

    run(scenario())


@on_both_loops
def test_others_have_their_turn(run: Run) -> None:
    """However much has come, and however fast the sink is."""

    async def scenario() -> None:
        async with streaming(raw(b"HTTP/1.1 200 OK\r\n" + b"".join(FRAMINGS["sized"]))) as (_, _, response):
            sink, passes = Sink(), 0
            while not response.rest.at_end:
                await response.rest.pass_on(sink)
                passes += 1
            assert passes >= (len(BIG) - len(response.body)) // (1 << 20)
            assert passes < len(sink.pieces)

    run(scenario())


@on_both_loops
def test_framing_without_content_does_not_end_the_wait(run: Run) -> None:
    """A chunk's size in a segment of its own, while a reader waits for the chunk."""

    async def scenario() -> None:
        size, content = asyncio.Event(), asyncio.Event()

        async def answer(connection: ScriptedConnection) -> None:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            await connection.send(head + b"3\r\none\r\n")
            for event, part in ((size, b"3\r"), (content, b"\ntwo\r\n0\r\n\r\n")):
                await event.wait()
                await connection.send(part)

        async with streaming(answer) as (_, pool, response):
            rest, begun = response.rest, response.body
            if not begun:
                begun = await rest.read()
            assert begun == b"one"
            reading = asyncio.ensure_future(rest.read())
            (connection,) = pool._connections
            await asyncio.sleep(0)
            size.set()
            reader: Any = connection._reader
            while reader._framing._held != b"3\r":  # noqa: ASYNC110 - read in a callback
                await asyncio.sleep(0)
            content.set()
            assert await asyncio.wait_for(reading, 30) == b"two"
            assert pool.idle == 1

    run(scenario())


@on_both_loops
def test_a_body_that_breaks_off_fails_who_passes_it_on(run: Run) -> None:
    async def scenario() -> None:
        fields, body = FRAMINGS["sized"]
        half = b"HTTP/1.1 200 OK\r\n" + fields + body[: len(body) // 2]
        async with streaming(raw(half, ends="close")) as (_, pool, response):
            with pytest.raises(UpstreamFailure, match="upstream_unreadable"):
                await pass_all(response.rest, Sink())
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_a_sink_whose_caller_is_gone_ends_it(run: Run) -> None:
    async def scenario() -> None:
        async with streaming(raw(b"HTTP/1.1 200 OK\r\n" + b"".join(FRAMINGS["sized"]))) as (
            _,
            pool,
            response,
        ):
            sink = Sink()
            sink.gone = True
            with pytest.raises(ConnectionResetError):
                await response.rest.pass_on(sink)
            response.close()
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_silence_is_bounded_while_it_is_passed_on(run: Run) -> None:
    async def scenario() -> None:
        fields, body = FRAMINGS["sized"]
        silent = raw(b"HTTP/1.1 200 OK\r\n" + fields + body[: len(body) // 2])
        async with streaming(silent, idle_seconds=0.2) as (_, _, response):
            with pytest.raises(UpstreamFailure):
                await pass_all(response.rest, Sink())

    run(scenario())


async def test_what_makes_progress_is_not_silent() -> None:
    """Each piece starts the time for the next, however long all of them take."""
    fields, body = FRAMINGS["sized"]
    gate = asyncio.Semaphore(0)
    sink = Sink()

    async def in_pieces(connection: ScriptedConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\n" + fields + body[:MIB])
        for at in range(MIB, len(body), MIB // 4):
            await gate.acquire()
            await connection.send(body[at : at + MIB // 4])

    with stopped_time() as clock:
        async with streaming(in_pieces, idle_seconds=10) as (_, _, response):
            passing = asyncio.create_task(pass_all(response.rest, sink))
            for at in range(MIB, len(body) + 1, MIB // 4):
                begun = at - len(response.body)
                while not passing.done() and sum(map(len, sink.pieces)) < begun:  # noqa: ASYNC110 - none tells
                    await asyncio.sleep(0)
                clock.advance(6)
                gate.release()
            await passing
    assert response.body + b"".join(sink.pieces) == body
