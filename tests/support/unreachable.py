"""Servers that make no connection, or a bad one, and the reason that the pool gives for it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import pytest
import trustme

from gateway.errors import FailurePhase, UpstreamFailure
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.upstream_failures import REASONS
from tests.support.opened_pool import FAR


def soon(seconds: float = FAR) -> float:
    return asyncio.get_running_loop().time() + seconds


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
