"""TLS inside a tunnel: a protocol to the caller's transport, and a transport to the connection inside.

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
_UNIX: Final = getattr(socket, "AF_UNIX", None)
_READ_BYTES: Final = 16_384
"""A TLS record holds no more (RFC 8446 5.1)."""


class InnerConnection(Protocol):
    """What reads and answers inside: the part of `asyncio.Protocol` that is used, and one call more."""

    def handshake_done(self) -> None:
        """TLS is there. Of the others only `connection_lost` may be called before."""
        ...

    def data_received(self, data: bytes) -> None:
        """Bytes came, decrypted."""
        ...

    def eof_received(self) -> object:
        """The caller closed its sending side."""
        ...

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        ...

    def pause_writing(self) -> None:
        """The caller does not read as fast as we write."""
        ...

    def resume_writing(self) -> None:
        """It caught up."""
        ...


class NamedHandshake(ssl.SSLObject):
    """Remembers which name the client asked for (SNI)."""

    server_name: str | None = None


def remember_server_name(handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    """An `sni_callback`: whatever is asked for, the context's own certificate is shown."""
    if isinstance(handshake, NamedHandshake):
        handshake.server_name = name


class TunnelTransport(asyncio.Transport):
    """`begin` takes the transport over from the connection that read CONNECT, and that goes on inside."""

    def __init__(self, outer: asyncio.Transport, opened: OpenTunnel, inner: InnerConnection) -> None:
        super().__init__()
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
        self._outer.set_protocol(self)  # type: ignore[arg-type] # it has the methods of one
        self._outer.resume_reading()
        if received:
            self.data_received(received)

    # What the outer transport calls.

    def data_received(self, data: bytes) -> None:
        """Bytes came, encrypted."""
        if (
            self._shut
        ):  # nobody reads them, and OpenSSL takes none behind its close_notify: only that they came
            if self._inner is not None and not self._closing:
                self._inner.data_received(b"")
            return
        if len(data) > _LARGE_BYTES:  # `MemoryBIO` keeps the room that it once needed
            for at in range(0, len(data), _LARGE_BYTES):
                self.data_received(data[at : at + _LARGE_BYTES])
            return
        self._received.write(data)
        if self._secure:
            self._read()
        else:
            self._shake_hands()

    def eof_received(self) -> None:
        """The caller closed its sending side without TLS's own end: the transport closes, too."""
        if self._inner is not None and self._secure:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        """The caller does not read as fast as we write."""
        if self._inner is not None and self._secure:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It caught up."""
        if self._inner is not None and self._secure:
            self._inner.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone, by either side."""
        self._closing = True
        inner, self._inner = self._inner, None  # no cycle of references is left behind
        if inner is not None:
            inner.connection_lost(exc)

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
        if (
            self._tls.version() != "TLSv1.3"
        ):  # there, only tickets are left, which go out with the first answer
            self._flush()
        self._secure = True
        self._opened.named(self._tls.server_name if isinstance(self._tls, NamedHandshake) else None)
        inner.handshake_done()
        if self._received.pending or self._tls.pending():
            self._read()
        else:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Have the kernel confirm the handshake's end now, not with the first answer (tcp(7), TCP_QUICKACK):
        nothing is sent behind it, and a client without TCP_NODELAY would hold its request back for 40 ms."""
        sock = self._outer.get_extra_info("socket")
        if _QUICK_ACK and sock is not None and sock.fileno() >= 0 and sock.family != _UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _read(self) -> None:
        """Hand over what can be decrypted."""
        tls, received = self._tls, self._received
        try:
            while not self._paused and not self._closing and not self._shut and self._inner is not None:
                data = tls.read(_READ_BYTES)
                if not data:
                    self._end()
                    return
                self._inner.data_received(data)
                if not received.pending and not tls.pending():
                    return
        except ssl.SSLWantReadError:
            self._flush()  # an answer to a key update (RFC 8446 4.6.3)
        except ssl.SSLZeroReturnError:
            self._end()
        except ssl.SSLError:
            self._flush()
            self.abort()

    def _end(self) -> None:
        """The caller will send nothing more."""
        if self._inner is not None:
            self._inner.eof_received()
        self.close()

    def _flush(self) -> None:
        data = self._to_send.read()
        if data and not self._outer.is_closing():
            self._outer.write(data)

    # What the connection inside calls.

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
        if self._received.pending or self._tls.pending():
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
