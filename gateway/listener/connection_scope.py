"""What the connections of a listener share: handler, limits, buffers, and the set of open connections."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.errors import GatewayError
from gateway.http.buffered_bytes import BufferedBytes
from gateway.listener.connections import ConnectionLimits, ConnectionTracker
from gateway.listener.known_heads import HeadBudget
from gateway.listener.parked_heads import ParkedHeads
from gateway.listener.request import Request
from gateway.listener.request_parser import HeadLimits
from gateway.listener.tls_context import ListenerTls
from gateway.listener.tunnels import TunnelBounds


class OpenConnection(Protocol):
    """A connection, as far as its listener is concerned."""

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task of the request that is handled, None between requests."""
        ...

    def shorten_idling(self, seconds: float) -> None:
        """Shorten the idle timeout to `seconds`, starting now."""
        ...

    def abort(self) -> None:
        """Close at once, without sending what is left."""
        ...


class ConnectionScope:
    """One per listener, on its loop. `heads` and the tracker's limits may be replaced at any time."""

    def __init__(
        self,
        handle: Callable[[Request], Awaitable[None]],
        refuse: Callable[[GatewayError, str], bytes],
        limits: ConnectionLimits,
        heads: HeadLimits,
        buffers: BufferedBytes,
        tls: ListenerTls | None = None,
        tunnels: TunnelBounds | None = None,
    ) -> None:
        """`refuse` finishes an exchange of its own for bytes that are no request, given the caller's address,
        and returns the answer, head and body, for a connection that is closed behind it."""
        self.handle = handle
        self.refuse = refuse
        self.heads = heads
        self.buffers = buffers
        self.tls = tls
        self.tunnels = tunnels or TunnelBounds()
        self.tracker = ConnectionTracker(limits)
        self.head_budget = HeadBudget()
        self.parked = ParkedHeads(self.head_budget)
        self.context = contextvars.copy_context()
        """Every request runs in a copy of it, so that none sees what another one set."""
        self.connections: set[OpenConnection] = set()
        self.orphans: set[asyncio.Task[None]] = set()
        """Exchanges that continue although their caller has disconnected."""
        self._empty = asyncio.Event()
        self._empty.set()

    def enter(self, connection: OpenConnection) -> None:
        """A connection was made."""
        self.connections.add(connection)
        self._empty.clear()

    def leave(self, connection: OpenConnection) -> None:
        """A connection is lost. What still works for it is awaited as an orphan."""
        self.connections.discard(connection)
        if connection.task is not None:
            self.orphans.add(connection.task)
            connection.task.add_done_callback(self._ended)
        self._look_whether_empty()

    async def wait_until_empty(self) -> None:
        """Wait until there is neither a connection nor an orphan."""
        await self._empty.wait()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.orphans.discard(task)
        self._look_whether_empty()

    def _look_whether_empty(self) -> None:
        if not self.connections and not self.orphans:
            self._empty.set()
