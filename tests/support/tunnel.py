"""A caller inside a tunnel: CONNECT over a bare socket, then TLS by hand, so that tests cut the segments."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.caller import RawAnswer, RawCaller, raw_caller

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class TunnelRefusedError(Exception):
    """CONNECT was answered by something else."""

    def __init__(self, answer: RawAnswer) -> None:
        super().__init__(answer.head)
        self.answer = answer


class _DecryptedReader(asyncio.StreamReader):
    """Fed by what comes out of TLS."""


class TunnelCaller(RawCaller):
    """Reads and writes inside; `tls` is the client's side of TLS."""

    def __init__(
        self, outer: RawCaller, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None
    ):
        super().__init__(_DecryptedReader(), outer.writer)
        self.outer = outer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
        self._pump: asyncio.Task[None] | None = None

    def hello(self) -> bytes:
        """The ClientHello."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    async def shake_hands(self) -> None:
        """The rest of the handshake. Raises `ssl.SSLError` or `IncompleteReadError`."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
            except ssl.SSLError:
                await self._flush()
                raise
        await self._flush()
        self._pump = asyncio.create_task(self._decrypt())

    async def send(self, data: bytes) -> None:
        """Encrypt and write."""
        self.tls.write(data)
        await self._flush()

    async def close(self) -> None:
        """End reading."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _flush(self) -> None:
        data = self.outgoing.read()
        if data:
            await self.outer.send(data)

    async def _receive(self) -> None:
        async with asyncio.timeout(120):
            data = await self.outer.reader.read(1 << 16)
        if not data:
            raise asyncio.IncompleteReadError(b"", None)
        self.incoming.write(data)

    async def _decrypt(self) -> None:
        """Feed the reader until the connection ends."""
        try:
            while True:
                try:
                    data = self.tls.read(1 << 16)
                except ssl.SSLWantReadError:
                    data = await self.outer.reader.read(1 << 16)
                    if not data:
                        break
                    self.incoming.write(data)
                    continue
                if not data:
                    break
                self.reader.feed_data(data)
        except (ssl.SSLError, ConnectionError):
            pass
        self.reader.feed_eof()


def connect_head(host: str, *fields: str, port: int = 443, version: str = "1.1") -> bytes:
    """A CONNECT as most clients send it."""
    lines = [f"CONNECT {host}:{port} HTTP/{version}", f"Host: {host}:{port}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@asynccontextmanager
async def tunnel(
    port: int,
    context: ssl.SSLContext,
    host: str = "api.twilio.com",
    *fields: str,
    head: bytes | None = None,
    name: str | None = "",
    one_segment: bool = True,
    outer_tls: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> AsyncIterator[TunnelCaller]:
    """A tunnel to `host`, its handshake done for `name` (the same, unless another is given; None for no SNI).

    `one_segment` sends the ClientHello behind CONNECT's head. Raises `TunnelRefusedError`.
    """
    async with raw_caller(port, tls=outer_tls) as outer:
        caller = TunnelCaller(outer, context, host if name == "" else name, session)
        head = connect_head(host, *fields) if head is None else head
        await outer.send(head + caller.hello() if one_segment else head)
        async with asyncio.timeout(120):
            answer = await outer.reader.readuntil(b"\r\n\r\n")
        if answer != ESTABLISHED:
            raise TunnelRefusedError(RawAnswer(answer, b"", b""))
        if not one_segment:
            await outer.send(caller.hello())
        await caller.shake_hands()
        try:
            yield caller
        finally:
            await caller.close()
