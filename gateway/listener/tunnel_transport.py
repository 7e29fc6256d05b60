"""TLS inside a tunnel: a transport to the caller's connection, which hands over what its own one receives.

`loop.start_tls` would not do: it takes no bytes that came behind CONNECT's head in the same segment, and
keeps a buffer of 256 KiB for each connection. Between two reads this keeps nothing but OpenSSL's state.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

from gateway.listener.tunnels import OpenTunnel

HANDSHAKE_SECONDS: Final = 10.0
_LARGE_BYTES: Final = 32_768
_QUICK_ACK: Final[int] = getattr(socket, "TCP_QUICKACK", 0)  # Linux only
_READ_BYTES: Final = 16_384
"""A TLS record holds no more (RFC 8446 5.1)."""


class InnerConnection(Protocol):
    """What reads inside, and hands over what the outer transport receives."""

    def handshake_done(self) -> None:
        """TLS is there."""
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


class TunnelTransport(asyncio.Transport):
    """Between the outer transport and the connection that read CONNECT, which goes on inside.

    That connection stays the outer transport's protocol: uvloop would stop and start reading for another one,
    which is two calls of the kernel more.
    """

    __slots__ = (
        "_closing", "_inner", "_opened", "_outer", "_paused", "_received", "_secure", "_shut", "_tls",
        "_to_send",
    )  # fmt: skip

    # The base's constructor would only make a dictionary of extra information: that is the outer transport's.
    def __init__(self, outer: asyncio.Transport, opened: OpenTunnel, inner: InnerConnection) -> None:
        self._outer = outer
        self._opened = opened
        context = opened.context
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self._inner: InnerConnection | None = inner
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
            self._opened.failed(error)
            self._flush()  # an alert says why
            self._closing = True
            self._outer.close()
            return
        if self._tls.version() != "TLSv1.3":
            self._flush()  # in TLS 1.3 only a ticket is left, which goes out with the first answer
        self._secure = True
        self._opened.named(self._tls.server_name if isinstance(self._tls, NamedHandshake) else None)
        inner.handshake_done()
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
                    self.close()
                    return
                self._inner.receive(data)
                if not received.pending:
                    return
        except ssl.SSLWantReadError:
            self._flush()  # an answer to a key update (RFC 8446 4.6.3)
        except ssl.SSLZeroReturnError:  # the caller will send nothing more
            self.close()
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
        """End the connection once what was written is sent."""
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
        """Addresses and socket of the outer transport; of TLS, what holds inside, without a certificate."""
        if name == "sslcontext":
            return self._opened.context
        if name == "ssl_object":
            return self._tls
        if name in ("peercert", "cipher", "compression"):
            return default
        return self._outer.get_extra_info(name, default)
