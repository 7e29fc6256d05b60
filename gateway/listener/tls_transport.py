"""TLS of callers, on a port that speaks it and inside tunnels: a transport over one that carries records.

The event loops' own would not do: `start_tls` takes no bytes that came behind CONNECT's head, and uvloop's
keeps a buffer of 256 KiB for each connection. Between two reads this keeps nothing but OpenSSL's state.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

HANDSHAKE_SECONDS: Final = 10.0
_SHUTDOWN_SECONDS: Final = 2.0
"""How long a caller on a TLS port may take to end its side, too, before the connection is closed."""
_LARGE_BYTES: Final = 32_768
_QUICK_ACK: Final[int] = getattr(socket, "TCP_QUICKACK", 0)  # Linux only
_READ_BYTES: Final = 16_384
"""A TLS record holds no more (RFC 8446 5.1)."""


class InnerConnection(Protocol):
    """What reads inside, and hands over what the outer transport receives."""

    def handshake_done(self, server_name: str | None) -> None:
        """TLS is there; the caller asked for this name (SNI), where the context remembers it."""
        ...

    def receive(self, data: bytes) -> None:
        """Bytes came, decrypted. Never before `handshake_done`."""
        ...


class NamedHandshake(ssl.SSLObject):
    """Remembers which name the client asked for (SNI)."""

    server_name: str | None = None


def remember_server_name(handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    """An `sni_callback`: whatever is asked for, the context's own certificate is shown."""
    if isinstance(handshake, NamedHandshake):
        handshake.server_name = name


