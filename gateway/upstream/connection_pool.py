"""The connections to Twilio: kept for reuse while they are fresh, waited for in turn when all are in use.

Bounded by `connections`, idle ones included. Requests that must wait are served first come, first served,
whatever their host; each waits in its own attempt, so that a wait that is too long says
`queue_timeout` and nothing about Twilio.
"""

import asyncio
from collections import deque
from typing import Final

from yarl import URL

from gateway.errors import Refusal
from gateway.upstream.connection_opener import ConnectionOpener, TransportOptions
from gateway.upstream.read_buffer import ReadBuffer
from gateway.upstream.upstream_connection import UpstreamConnection

KEEP_ALIVE_SECONDS: Final = 15.0
"""How long an idle connection is kept: less than what any balancer of Twilio's allows."""
_SWEEP_SECONDS: Final = 5.0


class _Turn:
    """A place in the line."""

    __slots__ = ("granted", "origin")

    def __init__(self, origin: str, granted: "asyncio.Future[UpstreamConnection | None]") -> None:
        self.origin = origin
        self.granted = granted


class ConnectionPool:
    """To be opened on the data loop. A reload makes another one, and retires this."""

    def __init__(self, options: TransportOptions) -> None:
        self.options = options
        self.buffer = ReadBuffer()
        self._loop = asyncio.get_running_loop()
        self._opener = ConnectionOpener(options)
        self._limit = options.connections
        self._idle: dict[str, deque[UpstreamConnection]] = {}
        self._connections: set[UpstreamConnection] = set()
        self._taken = 0
        self._line: deque[_Turn] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        self._retired = False
        self._emptied: asyncio.Future[None] | None = None

    @property
    def size(self) -> int:
        """How many connections there are, idle ones and those being made included."""
        return self._taken

    @property
    def idle(self) -> int:
        """How many of them wait for a request."""
        return sum(map(len, self._idle.values()))

    @property
    def waiting(self) -> int:
        """How many attempts wait for a connection."""
        return len(self._line)

    def take(self, origin: str) -> UpstreamConnection | None:
        """An idle connection to `origin`, the one that was used last, if there is any."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        connection = idle.pop()
        if self._loop.time() - connection.idle_since <= KEEP_ALIVE_SECONDS:
            return connection
        idle.append(connection)
        self._sweep()  # it was the freshest
        return None

    async def acquire(self, origin: str, deadline: float) -> UpstreamConnection:
        """A connection to `origin` ('https://host'), waited for until `deadline` (the loop's clock).

        Raises `UpstreamFailure` if none can be made, `Refusal` (queue_timeout) if none comes free.
        """
        if not self._line:
            connection = self.take(origin)
            if connection is not None:
                return connection
        if self._line or not self._has_place():
            granted = await self._wait(origin, deadline)
            if granted is not None:
                return granted
        else:
            self._taken += 1
        try:
            transport, held_bytes = await self._opener.open(URL(origin), deadline)
        except BaseException:
            self._free_place()
            raise
        connection = UpstreamConnection(self, origin, transport, held_bytes)
        self._connections.add(connection)
        # A transport that reads already goes on by the protocol it began with, until it is paused (uvloop).
        transport.pause_reading()
        transport.set_protocol(connection)
        transport.resume_reading()
        return connection

    def give_back(self, connection: UpstreamConnection) -> None:
        """A connection that may serve another request: the next in line has it, or it is kept for a while."""
        if self._retired:
            connection.abort()
            return
        turn = self._next_turn() if self._line else None
        if turn is None:
            connection.idle_since = self._loop.time()
            idle = self._idle.get(connection.origin)
            if idle is None:
                idle = self._idle[connection.origin] = deque()
            idle.append(connection)
            if self._sweeping is None:
                self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        elif turn.origin == connection.origin:
            turn.granted.set_result(connection)
        else:
            self._line.appendleft(turn)
            connection.abort()  # its place is what the turn needs

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection has ended."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None:
            if connection in idle:
                idle.remove(connection)
            if not idle:
                del self._idle[connection.origin]
        self._free_place()

    def retire(self) -> None:
        """No more requests: idle connections close now, the others after their answers."""
        self._retired = True
        for idle in list(self._idle.values()):
            for connection in tuple(idle):
                connection.abort()

    async def close_when_empty(self) -> None:
        """Wait until the last connection of a retired pool has ended, and let go of what made them."""
        if self._taken:
            self._emptied = self._loop.create_future()
            await self._emptied
        await self.close()

    async def close(self) -> None:
        """Break off what is left, now."""
        self.retire()
        for connection in tuple(self._connections):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        await self._opener.close()

    def _has_place(self) -> bool:
        """Whether another connection may be made; the longest idle one makes room if need be."""
        if self._taken < self._limit:
            return True
        stalest = min((idle[0] for idle in self._idle.values() if idle), key=_idle_since, default=None)
        if stalest is None:
            return False
        stalest.abort()
        return True

    async def _wait(self, origin: str, deadline: float) -> UpstreamConnection | None:
        """Wait in line: a connection that came free, or None for a place to make one."""
        turn = _Turn(origin, self._loop.create_future())
        self._line.append(turn)
        timer = self._loop.call_at(deadline, _expire, turn)
        try:
            return await turn.granted
        except BaseException:
            granted = turn.granted
            if not granted.cancelled() and granted.done() and granted.exception() is None:
                connection = granted.result()  # granted in the moment in which its task was cancelled
                if connection is None:
                    self._free_place()
                else:
                    self.give_back(connection)
            elif turn in self._line:
                self._line.remove(turn)
            raise
        finally:
            timer.cancel()
            del turn

    def _next_turn(self) -> _Turn | None:
        while self._line:
            turn = self._line.popleft()
            if not turn.granted.done():
                return turn
        return None

    def _free_place(self) -> None:
        self._taken -= 1
        if self._line and self._taken < self._limit and (turn := self._next_turn()) is not None:
            self._taken += 1
            turn.granted.set_result(None)
        if not self._taken and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def _sweep(self) -> None:
        """Close what has been idle for too long; look again while anything is idle."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        oldest = self._loop.time() - KEEP_ALIVE_SECONDS
        for idle in list(self._idle.values()):
            for connection in tuple(idle):
                if connection.idle_since > oldest:
                    break
                connection.abort()
        if self._idle:
            self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)


def _idle_since(connection: UpstreamConnection) -> float:
    return connection.idle_since


def _expire(turn: _Turn) -> None:
    if not turn.granted.done():
        turn.granted.set_exception(
            Refusal(
                "queue_timeout",
                "No connection to Twilio came free until this request's deadline.",
                headers=(("Retry-After", "1"),),
            )
        )
