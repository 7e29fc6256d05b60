"""A listener of its own for a test of its connections: what it serves, and who calls it."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.errors import GatewayError
from gateway.http.buffered_bytes import BufferedBytes
from gateway.listener.connections import ConnectionLimits
from gateway.listener.listener import Listener
from gateway.listener.request import Request
from gateway.listener.request_parser import HeadLimits
from gateway.listener.tls_context import ListenerTls
from tests.support.running import nobody_connects

MIB = 1 << 20
Handle = Callable[[Request], Awaitable[None]]
GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n"


def reply(request: Request, body: bytes = b"", *, closes: bool = False) -> None:
    """A whole answer: by default the request's target."""
    body = body or request.target.encode()
    request.answer(200, "OK", LENGTH % len(body), body, closes=closes)


async def answer(request: Request) -> None:
    """Echo the target."""
    reply(request)


def refuse(error: GatewayError, address: str) -> bytes:
    """What bytes that are no request are answered with."""
    return b"HTTP/1.0 %d %b\r\n\r\n" % (error.status, error.slug.encode())


class Port:
    """An open listener on a free port; what its loop reported as unhandled is in `unhandled`."""

    def __init__(
        self, handle: Handle, limits: ConnectionLimits | None = None, tls: ListenerTls | None = None
    ) -> None:
        self.buffers = BufferedBytes(1 << 20)
        limits = limits or ConnectionLimits()
        heads = HeadLimits(8192, 64)
        self.listener = Listener("test", handle, refuse, limits, heads, tls, buffers=self.buffers)
        self.unhandled: list[dict[str, Any]] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Port":
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.unhandled.append(context))
        await self.listener.open("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self.writers:
            writer.transport.abort()
        with nobody_connects():
            await self.listener.drain(5)
        gc.collect()
        await asyncio.sleep(0)
        assert self.unhandled == []
        assert self.buffers.used == 0  # whatever was left unread is given back

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A caller."""
        made = await asyncio.open_connection("127.0.0.1", self.listener.port, **options)
        self.writers.append(made[1])
        return made

    async def ask(self, data: bytes) -> bytes:
        """All that comes back until the connection ends."""
        reader, writer = await self.connect()
        writer.write(data)
        async with asyncio.timeout(120):
            return await reader.read()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """The body of an answer with a length."""
    async with asyncio.timeout(120):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)
