"""The yardstick of tunnels: the least that a server in Python can do for one, and fixed.

uvloop, a protocol of plain bytes, and `ssl.SSLObject` between two memory buffers. It reads nothing: whatever
comes first is taken for CONNECT, whatever comes inside for a request, which goes as it is to one kept
connection, and what comes back is the answer. `python -m tests.bench.bare_tunnel UPSTREAM CHAIN KEY` prints
its URL and serves until it is ended.
"""

import argparse
import asyncio
import ssl
from urllib.parse import urlsplit

import uvloop

from gateway.config.loading.certificate_files import make_server_context

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class _Upstream(asyncio.Protocol):
    """One connection, for one request at a time."""

    transport: asyncio.Transport
    caller: "_Tunnel"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        self.caller.answer(data)


class _Tunnel(asyncio.Protocol):
    """One caller's connection."""

    transport: asyncio.Transport

    def __init__(self, context: ssl.SSLContext, upstream: _Upstream) -> None:
        self._context = context
        self._upstream = upstream
        self._tls: ssl.SSLObject | None = None
        self._secure = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._tls is None:
            self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = self._context.wrap_bio(self._received, self._to_send, server_side=True)
            self.transport.write(_ESTABLISHED)
            return
        self._received.write(data)
        try:
            if not self._secure:
                self._tls.do_handshake()
                self._secure = True
            request = self._tls.read(16_384)
        except ssl.SSLWantReadError:
            if not self._secure:
                self.transport.write(self._to_send.read())
            return
        if not request:
            self.transport.close()
            return
        self._upstream.caller = self
        self._upstream.transport.write(request)

    def answer(self, data: bytes) -> None:
        """What the upstream sent."""
        assert self._tls is not None
        self._tls.write(data)
        self.transport.write(self._to_send.read())


async def serve(upstream: str, chain: str, key: str) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(upstream)
    _, kept = await loop.create_connection(_Upstream, str(parts.hostname), parts.port or 80)
    context = make_server_context()
    context.load_cert_chain(chain, key)
    server = await loop.create_server(lambda: _Tunnel(context, kept), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("upstream", "chain", "key"):
        parser.add_argument(name)
    args = parser.parse_args()
    uvloop.run(serve(args.upstream, args.chain, args.key))


if __name__ == "__main__":
    main()
