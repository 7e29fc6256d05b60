"""A port that callers connect to: its address, TLS, limits, and how it ends without failing a caller."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.http.buffered_bytes import BufferedBytes
from gateway.listener.caller_connection import CallerConnection
from gateway.listener.connection_scope import ConnectionScope
from gateway.listener.connections import ConnectionLimits, ConnectionTracker
from gateway.listener.drain import stop_accepting
from gateway.listener.request import Request
from gateway.listener.request_parser import HeadLimits
from gateway.listener.tls_context import ListenerTls
from gateway.listener.tls_port import TlsPort
from gateway.listener.tunnels import TunnelBounds

_BACKLOG: Final = 1024
_LAST_IDLE_SECONDS: Final = 1.0
"""How long a connection may still be idle while draining: closing it at once races with a request."""
_TURN_AWAY_SECONDS: Final = 1.0
"""How long a port that replicas share is served on: callers told to close come back, some of them here."""
_CUT_SECONDS: Final = 0.1  # time for a cancelled exchange to finish its record


class Listener:
    """`open`, then `drain` (or `close`), each once, on one loop. `name` is its metrics' label `listener`."""

    def __init__(
        self,
        name: str,
        handle: Callable[[Request], Awaitable[None]],
        refuse: Callable[[GatewayError, str], bytes],
        limits: ConnectionLimits,
        heads: HeadLimits,
        tls: ListenerTls | None = None,
        tunnels: TunnelBounds | None = None,
        *,
        buffers: BufferedBytes,
    ) -> None:
        """`handle` answers a request; `refuse` is called for bytes that are none (see `ConnectionScope`)."""
        self.name = name
        self.tls = tls
        self._shared = False
        self._scope = ConnectionScope(handle, refuse, limits, heads, buffers, tls, tunnels)
        self._server: asyncio.Server | None = None
        self._secured: TlsPort | None = None

    async def open(self, host: str, port: int, *, shared: bool = False) -> None:
        """Listen. `shared`: other replicas listen on the port, too. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        scope = self._scope
        self._shared = shared

        def make() -> asyncio.Protocol:
            return CallerConnection(scope, loop)

        accept = make
        if self.tls is not None:
            self._secured = TlsPort(self.tls, make, loop)
            accept = self._secured.accept
        self._server = await loop.create_server(
            accept, host, port, backlog=_BACKLOG, reuse_port=shared or None
        )
        for listening in self._server.sockets:  # all connections inherit these: a call for each is saved
            options: Any = listening
            options.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            options.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def port(self) -> int:
        """Where it listens, once it is open."""
        assert self._server is not None
        sockets: Any = self._server.sockets
        first: socket.socket = sockets[0]
        port: int = first.getsockname()[1]
        return port

    @property
    def tracker(self) -> ConnectionTracker:
        """Counts of its connections."""
        return self._scope.tracker

    def apply(self, limits: ConnectionLimits, heads: HeadLimits) -> None:
        """Other limits: `heads` holds for the next connection, `limits` for the next wait, too."""
        self._scope.heads = heads
        self._scope.parked.clear()
        self._scope.tracker.limits = limits

    def close(self) -> None:
        """Stop listening at once; for a start that failed, before it was opened or after."""
        if self._server is not None:
            self._server.close()

    async def drain(self, seconds: float) -> None:
        """End it and its connections: what is queued or in flight has `seconds`, then it is broken off.

        Answers say that their connection closes, which is the handler's business. Cancelled, it breaks
        everything off at once.
        """
        scope = self._scope
        until = asyncio.get_running_loop().time() + seconds
        scope.parked.clear()
        scope.tracker.limits = replace(scope.tracker.limits, idle_seconds=_LAST_IDLE_SECONDS)
        for connection in scope.connections:
            connection.shorten_idling(_LAST_IDLE_SECONDS)
        try:
            if self._shared:
                await asyncio.sleep(min(_TURN_AWAY_SECONDS, seconds))
            if self._server is not None:
                await stop_accepting(self._server)
            with suppress(TimeoutError):  # exchanges of callers who left during a POST are awaited, too
                async with asyncio.timeout_at(until):
                    await scope.wait_until_empty()
        finally:
            self.close()
            await self._cut()

    async def _cut(self) -> None:
        """Break off what is left. An exchange has a moment to record that."""
        scope = self._scope
        tasks = [task for each in scope.connections if (task := each.task) is not None]
        tasks += scope.orphans
        if self._secured is not None:
            self._secured.cut()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CUT_SECONDS)
        for connection in list(scope.connections):
            connection.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CUT_SECONDS):
                await scope.wait_until_empty()
