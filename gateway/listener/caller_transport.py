"""The sending side of a caller's connection, and what is known of the caller at its other end."""

import asyncio
import select
import socket
import struct
from collections.abc import Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import Refusal
from gateway.http.buffered_bytes import BufferedBytes
from gateway.http.tunnel import Tunnel
from gateway.identity.client_certificates import PeerCertificate, read_certificate
from gateway.listener.connection_timer import ConnectionTimer
from gateway.listener.connections import (
    Closed,
    ConnectionTracker,
    has_taken_all,
    name_address,
    watch_hang_up,
)
from gateway.listener.tls_context import ListenerTls

if TYPE_CHECKING:
    from gateway.listener.tunnels import OpenTunnel

_WRITE_BUFFER_BYTES: Final = 16_384
"""With more unsent, writing waits for the caller."""
_STREAM_BUFFER_BYTES: Final = 1
"""The same from the first streamed answer on: the last write is then all that a caller costs that reads
nothing."""
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
"""Byte for byte: Twilio's SDK for PHP looks for this reason phrase (docs/facts.md)."""
_REFUSED_SECONDS: Final = 2.0
"""How long a connection over the limit stays open, so that it can be answered 503."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER
_GONE: Final = "the caller is gone"


class CallerTransport:
    """Lives as long as its connection; requests of the connection write to it one after the other."""

    __slots__ = (
        "_drained", "_hang_up", "_paused", "_reading_paused", "_timer", "_tls", "_tracker", "_transport",
        "_unread", "address", "buffers", "cancels", "certificate", "client_terms", "gone", "opening",
        "refused", "remote", "secure", "shakes_hands", "task", "too_slow", "tunnel",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        timer: ConnectionTimer,
        tracker: ConnectionTracker,
        buffers: BufferedBytes,
        tls: ListenerTls | None = None,
    ) -> None:
        self.buffers = buffers
        """Where what it leaves unread, and what is held for its requests, is counted."""
        self._unread = 0
        self._transport = transport
        self._timer = timer
        self._tracker = tracker
        self._tls = tls
        self._paused = False
        self._reading_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._hang_up: select.poll | None = None  # made when it is asked for
        self.task: asyncio.Task[None] | None = None
        """Of the request that is handled."""
        self.cancels = False
        """Whether that task is cancelled when the caller disconnects."""
        self.refused = False
        """Whether the connection is over the limit: its first request is answered 503."""
        self.gone = False
        """The caller has disconnected, or has closed its sending side, which cannot be told apart here."""
        self.opening: OpenTunnel | None = None
        """The tunnel that a CONNECT of this connection has just opened."""
        self.tunnel: OpenTunnel | None = None
        """The tunnel that this connection is inside of."""
        self.shakes_hands = False
        """TLS inside the tunnel is not there yet."""
        self.too_slow = False
        """It was cut off because the caller left its answer unread."""
        peername = transport.get_extra_info("peername")
        self.address = name_address(peername)
        """What connections are counted by: the address, or of IPv6 its /64; '' for a Unix socket."""
        self.remote = str(peername[0]) if isinstance(peername, tuple) else ""
        """The caller's address, '' for a Unix socket."""
        context = transport.get_extra_info("sslcontext")
        self.secure = context is not None
        self.client_terms = 0 if tls is None else tls.client_terms if context is tls.context else -1
        """What held for client certificates when its handshake began; -1 if a reload came in between."""
        shown = transport.get_extra_info("peercert") if self.secure else None
        self.certificate: PeerCertificate | None = read_certificate(shown) if shown else None
        """What the caller showed in the handshake, which has verified it."""

    def bound_unsent(self) -> None:
        """From now on `pause` and `resume` are called. Not earlier: a TLS session ticket holds the whole
        certificate of the caller, so that more than the bound may be unsent when the handshake ends."""
        self._transport.set_write_buffer_limits(_WRITE_BUFFER_BYTES)

    def accept_tunnel(self, opened: "OpenTunnel") -> None:
        """Answer CONNECT: TLS follows. Raises `ConnectionResetError` if the caller has disconnected."""
        try:
            self.write(_ESTABLISHED)
        except ConnectionResetError:
            opened.end()
            raise
        self.opening = opened

    def go_inside(self, transport: asyncio.Transport) -> None:
        """Go on inside the tunnel that opens, identified by what the caller showed outside."""
        self._transport = transport
        self.tunnel, self.opening = self.opening, None
        self.secure = self.shakes_hands = True
        self._reading_paused = False

    def go_on(self, server_name: str | None) -> None:
        """TLS is there inside the tunnel, and the caller asked for this name (SNI)."""
        self.shakes_hands = False
        if self.tunnel is not None:
            self.tunnel.named(server_name)

    def idle_seconds(self, now: float) -> float:
        """How long it may be silent before its next head; `now` is the loop's clock."""
        if self.refused:
            return _REFUSED_SECONDS
        limit = self._tracker.limits.idle_seconds
        return limit if self.tunnel is None else self.tunnel.within(limit, now)

    def head_seconds(self, now: float) -> float:
        """How long the rest of a head may take; not less than what it may be silent: then it is idle."""
        if self.refused:
            return _REFUSED_SECONDS
        limit = self._tracker.limits.head_seconds
        return limit if self.tunnel is None else self.tunnel.within(limit, now)

    def start_task(
        self, serving: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, context: Context
    ) -> None:
        """Have a request handled. Made here and with a name: by the loop, which has it make up a name, a task
        would cost a third more."""
        self.task = asyncio.Task(serving, loop=loop, name="request", context=context)

    def require_room(self) -> None:
        """Raise `Refusal` if the connection is over the limit."""
        if self.refused:
            raise Refusal(
                "too_many_connections",
                "Too many connections are open; keep fewer, reuse them, and try again shortly.",
                closes=True,
                headers=(("Retry-After", "1"),),
            )

    @property
    def proofs(self) -> tuple[PeerCertificate | None, Tunnel | None]:
        """What the connection says of who calls: its client certificate, and the tunnel around it."""
        return self.certificate, None if self.tunnel is None else self.tunnel.tunnel

    @property
    def outdated(self) -> bool:
        """Whether client certificates are verified otherwise than when this connection was made."""
        return self._tls is not None and self._tls.client_terms != self.client_terms

    @property
    def local_address(self) -> Any:
        """The (address, port, …) that the caller connected to."""
        return self._transport.get_extra_info("sockname")

    @property
    def closing(self) -> bool:
        """Whether nothing more can be written."""
        return self.gone or self._transport.is_closing()

    @property
    def paused(self) -> bool:
        """Whether a writer should call `drain` before it writes more."""
        return self._paused

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        if not self._reading_paused and not self.closing:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on receiving."""
        if self._reading_paused and not self.closing:
            self._reading_paused = False
            self._transport.resume_reading()

    @property
    def was_there(self) -> bool:
        """Whether the caller was connected when the last bytes were written; to be asked right after that."""
        if self.closing:
            return False
        seen = self._see_hang_up()
        return not seen or has_taken_all(self._transport, seen[0][1])

    @property
    def has_left(self) -> bool:
        """Whether the caller has disconnected by now, though the event loop may not have noticed yet."""
        return self.closing or bool(self._see_hang_up())

    @property
    def sent_all(self) -> bool:
        """Whether nothing that was written is left to be sent."""
        return not self._transport.get_write_buffer_size()

    def expect_stream(self) -> None:
        """An answer follows that is written as it comes."""
        self._transport.set_write_buffer_limits(_STREAM_BUFFER_BYTES)

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes. Raises `ConnectionResetError` if the caller has disconnected."""
        if self.gone or self._transport.is_closing():
            raise ConnectionResetError(_GONE)
        self._transport.write(data)

    def write_parts(self, *parts: bytes | memoryview) -> None:
        """Send bytes that need not be joined first. Raises as `write`."""
        if self.gone or self._transport.is_closing():
            raise ConnectionResetError(_GONE)
        self._transport.writelines(parts)

    async def drain(self) -> None:
        """Wait until the caller has taken most of what was written. Raises `ConnectionResetError`.

        A caller that takes longer than `write_seconds` is cut off.
        """
        if not self._paused or self.gone:
            return
        self._drained = asyncio.get_running_loop().create_future()
        self._timer.set(self._tracker.limits.write_seconds, self._cut_off)
        try:
            await self._drained
        finally:
            self._drained = None
            self._timer.clear()

    def abort(self, *, reset: bool = False) -> None:
        """Break the connection off, so that what was sent of an answer cannot pass for all of it.

        `reset` makes sure that the caller sees a reset, where the connection's end would be the answer's.
        """
        if self.gone:
            return
        sock = self._transport.get_extra_info("socket") if reset else None
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def lost(self) -> None:
        """The connection has ended, closed by either side."""
        self.gone = True
        self._hang_up = None
        self.buffers.used -= self._unread
        self._unread = 0
        self._wake(ConnectionResetError(_GONE))
        tunnel = self.tunnel or self.opening
        if tunnel is not None:
            tunnel.end()
        if self.cancels and self.task is not None:
            self.task.cancel()

    def _see_hang_up(self) -> list[tuple[int, int]]:
        if self._hang_up is None:
            self._hang_up = watch_hang_up(self._transport)
        return self._hang_up.poll(0) if self._hang_up is not None else []

    def pause(self) -> None:
        """The caller does not read as fast as we write. Nothing more is written until it has caught up."""
        self._paused = True
        self._unread = self._transport.get_write_buffer_size()
        self.buffers.used += self._unread

    def resume(self) -> None:
        """It caught up."""
        self._paused = False
        self.buffers.used -= self._unread
        self._unread = 0
        self._wake(None)

    def _wake(self, error: Exception | None) -> None:
        waiter = self._drained
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)

    def _cut_off(self) -> None:
        self.too_slow = True
        self._tracker.closed[Closed.SLOW_READER] += 1
        self._wake(ConnectionResetError("the caller does not read its answer"))
        self._transport.abort()
