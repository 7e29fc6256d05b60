"""A port that leads into tunnels: what is written to it in plain text arrives inside one, and back.

For programs that speak plain HTTP only, such as those which send corpora of bytes.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.tunnel import ESTABLISHED, connect_head


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, old: bytes = b"", new: bytes = b""
) -> None:
    """Copy until the source ends, then end the sink as it did. `old` becomes `new` on the way.

    What a sink no longer takes is read and dropped: its answer may still be on the way back, and a reset
    would overtake it (RFC 9112 9.6).
    """
    takes = True
    try:
        while data := await source.read(1 << 16):
            try:
                if takes:
                    sink.write(data.replace(old, new) if old else data)
                    await sink.drain()
            except (ConnectionError, ssl.SSLError):
                takes = False
    except (ConnectionError, ssl.SSLError):
        sink.transport.abort()
        return
    if sink.can_write_eof():
        sink.write_eof()
    else:
        sink.close()


@asynccontextmanager
async def tunnel_relay(gateway: str, trusting: ssl.SSLContext, host: str) -> AsyncIterator[str]:
    """`gateway` is its `host:port`. Yields the relay's own, which becomes `host` where it stands in Host."""
    address, _, port = gateway.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(address, int(port))
        try:
            outer.write(connect_head(host))
            assert await inner.readexactly(len(ESTABLISHED)) == ESTABLISHED
            await outer.start_tls(trusting, server_hostname=host)
            names = f"Host: {own}\r".encode(), f"Host: {host}\r".encode()
            await asyncio.gather(_pump(reader, outer, *names), _pump(inner, writer))
        finally:
            outer.close()
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    own = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield own
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
