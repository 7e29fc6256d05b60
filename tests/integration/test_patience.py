"""Callers that are slow, silent or too many, on real sockets: answered or cut off, and all is given back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.listener.connections import Closed, ConnectionTracker
from tests.support.attempts import until
from tests.support.caller import FORM, MESSAGES, RawCaller, ask, raw_caller, request
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, reply

GET = request(f"GET {MESSAGES}")
SHORT = {
    "head_seconds": 0.3,
    "idle_seconds": 0.6,
    "body_seconds": 0.5,
    "body_total_seconds": 0.8,
    "write_seconds": 0.5,
}


@pytest.fixture
async def strict(upstream: RawUpstream) -> AsyncIterator[Running]:
    """A gateway without patience."""
    async with running_gateway(upstream.url, callers=SHORT) as gateway:
        yield gateway


def guests(gateway: Running) -> ConnectionTracker:
    """The counts of its data port."""
    return gateway.gateway.listener.tracker


async def until_alone(gateway: Running) -> None:
    """Wait until no connection is open any more."""
    await until(lambda: guests(gateway).open == 0)


async def test_a_head_that_drips_is_answered_408(strict: Running) -> None:
    async with raw_caller(strict.port) as caller:
        await caller.send(GET[:40])
        answer = await caller.answer()
        assert (answer.status, answer.slug) == (408, "head_timeout")
        assert await caller.rest() == b""
    assert guests(strict).closed[Closed.HEAD_TIMEOUT] == 1
    (line,) = await strict.exchange_logged(1)
    assert line["gateway_error"] == "head_timeout"


async def test_bytes_that_come_one_by_one_win_no_time(strict: Running) -> None:
    async with raw_caller(strict.port) as caller:
        answering = asyncio.ensure_future(caller.answer())
        for byte in GET[:60]:
            if answering.done():
                break
            await caller.send(bytes([byte]))
            await asyncio.wait((answering,), timeout=0.02)
        assert (await answering).slug == "head_timeout"


async def test_the_next_head_on_a_connection_has_its_own_time(strict: Running) -> None:
    async with raw_caller(strict.port) as caller:
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        await caller.send(GET[:40])
        assert (await caller.answer()).slug == "head_timeout"


async def test_a_head_in_two_pieces_is_in_time(strict: Running) -> None:
    async with raw_caller(strict.port) as caller:
        for _ in range(2):
            await caller.send(GET[:40])
            await caller.send(GET[40:])
            assert (await caller.answer()).status == 200


async def test_a_silent_connection_is_idle_and_not_late(strict: Running) -> None:
    async with raw_caller(strict.port) as caller:
        await caller.send(b"\r\n")  # some clients end a body with one line end too many
        assert await caller.rest() == b""
    assert guests(strict).closed == {Closed.IDLE: 1}


async def test_a_body_that_drips_is_answered_408(strict: Running, upstream: RawUpstream) -> None:
    async with raw_caller(strict.port) as caller:
        await caller.send(request(f"POST {MESSAGES}", FORM, "Content-Length: 99", body=b"T"))
        answering = asyncio.ensure_future(caller.answer())
        while not answering.done():  # each byte in time, all of them not
            await caller.send(b"o")
            await asyncio.wait((answering,), timeout=0.1)
        assert (await answering).slug == "body_timeout"
    assert upstream.received == []
    (logged,) = await strict.exchange_logged(1)
    assert logged["seconds"] > 0.5
    assert logged["overhead_seconds"] < 0.3  # the caller's slowness is not the gateway's own time


async def test_who_does_not_read_a_stream_is_cut_off(strict: Running, upstream: RawUpstream) -> None:
    upstream.then(reply(b"x" * 30_000_000))
    async with raw_caller(strict.port, receive_buffer=4096) as caller:
        await caller.send(GET)
        (line,) = await strict.exchange_logged(1)
    assert (line["gateway_error"], line["ending"]) == ("slow_reader", "aborted")
    assert guests(strict).closed[Closed.SLOW_READER] == 1
    await until_alone(strict)


async def test_who_pipelines_without_reading_is_cut_off(strict: Running, upstream: RawUpstream) -> None:
    """Answers of one piece are small, but a thousand of them are not."""
    upstream.otherwise = reply(b"x" * 60_000)
    async with raw_caller(strict.port, receive_buffer=4096) as caller:
        caller.writer.write(GET * 1000)
        await until(lambda: guests(strict).closed[Closed.SLOW_READER] == 1)
        assert len(upstream.received) < 200  # the rest was never sent: its answers would have nowhere to go
    await until_alone(strict)


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


async def test_a_connection_too_many_that_says_nothing_is_closed_soon(upstream: RawUpstream) -> None:
    async with (
        running_gateway(upstream.url, callers={"connections": 1}) as gateway,
        crowd(gateway.port, 1) as (first,),
    ):
        await first.send(GET)
        assert (await first.answer()).status == 200
        async with raw_caller(gateway.port) as caller:
            assert await caller.rest() == b""
        assert guests(gateway).closed[Closed.REFUSED] == 1
