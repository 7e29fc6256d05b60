"""Connections kept, expired, waited for in turn, and retired; and why one could not be made."""

import asyncio
from contextlib import suppress

import pytest

from gateway.errors import Refusal
from gateway.upstream.connection_pool import KEEP_ALIVE_SECONDS
from tests.support.loops import Run, on_both_loops
from tests.support.opened_pool import opened, send
from tests.support.unreachable import soon
from tests.support.upstream import answer, gated, raw_upstream


@on_both_loops
def test_who_waits_is_served_first_come_first_served(run: Run) -> None:
    """Nobody who comes later, and finds a connection free, goes first."""

    async def scenario() -> None:
        async with opened(connections=1) as (upstream, pool):
            first = await pool.acquire(upstream.url, soon())
            order: list[int] = []

            async def wait(number: int) -> None:
                connection = await pool.acquire(upstream.url, soon())
                order.append(number)
                await asyncio.sleep(0)
                pool.give_back(connection)

            waiting = [asyncio.create_task(wait(number)) for number in range(5)]
            await asyncio.sleep(0)
            assert pool.waiting == 5
            pool.give_back(first)
            late = asyncio.create_task(wait(5))
            await asyncio.gather(*waiting, late)
            assert (order, pool.idle, upstream.connections) == ([0, 1, 2, 3, 4, 5], 1, 1)

    run(scenario())


@on_both_loops
def test_c1_waiting_too_long_is_queue_timeout(run: Run) -> None:
    """It says nothing about Twilio; its place in the line is given up."""

    async def scenario() -> None:
        async with opened(connections=1) as (upstream, pool):
            held = await pool.acquire(upstream.url, soon())
            with pytest.raises(Refusal, match="queue_timeout"):
                await pool.acquire(upstream.url, soon(0.02))
            cancelled = asyncio.create_task(pool.acquire(upstream.url, soon()))
            await asyncio.sleep(0)
            cancelled.cancel()
            with suppress(asyncio.CancelledError):
                await cancelled
            pool.give_back(held)
            assert (pool.idle, pool.waiting) == (1, 0)

    run(scenario())


@on_both_loops
def test_what_was_granted_to_a_cancelled_wait_goes_to_the_next(run: Run) -> None:
    async def scenario() -> None:
        async with opened(connections=1) as (upstream, pool):
            held = await pool.acquire(upstream.url, soon())
            gone = asyncio.create_task(pool.acquire(upstream.url, soon()))
            next_one = asyncio.create_task(pool.acquire(upstream.url, soon()))
            await asyncio.sleep(0)
            pool.give_back(held)
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            assert await next_one is held
            held.abort()
            assert (pool.size, pool.waiting) == (0, 0)
            held = await pool.acquire(upstream.url, soon())
            gone = asyncio.create_task(pool.acquire(upstream.url, soon()))
            await asyncio.sleep(0)
            held.abort()  # what is granted now is a place to make another
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            assert (pool.size, pool.waiting) == (0, 0)

    run(scenario())


@on_both_loops
def test_a_place_goes_to_another_host(run: Run) -> None:
    """An idle connection, and one that comes back, make room for what the first in line wants."""

    async def scenario() -> None:
        async with opened(connections=1) as (upstream, pool), raw_upstream() as other:
            await send(pool, upstream.url)
            assert pool.idle == 1
            await send(pool, other.url)
            assert (pool.size, other.connections) == (1, 1)
            held = await pool.acquire(other.url, soon())
            waiting = asyncio.create_task(send(pool, upstream.url))
            behind = asyncio.create_task(send(pool, other.url))
            await asyncio.sleep(0)
            pool.give_back(held)
            assert (await waiting).status == 200
            assert len(other.received) == 1  # the second in line waits for the first, whatever it wants
            assert (await behind).status == 200
            assert pool.size == 1

    run(scenario())


@on_both_loops
def test_idle_connections_expire(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen seconds; also when nobody asks for another."""

    async def scenario() -> None:
        async with opened() as (upstream, pool):
            await send(pool, upstream.url)
            planned: object = pool._sweeping
            assert planned is not None  # what is old is looked for without being asked
            (connection,) = pool._connections
            connection.idle_since -= KEEP_ALIVE_SECONDS + 1
            assert pool.take(upstream.url) is None
            assert pool.size == 0
            await send(pool, upstream.url)
            (connection,) = pool._connections
            connection.idle_since -= KEEP_ALIVE_SECONDS + 1
            pool._sweep()
            assert (pool.size, pool._sweeping) == (0, None)
            assert upstream.connections == 2
            await send(pool, upstream.url)
            pool._sweep()
            assert pool.size == 1  # it is fresh, and looked at again
            assert pool._sweeping is not None

    run(scenario())


@on_both_loops
def test_the_freshest_connection_is_taken_first(run: Run) -> None:
    """So that those which are not needed grow old."""

    async def scenario() -> None:
        async with opened() as (upstream, pool):
            first, last = [await pool.acquire(upstream.url, soon()) for _ in range(2)]
            pool.give_back(first)
            pool.give_back(last)
            assert [pool.take(upstream.url) for _ in range(3)] == [last, first, None]

    run(scenario())


@on_both_loops
def test_a_change_of_dns_is_seen_by_the_next_connection(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are asked for again once they are ten seconds old."""

    async def scenario() -> None:
        async with opened() as (upstream, pool):
            asked: list[str] = []
            real = asyncio.get_running_loop().getaddrinfo

            class Clock:
                now = 0.0

            async def getaddrinfo(host: str, *args: object, **options: object) -> object:
                asked.append(host)
                return await real("127.0.0.1", *args, **options)  # type: ignore[arg-type]

            resolver = pool._opener._resolver
            monkeypatch.setattr(
                resolver,
                "_loop",
                type(
                    "Loop",
                    (),
                    {
                        "getaddrinfo": staticmethod(getaddrinfo),
                        "getnameinfo": asyncio.get_running_loop().getnameinfo,
                    },
                )(),
                raising=False,
            )
            monkeypatch.setattr("aiohttp.connector.monotonic", lambda: Clock.now)
            url = upstream.url.replace("127.0.0.1", "moving.test")
            for now, times in ((0.0, 1), (9.0, 1), (11.0, 2)):
                Clock.now = now
                (await pool.acquire(url, soon())).abort()
                assert len(asked) == times

    run(scenario())


@on_both_loops
def test_a_retired_pool_ends_with_its_last_answer(run: Run) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        async with opened(gated(b"", gate, answer(b"late"))) as (upstream, pool):
            sending = asyncio.create_task(send(pool, upstream.url))
            await upstream.arrived()
            await send(pool, upstream.url)
            assert (pool.size, pool.idle) == (2, 1)
            pool.retire()
            ending = asyncio.create_task(pool.close_when_empty())
            await asyncio.sleep(0)
            assert (pool.size, ending.done()) == (1, False)
            gate.set()
            assert (await sending).body == b"late"
            assert pool.size == 0  # at once, and not when it has been idle for long
            await asyncio.wait_for(ending, 60)
            assert pool.size == 0

    run(scenario())
