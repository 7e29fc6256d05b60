"""Accepting TLS connections: as `asyncio.Server`, but with the address known before the handshake.

A loop's own server reports a connection only once its handshake is done: neither where it came from, so
that no address could be bounded, nor that it was given up.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from gateway.listener.connections import name_address
from gateway.listener.tls_context import ListenerTls

_HANDSHAKE_SECONDS: Final = 10.0  # the caller is unidentified until the handshake is done
_SHUTDOWN_SECONDS: Final = 2.0  # for a caller's answer to our close_notify
_AT_ONCE: Final = 64  # connections that are accepted in one turn of the loop
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_TRY_AGAIN_SECONDS: Final = 1.0


class TlsServer:
    """Has the part of `asyncio.Server` that a listener uses: `sockets` and `close`."""

    def __init__(
        self,
        tls: ListenerTls,
        make: Callable[[], asyncio.Protocol],
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`make` is called for each connection; its `connection_made` once the handshake is done."""
        self.sockets = (listening,)
        self._tls = tls
        self._make = make
        self._loop = loop
        self._handshakes: set[asyncio.Task[None]] = set()
        self._closed = False
        loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        """Stop accepting. Handshakes that have begun go on."""
        if not self._closed:
            self._closed = True
            (listening,) = self.sockets
            self._loop.remove_reader(listening.fileno())
            listening.close()

    def cut(self) -> None:
        """Give up handshakes that have begun."""
        for task in self._handshakes:
            task.cancel()

    def _accept(self) -> None:
        (listening,) = self.sockets
        for _ in range(_AT_ONCE):
            try:
                accepted, peername = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._loop.remove_reader(listening.fileno())
                self._loop.call_later(_TRY_AGAIN_SECONDS, self._accept_again)
                return
            address = name_address(peername)
            if not self._tls.begin(address):
                accepted.close()
                continue
            accepted.setblocking(False)
            task = self._loop.create_task(self._secure(accepted, address))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _accept_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self.sockets[0].fileno(), self._accept)

    async def _secure(self, accepted: socket.socket, address: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make,
                accepted,
                ssl=self._tls.context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except ssl.SSLError as error:
            self._tls.failed(error)
        except OSError:  # the caller left, or was silent for too long
            pass
        finally:
            self._tls.end(address)


def listen(host: str, port: int, backlog: int, *, shared: bool) -> socket.socket:
    """A listening socket. `shared`: others may listen on the port, too. Raises `OSError`."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listening = socket.create_server(address, family=family, backlog=backlog, reuse_port=shared)
    listening.setblocking(False)
    set_options(listening)
    return listening


def set_options(listening: Any) -> None:
    """What all connections of a listening socket inherit from it: set once, not by a call for each."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
