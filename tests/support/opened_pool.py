"""A pool that leads to a scripted upstream, and one exchange on a connection of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.http.response import Response
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.sending import Sending
from tests.support.upstream import (
    RawUpstream,
    Step,
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
