"""Uploads over real sockets, on both loops: held back, answered early, broken off, not taken."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import UpstreamFailure
from tests.support.loops import Run, on_both_loops
from tests.support.opened_pool import BIG, FAR, opened, send
from tests.support.upstream import (
    ScriptedConnection,
    answer,
    early,
    gated,
    hang,
    raw,
)


@pytest.mark.parametrize("early_answer", [False, True], ids=["answered behind it", "answered at once"])
@on_both_loops
def test_c6_a_drip_behind_an_upload_is_covered_by_the_deadline(run: Run, early_answer: bool) -> None:
    async def drip(connection: ScriptedConnection) -> None:
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
        for _ in range(64):
            yield BIG
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        async with opened(early(gated(b"", asyncio.Event()))) as (upstream, pool):
            head = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                async with asyncio.timeout(FAR / 2):
                    await send(pool, upstream.url, data=head, upload=body(), chunked=True, upload_seconds=0.2)
            assert pool.size == 0

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

        async def whole(connection: ScriptedConnection) -> None:
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
def test_a_piece_without_content_does_not_end_a_chunked_body(run: Run) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in (b"a", b"", b"b"):
            yield piece

    async def scenario() -> None:
        async with opened() as (upstream, pool):
            head = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            async with asyncio.timeout(FAR / 2):
                await send(pool, upstream.url, data=head, upload=body(), chunked=True, upload_seconds=FAR)
            assert upstream.received[0].body == b"ab"
            assert upstream.received[0].raw_body == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"

    run(scenario())


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "in one piece"])
@on_both_loops
def test_a_connection_that_was_answered_early_serves_nobody_else(run: Run, streamed: bool) -> None:
    """The peer keeps it open, and would take the next request for the rest of this body."""

    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        size = 32 * len(BIG)
        head = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
        upload = {"data": head, "upload": body(), "upload_seconds": FAR} if streamed else {}
        refusal = answer(b"no", status="413 Too Large")
        async with opened(early(gated(refusal, asyncio.Event()))) as (upstream, pool):
            made = await send(pool, upstream.url, **(upload or {"data": head + bytes(size)}))
            assert (made.status, pool.size) == (413, 0)

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
                async with asyncio.timeout(FAR / 2):
                    await send(pool, upstream.url, data=head, upload=body())
            assert pool.size == 0

    run(scenario())
