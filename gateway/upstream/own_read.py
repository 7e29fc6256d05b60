"""One GET of the gateway's own to Twilio, with one key, over the pool that attempts use."""

import asyncio
from typing import Final

from gateway.consumers.credentials import ApiKey
from gateway.http.response import Response
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.sending import Sending

JSON: Final = b"application/json"


async def read_once(
    pool: ConnectionPool,
    origin: str,
    host: str,
    target: str,
    key: ApiKey,
    *,
    deadline: float | None = None,
    accept: bytes = JSON,
) -> Response:
    """The answer, its body up to what is buffered; close it. Raises `UpstreamFailure` or `Refusal`.

    `deadline` is the loop's clock; by default as long as an attempt may take.
    """
    head = b"GET %b HTTP/1.1\r\nHost: %b\r\nAccept: %b\r\nAuthorization: %b\r\n\r\n"
    options = pool.options
    if deadline is None:
        deadline = asyncio.get_running_loop().time() + options.deadline_seconds
    connection = await pool.acquire(origin, deadline)
    return await connection.exchange(
        Sending(
            head % (target.encode("ascii"), host.encode("ascii"), accept, key.authorization),
            to_head=False,
            deadline=deadline,
            idle_seconds=options.idle_seconds,
            whole=True,
        )
    )
