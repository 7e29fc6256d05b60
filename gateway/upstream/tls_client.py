"""TLS on a connection to Twilio, by the event loop's own layer, which is kept from reading far ahead.

uvloop's TLS reads up to 256 KiB at once, and up to as much again before it pauses. Of an answer that its
reader leaves unread that is memory for nothing, so both are bounded here (docs/performance.md).
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, cast

_READ_BYTES: Final = 32_768
"""Most encrypted bytes that are read at once, and more than a TLS record may have (RFC 8446 5.2)."""
_LONG_READ_BYTES: Final = 262_144  # of a loop's TLS that is left to itself
_MOST_PAUSED_BYTES: Final = 2 * _READ_BYTES
"""Less than what makes it pause, and the record that OpenSSL has decrypted; one read comes on top."""


class _TlsLayer(Protocol):
    """uvloop's `SSLProtocol`, as far as its transport calls it."""

    buffer_updated: Callable[[int], None]
    connection_lost: Callable[[Exception | None], None]
    eof_received: Callable[[], bool | None]
    pause_writing: Callable[[], None]
    resume_writing: Callable[[], None]

    def get_buffer(self, sizehint: int, /) -> memoryview: ...


class _ShortReads:
    """Sits between a TCP transport and uvloop's TLS, and offers only part of the TLS buffer."""

    __slots__ = (
        "_get_buffer", "buffer_updated", "connection_lost", "eof_received", "pause_writing", "resume_writing",
    )  # fmt: skip

    def __init__(self, layer: _TlsLayer) -> None:
        self._get_buffer = layer.get_buffer
        self.buffer_updated = layer.buffer_updated
        self.connection_lost = layer.connection_lost
        self.eof_received = layer.eof_received
        self.pause_writing = layer.pause_writing
        self.resume_writing = layer.resume_writing

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next encrypted bytes go."""
        return self._get_buffer(sizehint)[:_READ_BYTES]


class Opened(NamedTuple):
    """A transport, and the most bytes that its TLS can have read and not delivered while reading is paused.

    uvloop drops those when the peer closes.
    """

    transport: asyncio.Transport
    held_bytes: int = 0


async def start_tls(raw: asyncio.Transport, context: ssl.SSLContext, host: str, seconds: float) -> Opened:
    """A transport whose bytes cross `raw` encrypted; closes `raw` if that fails.

    Raises `ssl.SSLError`, `TimeoutError` after `seconds`, or another `OSError` if the peer leaves.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        transport = await loop.start_tls(raw, asyncio.Protocol(), context, server_hostname=host)
    if transport is None:
        raise ConnectionResetError
    opened = read_less(transport)
    layer = transport.get_extra_info("uvloop.sslproto")
    if layer is None:
        return opened
    raw.pause_reading()  # one that reads goes on by the protocol it began with
    raw.set_protocol(cast(asyncio.BaseProtocol, _ShortReads(layer)))
    raw.resume_reading()
    return Opened(transport, _MOST_PAUSED_BYTES + _READ_BYTES)


def read_less(transport: asyncio.Transport) -> Opened:
    """Have a TLS transport read no further once it holds a read's worth that was not delivered."""
    tls: Any = transport
    tls.set_read_buffer_limits(_READ_BYTES)
    return Opened(transport, _MOST_PAUSED_BYTES + _LONG_READ_BYTES)
