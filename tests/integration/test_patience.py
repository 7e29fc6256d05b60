"""Callers that are slow, silent or too many, on real sockets: answered or cut off, and all is given back.

Time passes when a test says so. The limits are shorter than what the tests' own callers wait for.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from gateway.listener.connections import Closed, ConnectionTracker
from tests.support.attempts import until
from tests.support.caller import FORM, MESSAGES, RawCaller, ask, raw_caller, request
from tests.support.moved_clock import MovedClock
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, reply

GET = request(f"GET {MESSAGES}")
LIMITS = {
    "head_seconds": 5,
    "idle_seconds": 10,
    "body_seconds": 3,
    "body_total_seconds": 8,
    "write_seconds": 5,
}


@pytest.fixture
async def patient(clock: MovedClock, upstream: RawUpstream) -> AsyncIterator[Running]:
    """A gateway whose clock is moved."""
    async with running_gateway(upstream.url, callers=LIMITS) as gateway:
        yield gateway


def guests(gateway: Running) -> ConnectionTracker:
    """The counts of its data port."""
    return gateway.gateway.listener.tracker


async def until_alone(gateway: Running) -> None:
    """Wait until no connection is open any more."""
    await until(lambda: guests(gateway).open == 0)


async def until_unread(gateway: Running) -> None:
    """Wait until a caller takes nothing more, because it does not read."""
    await until(lambda: gateway.gateway.components.buffers.used > 0)


async def pass_time(clock: MovedClock, awaited: "asyncio.Task[Any]", step: float = 1.0) -> None:
    """Let time pass, a second in each turn of the loop, until something has happened."""
    while not awaited.done():
        clock.advance(step)
        await asyncio.sleep(0)


async def test_a_head_that_drips_is_answered_408(patient: Running, clock: MovedClock) -> None:
    async with raw_caller(patient.port) as caller:
        await caller.send(GET[:40])
        answering = asyncio.ensure_future(caller.answer())
        await pass_time(clock, answering)
        answer = await answering
        assert (answer.status, answer.slug) == (408, "head_timeout")
        assert await caller.rest() == b""
    assert guests(patient).closed[Closed.HEAD_TIMEOUT] == 1
    (line,) = await patient.exchange_logged(1)
    assert line["gateway_error"] == "head_timeout"


async def test_bytes_that_come_one_by_one_win_no_time(patient: Running, clock: MovedClock) -> None:
    async with raw_caller(patient.port) as caller:
        answering = asyncio.ensure_future(caller.answer())
        for byte in GET[:60]:
            if answering.done():
                break
            await caller.send(bytes([byte]))
            clock.advance(1)
            await asyncio.sleep(0)
        assert (await answering).slug == "head_timeout"


async def test_the_next_head_on_a_connection_has_its_own_time(patient: Running, clock: MovedClock) -> None:
    async with raw_caller(patient.port) as caller:
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        await caller.send(GET[:40])
        answering = asyncio.ensure_future(caller.answer())
        await pass_time(clock, answering)
        assert (await answering).slug == "head_timeout"


async def test_a_head_in_two_pieces_is_in_time(patient: Running, clock: MovedClock) -> None:
    async with raw_caller(patient.port) as caller:
        for _ in range(2):
            await caller.send(GET[:40])
            clock.advance(4)
            await caller.send(GET[40:])
            assert (await caller.answer()).status == 200


async def test_a_silent_connection_is_idle_and_not_late(patient: Running, clock: MovedClock) -> None:
    async with raw_caller(patient.port) as caller:
        await caller.send(b"\r\n")  # some clients end a body with one line end too many
        rest = asyncio.ensure_future(caller.rest())
        await pass_time(clock, rest)
        assert await rest == b""
    assert guests(patient).closed == {Closed.IDLE: 1}


async def test_a_body_that_drips_is_answered_408(
    patient: Running, upstream: RawUpstream, clock: MovedClock
) -> None:
    async with raw_caller(patient.port) as caller:
        await caller.send(request(f"POST {MESSAGES}", FORM, "Content-Length: 99", body=b"T"))
        await until(lambda: patient.gateway._handler.in_flight == 1)
        await asyncio.sleep(0.1)
        answering = asyncio.ensure_future(caller.answer())
        while not answering.done():  # each byte in time, all of them not
            await caller.send(b"o")
            clock.advance(0.5)
            await asyncio.sleep(0)
        answer = await answering
        assert answer.slug == "body_timeout"
        assert b"within 8 s" in answer.body
    assert upstream.received == []
    (logged,) = await patient.exchange_logged(1)
    # The caller's slowness is not the gateway's own time.
    assert logged["seconds"] - logged["overhead_seconds"] > 0.05


async def test_who_does_not_read_a_stream_is_cut_off(
    patient: Running, upstream: RawUpstream, clock: MovedClock
) -> None:
    upstream.then(reply(b"x" * 30_000_000))
    async with raw_caller(patient.port, receive_buffer=4096) as caller:
        await caller.send(GET)
        await until_unread(patient)
        clock.advance(6)
        (line,) = await patient.exchange_logged(1)
    assert (line["gateway_error"], line["ending"]) == ("slow_reader", "aborted")
    assert guests(patient).closed[Closed.SLOW_READER] == 1
    await until_alone(patient)


async def test_who_pipelines_without_reading_is_cut_off(
    patient: Running, upstream: RawUpstream, clock: MovedClock
) -> None:
    """Answers of one piece are small, but a thousand of them are not."""
    upstream.otherwise = reply(b"x" * 60_000)
    async with raw_caller(patient.port, receive_buffer=4096) as caller:
        caller.writer.write(GET * 1000)
        await until_unread(patient)
        clock.advance(6)
        await until(lambda: guests(patient).closed[Closed.SLOW_READER] == 1)
        assert len(upstream.received) < 200  # the rest was never sent: its answers would have nowhere to go
    await until_alone(patient)


@asynccontextmanager
async def crowd(port: int, count: int, source: str = "127.0.0.1") -> AsyncIterator[list[RawCaller]]:
    """Connections from one address, each known to the gateway."""
    async with AsyncExitStack() as stack:
        callers = []
        for _ in range(count):
            sock = socket.socket()
            sock.bind((source, 0))
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=sock)
            stack.callback(writer.close)
            callers.append(RawCaller(reader, writer))
        yield callers


async def test_one_connection_too_many_is_told_so(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, callers={"connections": 4}) as gateway:
        async with crowd(gateway.port, 4) as callers:
            for caller in callers:
                await caller.send(GET)
                assert (await caller.answer()).status == 200
            answer = await ask(gateway.port, GET)
            assert (answer.status, answer.slug, answer.value("retry-after")) == (
                503,
                "too_many_connections",
                "1",
            )
            assert answer.value("connection") == "close"
            await callers[0].send(GET)  # who is in stays in
            assert (await callers[0].answer()).status == 200
        await until_alone(gateway)
        assert (await ask(gateway.port, GET)).status == 200


async def test_one_address_does_not_lock_the_others_out(upstream: RawUpstream) -> None:
    async with (
        running_gateway(upstream.url, callers={"connections_per_address": 3}) as gateway,
        crowd(gateway.port, 3, "127.0.0.2") as greedy,
        crowd(gateway.port, 1, "127.0.0.2") as (more,),
    ):
        for caller in greedy:
            await caller.send(GET)
            assert (await caller.answer()).status == 200
        await more.send(GET)
        assert (await more.answer()).slug == "too_many_connections"
        assert (await ask(gateway.port, GET)).status == 200


async def test_a_connection_too_many_that_says_nothing_is_closed_soon(
    clock: MovedClock, upstream: RawUpstream
) -> None:
    async with (
        running_gateway(upstream.url, callers={"connections": 1}) as gateway,
        crowd(gateway.port, 1) as (first,),
    ):
        await first.send(GET)
        assert (await first.answer()).status == 200
        async with raw_caller(gateway.port) as caller:
            rest = asyncio.ensure_future(caller.rest())
            await pass_time(clock, rest)
            assert await rest == b""
        assert guests(gateway).closed[Closed.REFUSED] == 1