class TlsTransport(asyncio.Transport):
    """Between the outer transport and the connection inside.

    In a tunnel that is the connection that read CONNECT, and goes on inside. It stays the outer transport's
    protocol: uvloop would stop and start reading for another one, which is two calls of the kernel more.
    """

    __slots__ = (
        "_closing", "_closing_timer", "_context", "_failed", "_inner", "_outer", "_paused", "_port",
        "_received", "_secure", "_shut", "_tls", "_to_send",
    )  # fmt: skip

    # The base's constructor would only make a dictionary of extra information: that is the outer transport's.
    def __init__(
        self,
        outer: asyncio.Transport,
        context: ssl.SSLContext,
        inner: InnerConnection,
        failed: Callable[[ssl.SSLError], object],
        *,
        port: bool = False,
    ) -> None:
        """`failed` is called if OpenSSL refuses the handshake. `port`: the outer transport is TCP on a port
        that speaks TLS, whose callers may show certificates; else it is a tunnel's."""
        self._outer = outer
        self._context = context
        self._failed = failed
        self._port = port
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self._inner: InnerConnection | None = inner
        self._closing_timer: asyncio.TimerHandle | None = None
        self._secure = False
        self._paused = False
        self._shut = False
        self._closing = False

    def begin(self, received: bytes) -> None:
        """Shake hands; `received` came already."""
        self._outer.resume_reading()
        if received:
            self.decrypt(received)

    # What the connection inside calls, of what its outer transport calls.

    def decrypt(self, data: bytes) -> None:
        """Bytes came, encrypted."""
        if self._shut:
            # Nobody reads them, and OpenSSL takes none behind its close_notify: only that they came.
            if self._inner is not None and not self._closing:
                self._inner.receive(b"")
            return
        if len(data) > _LARGE_BYTES:  # `MemoryBIO` keeps the room that it once needed
            for at in range(0, len(data), _LARGE_BYTES):
                self.decrypt(data[at : at + _LARGE_BYTES])
            return
        self._received.write(data)
        if self._secure:
            self._read()
        else:
            self._shake_hands()

    def lost(self) -> None:
        """The connection has ended, closed by either side."""
        self._closing = True
        self._inner = None  # no cycle of references is left behind
        if self._closing_timer is not None:
            self._closing_timer.cancel()
            self._closing_timer = None

    def _shake_hands(self) -> None:
        inner = self._inner
        if inner is None or self._closing:
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._failed(error)
            self._flush()  # an alert says why
            self._closing = True
            self._outer.close()
            return
        if self._tls.version() != "TLSv1.3":
            self._flush()  # in TLS 1.3 only a ticket is left, which goes out with the first answer
        self._secure = True
        inner.handshake_done(self._tls.server_name if isinstance(self._tls, NamedHandshake) else None)
        if self._received.pending:
            self._read()
        else:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Have the kernel confirm the handshake's end now, not with the first answer (tcp(7), TCP_QUICKACK):
        nothing is sent behind it, and a client without TCP_NODELAY would hold its request back for 40 ms."""
        sock = self._outer.get_extra_info("socket")
        by_tcp = isinstance(self._outer.get_extra_info("peername"), tuple)  # `family` would make an enum
        if _QUICK_ACK and by_tcp and sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _read(self) -> None:
        """Hand over what can be decrypted. Each read takes a whole record, so that OpenSSL holds no rest."""
        tls, received = self._tls, self._received
        try:
            while not self._paused and not self._closing and not self._shut and self._inner is not None:
                data = tls.read(_READ_BYTES)
                if not data:
                    self._end()
                    return
                self._inner.receive(data)
                if not received.pending:
                    return
        except ssl.SSLWantReadError:
            self._flush()  # an answer to a key update (RFC 8446 4.6.3)
        except ssl.SSLZeroReturnError:  # the caller will send nothing more
            self._end()
        except ssl.SSLError:
            self._flush()
            self.abort()

    def _flush(self) -> None:
        data = self._to_send.read()
        if data and not self._outer.is_closing():
            self._outer.write(data)

    # What the connection inside calls to answer.

    def write(self, data: Any) -> None:
        """Send bytes."""
        sent = self._tls.write(data)  # one record at most
        self._outer.write(self._to_send.read())
        while sent < len(data):
            sent += self._tls.write(memoryview(data)[sent:])
            self._outer.write(self._to_send.read())

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send bytes that need not be joined first."""
        self.write(b"".join(list_of_data))

    def pause_reading(self) -> None:
        """Hand nothing over until `resume_reading`."""
        self._paused = True
        self._outer.pause_reading()

    def resume_reading(self) -> None:
        """Go on, first with what was received before."""
        self._paused = False
        self._outer.resume_reading()
        if self._received.pending:
            asyncio.get_running_loop().call_soon(self._read)

    def can_write_eof(self) -> bool:
        """TLS ends each direction by itself (RFC 8446 6.1)."""
        return True

    def write_eof(self) -> None:
        """Nothing more is sent. Of what the caller sends, the connection inside learns only that it came."""
        self._end_tls()
        if self._outer.can_write_eof() and not self._outer.is_closing():
            self._outer.write_eof()

    def _end_tls(self) -> None:
        """Send close_notify (RFC 8446 6.1)."""
        if not self._shut:
            self._shut = True
            self._received.read()  # a record that waits there would fail the connection, which a reset ends
            with suppress(ssl.SSLError):  # the caller has not ended its side yet
                self._tls.unwrap()
            self._flush()

    def close(self) -> None:
        """End the connection once what was written is sent.

        A caller on a port has a moment to end its side, too: what it still sends would be answered by a
        reset, which can destroy what it has not read yet.
        """
        if self._closing:
            return
        if not self._port or self._shut or self._outer.is_closing():
            self._end()
            return
        self._closing = True
        self.write_eof()
        loop = asyncio.get_running_loop()
        self._closing_timer = loop.call_later(_SHUTDOWN_SECONDS, self._outer.close)

    def _end(self) -> None:
        """Close the outer transport once what was written is sent."""
        if not self._closing:
            self._closing = True
            self._end_tls()
            self._outer.close()

    def abort(self) -> None:
        """Break it off."""
        self._closing = True
        self._outer.abort()

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._closing or self._shut or self._outer.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Of the outer transport."""
        self._outer.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes that were written and not sent."""
        return self._outer.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Addresses and socket of the outer transport; of TLS, what holds here."""
        if name == "sslcontext":
            return self._context
        if name == "ssl_object":
            return self._tls
        if name == "peercert" and self._port:
            return self._tls.getpeercert() or default
        if name in ("peercert", "cipher", "compression"):
            return default
        return self._outer.get_extra_info(name, default)
