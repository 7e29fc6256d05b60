"""How long one read from Twilio takes, up to the write to the caller: timed around its protocol."""

import asyncio
import time
from typing import Any, cast

from yarl import URL

from gateway.upstream.connection_opener import ConnectionOpener
from gateway.upstream.tls_client import Opened


class Pieces:
    """CPU seconds of the longest single read from Twilio since it was last set to 0: what compiled code does
    in one run, without giving up the interpreter's lock.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        pieces, opening = self, ConnectionOpener.open

        async def open_timed(self: ConnectionOpener, origin: URL, deadline: float) -> Opened:
            opened = await opening(self, origin, deadline)
            timed = _TimedTransport(opened.transport, pieces)
            return opened._replace(transport=cast(asyncio.Transport, timed))

        ConnectionOpener.open = open_timed  # type: ignore[method-assign]


class _TimedTransport:
    """Has the protocol that it is given called by way of a clock."""

    def __init__(self, transport: asyncio.Transport, pieces: Pieces) -> None:
        self._transport = transport
        self._pieces = pieces

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def set_protocol(self, protocol: asyncio.BufferedProtocol) -> None:
        self._transport.set_protocol(_TimedProtocol(protocol, self._pieces))


class _TimedProtocol(asyncio.BufferedProtocol):
    def __init__(self, protocol: asyncio.BufferedProtocol, pieces: Pieces) -> None:
        self._read = protocol.buffer_updated
        self._pieces = pieces
        for name in ("get_buffer", "eof_received", "connection_lost", "pause_writing", "resume_writing"):
            setattr(self, name, getattr(protocol, name))

    def buffer_updated(self, nbytes: int) -> None:
        began = time.thread_time()
        self._read(nbytes)
        self._pieces.longest = max(self._pieces.longest, time.thread_time() - began)
