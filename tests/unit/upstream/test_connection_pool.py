"""Connections kept, expired, waited for in turn, and retired; and why one could not be made."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import trustme
import uvloop
from yarl import URL

from gateway.errors import FailurePhase, Refusal, UpstreamFailure
from gateway.upstream.connection_opener import TransportOptions, make_tls_context
from gateway.upstream.connection_pool import KEEP_ALIVE_SECONDS, ConnectionPool
from gateway.upstream.upstream_failures import REASONS
from tests.support.loops import Run, on_both_loops
from tests.support.upstream import answer, gated, raw_upstream
from tests.unit.upstream.test_upstream_connection import FAR, opened, read_all, send


def soon(seconds: float = FAR) -> float:
    return asyncio.get_running_loop().time() + seconds


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
            await asyncio.sleep(0)
            pool.give_back(held)
            assert (await waiting).status == 200
            assert pool.size == 1

    run(scenario())


@on_both_loops
def test_idle_connections_expire(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen seconds; also when nobody asks for another."""

    async def scenario() -> None:
        async with opened() as (upstream, pool):
            await send(pool, upstream.url)
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
            await asyncio.wait_for(ending, 60)
            assert pool.size == 0

    run(scenario())


def tls_server(
    ca: trustme.CA, *names: str, common_name: str | None = None, expires: datetime | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names, common_name=common_name, not_after=expires).configure_cert(context)
    return context


async def reason(url: str, **options: object) -> str:
    """Why no connection can be made."""
    pool = ConnectionPool(TransportOptions(**options))  # type: ignore[arg-type]
    try:
        with pytest.raises(UpstreamFailure) as failed:
            await pool.acquire(url, soon(10))
        assert (failed.value.slug, failed.value.phase) == ("upstream_unreachable", FailurePhase.CONNECT)
        assert failed.value.reason in REASONS
        assert pool.size == 0
        return failed.value.reason
    finally:
        await pool.close()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Listen until the other side goes."""
    await reader.read()


def answering(line: bytes) -> Serve:
    """A proxy that answers every CONNECT with one line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % line)
        await writer.drain()

    return serve


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that closes all that it accepted; 'host:port'."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(asyncio.IncompleteReadError, OSError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        for writer in writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@on_both_loops
def test_d4_why_nothing_can_be_reached(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("ca")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    async def scenario() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{closed.getsockname()[1]}"
            assert await reason(f"http://{nobody}") == "refused"
            assert await reason("https://x.test", proxy=URL(f"http://{nobody}")) == "proxy_unreachable"
        assert await reason("https://no-such-name.invalid") == "dns"
        for line, said in (
            (b"407 Proxy Authentication Required", "proxy_authentication"),
            (b"403 Forbidden", "proxy_forbidden"),
            (b"502 Bad Gateway", "proxy_refused"),
        ):
            async with listening(answering(line)) as proxy:
                assert await reason("https://x.test", proxy=URL(f"http://{proxy}")) == said

    run(scenario())


@on_both_loops
def test_d4_certificates(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also B10: a common name is no name."""
    ca, other = trustme.CA(), trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))

    async def scenario() -> None:
        async def refuse(context: ssl.SSLContext) -> str:
            async with listening(say_nothing, context) as host:
                return await reason(f"https://{host}", ca_file=str(file))

        assert await refuse(tls_server(other, "localhost")) == "certificate_untrusted"
        assert await refuse(tls_server(ca, "other.test")) == "certificate_name"
        assert await refuse(tls_server(ca, "other.test", common_name="localhost")) == "certificate_name"
        expired = tls_server(ca, "localhost", expires=datetime(2020, 1, 2, tzinfo=UTC))
        assert await refuse(expired) == "certificate_expired"
        async with listening(answering(b"400 Not TLS")) as host:
            assert await reason(f"https://{host}", ca_file=str(file), connect_seconds=0.2) in (
                "tls",
                "timeout",
            )

    run(scenario())


def test_b10_a_common_name_is_no_name() -> None:
    assert make_tls_context(None).hostname_checks_common_name is False


@on_both_loops
def test_a_connection_that_does_not_come_is_a_timeout(run: Run) -> None:
    """`connect_seconds` bounds it, and the attempt's deadline where that is sooner."""

    async def scenario() -> None:
        async with listening(say_nothing) as host:
            url = f"https://{host.replace('localhost', '127.0.0.1')}"  # a name may be looked up for too long
            assert await reason(url, connect_seconds=0.1) == "timeout"
            pool = ConnectionPool(TransportOptions(connect_seconds=60))
            with pytest.raises(UpstreamFailure) as failed:
                await pool.acquire(url, soon(0.1))
            assert failed.value.reason == "timeout"
            await pool.close()

    run(scenario())


async def answer_without_length(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, notify: bool
) -> None:
    """One answer; with `notify` it ends as TLS asks for it."""
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(3)
    writer.transport.set_write_buffer_limits(0)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    await writer.drain()
    if not notify:
        writer.transport.abort()  # the end of TCP, and nothing of TLS


@pytest.mark.parametrize(
    ("loop", "notify"),
    [(asyncio.run, True), (uvloop.run, True), (uvloop.run, False)],
    ids=["asyncio", "uvloop", "cut"],
)
def test_b10_a_tls_answer_without_length_ends_by_close_notify(
    loop: Run, notify: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """uvloop tells a bare end of TCP from it; asyncio cannot, as documented."""
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))

    async def scenario() -> None:
        serve = partial(answer_without_length, notify=notify)
        async with listening(serve, tls_server(ca, "localhost")) as host:
            pool = ConnectionPool(TransportOptions(ca_file=str(file)))
            if notify:
                assert await read_all(await send(pool, f"https://{host}", whole=True)) == b"all of it"
            else:
                with pytest.raises(UpstreamFailure, match="upstream_unreadable"):
                    await send(pool, f"https://{host}", whole=True)
            assert pool.size == 0
            await pool.close()

    loop(scenario())
