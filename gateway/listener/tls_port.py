"""A port that speaks TLS: shakes hands with a caller, whose connection begins when that is done.

The address is known before the handshake, so that handshakes are bounded by it, and one that was given up is
noticed. A connection is counted, and its limits hold, from the end of the handshake on.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from gateway.listener.connections import name_address
from gateway.listener.tls_context import ListenerTls
from gateway.listener.tls_transport import HANDSHAKE_SECONDS, TlsTransport


class TlsPort:
    """The handshakes of one listener that are under way, on its loop."""

    def __init__(
        self, tls: ListenerTls, make: Callable[[], asyncio.Protocol], loop: asyncio.AbstractEventLoop
    ) -> None:
        """`make` is called once a handshake is done, and gives what reads inside."""
        self.tls = tls
        self.make = make
        self._loop = loop
        self._until: dict[SecuredConnection, float] = {}  # the oldest first, by the loop's clock
        self._timer: asyncio.TimerHandle | None = None

    def accept(self) -> asyncio.Protocol:
        """The protocol of a connection that is accepted."""
        return SecuredConnection(self)

    def cut(self) -> None:
        """Give up handshakes that have begun."""
        for each in list(self._until):
            each.give_up()

    def begin(self, connection: "SecuredConnection") -> None:
        """Its handshake begins."""
        until = self._loop.time() + HANDSHAKE_SECONDS
        self._until[connection] = until
        if self._timer is None:  # one for all: what began first is late first
            self._timer = self._loop.call_at(until, self._look)

    def end(self, connection: "SecuredConnection") -> None:
        """It is done, refused or abandoned. A second call does nothing."""
        if self._until.pop(connection, None) is not None:
            self.tls.end(connection.address)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for each, until in list(self._until.items()):
            if until > now:
                self._timer = self._loop.call_at(until, self._look)
                return
            each.give_up()


class SecuredConnection(asyncio.Protocol):
    """Of the outer transport: it shakes hands, and then hands over what it receives, decrypted."""

    __slots__ = ("_connection", "_port", "_transport", "address")

    _transport: TlsTransport

    def __init__(self, port: TlsPort) -> None:
        self._port = port
        self._connection: asyncio.Protocol | None = None  # once the handshake is done
        self.address = ""
        """What handshakes are bounded by."""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller connected."""
        outer = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        tls = self._port.tls
        self.address = name_address(outer.get_extra_info("peername"))
        self._transport = TlsTransport(outer, tls.context, self, tls.failed, port=True)
        if tls.begin(self.address):
            self._port.begin(self)
        else:
            outer.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came, encrypted."""
        self._transport.decrypt(data)

    def eof_received(self) -> None:
        """The caller closed its sending side: the transport closes, too, once all is sent."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, closed by either side."""
        self._port.end(self)
        self._transport.lost()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """The caller does not read as fast as we write."""
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The caller caught up."""
        if self._connection is not None:
            self._connection.resume_writing()

    # What the port, and the transport inside, call.

    def give_up(self) -> None:
        """The handshake is not waited for any longer."""
        self._transport.abort()
        self._port.end(self)

    def handshake_done(self, server_name: str | None) -> None:
        """TLS is there: the connection begins."""
        self._port.end(self)
        self._connection = connection = self._port.make()
        connection.connection_made(self._transport)

    def receive(self, data: bytes) -> None:
        """Bytes came, decrypted."""
        if self._connection is not None:
            self._connection.data_received(data)
