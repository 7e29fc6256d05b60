"""One connection over real sockets, on both loops: answers, time, breaking off, back-pressure."""

import asyncio
import gc
from contextlib import suppress

import pytest

from gateway.errors import FailurePhase, UpstreamFailure
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.sending import Sending
from tests.support.loops import Run, on_both_loops
from tests.support.opened_pool import BIG, FAR, HEAD, opened, read_all, send
from tests.support.upstream import (
    RawUpstream,
    ScriptedConnection,
    Step,
    answer,
    gated,
    hang,
    raw,
)


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
            assert pool._sweeping is not None
            pool._sweeping.cancel()  # it is not for its age that it closes
            idle.set()
            async with asyncio.timeout(FAR):
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
                async with asyncio.timeout(FAR / 2):
                    await send(pool, upstream.url, within=0.05)
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                async with asyncio.timeout(FAR / 2):  # the deadline would say the same
                    await send(pool, upstream.url, idle_seconds=0.05, whole=True)
            assert pool.size == 0

    run(scenario())


@on_both_loops
def test_c6_a_drip_is_covered_by_the_deadline(run: Run) -> None:
    """Of a head, and of a body that is needed whole: each byte is progress, none of it an answer."""

    async def drip(connection: ScriptedConnection) -> None:
        while True:
            await connection.send(b"x")
            await asyncio.sleep(0.005)

    async def drip_of_a_head(connection: ScriptedConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nX: ")
        await drip(connection)

    async def drip_of_a_body(connection: ScriptedConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        await drip(connection)

    async def interim_drip(connection: ScriptedConnection) -> None:
        for _ in range(30):
            await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with opened(drip_of_a_head, drip_of_a_body, interim_drip) as (upstream, pool):
            for _ in range(3):
                with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                    await send(pool, upstream.url, within=0.2, whole=True)

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


@on_both_loops
def test_a_connection_that_ended_before_its_request_is_lost(run: Run) -> None:
    async def scenario() -> None:
        async with opened() as (upstream, pool):
            connection = await pool.acquire(upstream.url, asyncio.get_running_loop().time() + FAR)
            connection.abort()
            sending = Sending(HEAD, to_head=False, deadline=FAR, idle_seconds=FAR, whole=False)
            with pytest.raises(UpstreamFailure, match="upstream_lost"):
                await connection.exchange(sending)
            assert not upstream.received

    run(scenario())


@on_both_loops
def test_an_answer_that_came_as_its_exchange_was_cancelled_is_closed(run: Run) -> None:
    """It holds a connection that nobody will read."""

    async def scenario() -> None:
        begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + BIG[:200_000]
        async with opened(raw(begun)) as (upstream, pool):
            connection = await pool.acquire(upstream.url, asyncio.get_running_loop().time() + FAR)
            sending = Sending(HEAD + b"a=b", to_head=False, deadline=1e9, idle_seconds=FAR, whole=False)
            exchange = asyncio.create_task(connection.exchange(sending))
            async with asyncio.timeout(FAR / 2):
                while connection._rest is None:  # noqa: ASYNC110 - the loop's callback is what is waited for
                    await asyncio.sleep(0)
            exchange.cancel()
            with suppress(asyncio.CancelledError):
                (await exchange).close()
            assert pool.size == 0

    run(scenario())
