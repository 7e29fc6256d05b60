"""Connections of the admin port: bounds on their number, and on how long a head may take.

Every connection takes a file descriptor that the data port may need, so the admin port keeps to a number that
`app/gateway.py` sets aside for it. A newcomer replaces the connection that has been without a request for the
longest, or one whose request's body has not arrived, so that neither ever keeps a health probe out.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import StreamReader, web

MAX_CONNECTIONS = 256
"""Twice the backlog: a probe's head is read before as many newcomers can have replaced its connection."""
HEAD_SECONDS = 10.0
IDLE_SECONDS = 75.0
"""From the end of one request to the beginning of the next."""

AnswerFailure = Callable[[web.BaseRequest, int, BaseException | None], web.StreamResponse]


class AdminConnections:
    """All open connections of one admin port, used on its loop; idle ones can be replaced, oldest first."""

    def __init__(self, limit: int = MAX_CONNECTIONS) -> None:
        self.closed = 0
        """How many were closed to make room."""
        self._limit = limit
        self._idle: OrderedDict[AdminProtocol, None] = OrderedDict()
        self._busy: OrderedDict[AdminProtocol, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def __iter__(self) -> Iterator["AdminProtocol"]:
        return iter((*self._idle, *self._busy))

    def enter(self, connection: "AdminProtocol") -> None:
        """Count a new connection, and close one if that makes too many.

        That is an idle one, else one that has not sent its request's body, else the new one.
        """
        if len(self) >= self._limit:
            self.closed += 1
            unsent = (each for each in self._busy if each.awaits_body)
            replaced = next(iter(self._idle), None) or next(unsent, connection)
            self.leave(replaced)
            replaced.abort()
            if replaced is connection:
                return
        self._idle[connection] = None

    def begin(self, connection: "AdminProtocol") -> None:
        """A request of the connection is being answered."""
        if connection in self._idle:
            del self._idle[connection]
            self._busy[connection] = None

    def end(self, connection: "AdminProtocol") -> None:
        """Its answer is made; the connection waits for the next request."""
        if connection in self._busy:
            del self._busy[connection]
            self._idle[connection] = None

    def leave(self, connection: "AdminProtocol") -> None:
        """The connection has ended."""
        self._idle.pop(connection, None)
        self._busy.pop(connection, None)


class AdminProtocol(web.RequestHandler):
    """A connection. Parser errors and unexpected failures are answered without quoting anything.

    A connection is closed that has sent no complete request head `HEAD_SECONDS` after it was opened, or after
    the head's first byte, or has been idle for `IDLE_SECONDS`.
    """

    __slots__ = ("_answer_failure", "_body", "_connections", "_serving", "_socket", "_timer", "awaits_head")

    def __init__(
        self, manager: Any, connections: AdminConnections, answer_failure: AnswerFailure, **options: Any
    ) -> None:
        super().__init__(manager, keepalive_timeout=2 * IDLE_SECONDS, **options)  # ours ends it sooner
        self._connections = connections
        self._answer_failure = answer_failure
        self._body: StreamReader | None = None
        self._socket: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.awaits_head = False
        """Whether bytes of a head, or the first head, are awaited."""
        self._serving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the count; this connection, or another one, may be closed for it."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        self._close_in(HEAD_SECONDS, awaits_head=True)
        self._connections.enter(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave the count."""
        self._stop_timer()
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes outside a request begin the next one's head."""
        if not self._serving and not self.awaits_head:
            self._close_in(HEAD_SECONDS, awaits_head=True)
        super().data_received(data)

    @property
    def awaits_body(self) -> bool:
        """Whether a request is served whose body has not arrived."""
        return self._body is not None and not self._body.is_eof()

    def begin(self, body: StreamReader) -> None:
        """A head has been read; called by the guard in front of every handler."""
        self._stop_timer()
        self._serving = True
        self._body = body
        self._connections.begin(self)

    def end(self) -> None:
        """The handler is done."""
        self._serving = False
        self._body = None
        self._close_in(IDLE_SECONDS, awaits_head=False)
        self._connections.end(self)

    def abort(self) -> None:
        """Close the connection without an answer."""
        if self._socket is not None:
            self._socket.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Replaces aiohttp's page, which quotes what was sent."""
        return self._answer_failure(request, status, exc)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """A request that failed because its caller has left is not an error of the gateway."""
        if self._socket is not None and not self._socket.is_closing():
            super().log_exception(*args, **kw)

    def _close_in(self, seconds: float, *, awaits_head: bool) -> None:
        self._stop_timer()
        self.awaits_head = awaits_head
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _stop_timer(self) -> None:
        self.awaits_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
