"""One shared connection to Redis: commands are sent together, and answers come back in order.

Redis executes one command at a time, so a second connection would gain nothing, and checking one out of a
pool costs more than the command (75 µs against 25 µs, `docs/facts.md`). It knows the order of the protocol
and its time-outs, not the meaning of commands. A caller that gives up loses only its own answer.

redis-py connects (TLS, AUTH, SELECT); what follows is read and written here, since its way through streams
and coroutines costs several times as much as the parser.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import hiredis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from gateway.redis.availability import StoreUnavailable
from gateway.redis.command_bytes import Argument, pack

_LOST = (RedisError, hiredis.HiredisError, OSError, EOFError, ValueError, TimeoutError)
_NOT_YET: Any = object()
_Future = asyncio.Future
_RIDE_SECONDS = 0.005
"""So long a posted command waits for another to be sent with: a write and a wake-up of its own cost more
CPU than the command."""

OnAnswer = Callable[[Any], None]
"""Called with an answer, or the `ResponseError` or `StoreUnavailable` in its place. It must not raise."""


class RedisConnection(Protocol):
    """The part of `redis.asyncio.Connection` that is used to connect."""

    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = ...) -> None: ...


class Pipe(asyncio.Protocol):
    """One connection: it connects when constructed, and has `ended` once it is lost. It never reconnects.

    If the oldest command is unanswered for `answer_seconds`, all fail and the connection is given up.
    """

    unknown_script = NoScriptError
    """What the server answers to EVALSHA that has to be EVAL. An import for each script would cost 3 µs."""

    def __init__(self, connection: RedisConnection, *, answer_seconds: float, connect_seconds: float) -> None:
        self.ended = False
        self._connection = connection
        self._answer_seconds = answer_seconds
        self._connect_seconds = connect_seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[Any] | OnAnswer, float]] = deque()
        self._unsent: list[bytes] = []
        self._ride: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._reader: Any = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._watch: asyncio.TimerHandle | None = None
        self._serving = self._loop.create_task(self._serve())

    async def ask(self, *command: Argument) -> Any:
        """The answer to one command. Raises `ResponseError` if that is an error, else `StoreUnavailable`."""
        return await self.send(pack(*command))

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """Send a packed command, whose answer is awaited as that of `ask`. Raises `StoreUnavailable`."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._expect(future)
        if self._unsent or self._transport is None:
            self._unsent.append(packed)
            self._flush()
        else:
            self._transport.write(packed)
        return future

    def post(self, packed: bytes, on_answer: OnAnswer) -> None:
        """Send a packed command with the next one, or in a few milliseconds. Commands keep their order.

        Raises `StoreUnavailable`; `on_answer` is not called then.
        """
        self._expect(on_answer)
        self._unsent.append(packed)
        if self._ride is None:
            self._ride = self._loop.call_later(_RIDE_SECONDS, self._end_ride)

    def data_received(self, data: bytes) -> None:
        """Answers, whole or in part."""
        reader = self._reader
        try:
            reader.feed(data)
            while not self.ended and (answer := reader.gets()) is not _NOT_YET:
                self._answer(answer)
        except _LOST as error:
            self._end(_describe(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server, or the way to it, has ended it."""
        self._end(_describe(exc) if exc is not None else "Connection closed by server.")

    def set_answer_seconds(self, seconds: float) -> None:
        """Set the time-out of the following commands. None may be waiting."""
        self._answer_seconds = seconds
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def abort(self, reason: str) -> None:
        """End the connection at once, since its answers cannot be trusted; unanswered commands fail."""
        self._end(reason)

    async def close(self) -> None:
        """End the connection; unanswered commands fail."""
        self._end("closed")
        self._serving.cancel()
        await asyncio.wait((self._serving,))

    def _expect(self, waiter: asyncio.Future[Any] | OnAnswer) -> None:
        """An answer to the command that is sent next."""
        if self.ended:
            raise StoreUnavailable("closed")
        self._waiting.append((waiter, self._loop.time()))
        if self._watch is None:
            self._watch = self._loop.call_later(self._answer_seconds, self._check_oldest, None)

    async def _serve(self) -> None:
        try:
            async with asyncio.timeout(self._connect_seconds):
                await self._connection.connect()
            self._transport, self._reader = take_over(self._connection, self)
            self._flush()
            await self._over
        except _LOST as error:
            self._end(_describe(error))
        finally:
            self._end("closed")
            with suppress(*_LOST):
                await self._connection.disconnect(nowait=True)

    def _end_ride(self) -> None:
        self._ride = None
        self._flush()

    def _flush(self) -> None:
        """uvloop makes one write of what is written in one turn of the loop."""
        if self._unsent and self._transport is not None:
            batch, self._unsent = self._unsent, []
            self._transport.write(batch[0] if len(batch) == 1 else b"".join(batch))

    def _answer(self, answer: Any) -> None:
        if not self._waiting:
            raise ValueError("an answer without a question")
        is_error = isinstance(answer, RedisError)
        if is_error and not isinstance(answer, ResponseError):
            raise answer  # it is loading, or has too many connections: every waiter gets the error
        waiter, _ = self._waiting.popleft()
        if not isinstance(waiter, _Future):
            waiter(answer)
        elif waiter.done():  # its caller has left
            return
        elif is_error:
            waiter.set_exception(answer)
        else:
            waiter.set_result(answer)

    def _check_oldest(self, suspect: asyncio.Future[Any] | OnAnswer | None) -> None:
        """Check whether the oldest command has waited too long.

        It is checked a second time shortly after: perhaps this process was busy, and the answer is in the
        socket.
        """
        self._watch = None
        if not self._waiting:
            return
        oldest, asked = self._waiting[0]
        left = asked + self._answer_seconds - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._check_oldest, None)
        elif suspect is not oldest:
            self._watch = self._loop.call_later(self._answer_seconds / 5, self._check_oldest, oldest)
        else:
            self._end("no answer in time")
            self._serving.cancel()

    def _end(self, reason: str) -> None:
        """Fail whatever waits. The first reason counts."""
        self.ended = True
        waiting, self._waiting = self._waiting, deque()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._ride is not None:
            self._ride.cancel()
            self._ride = None
        self._unsent.clear()
        if not self._over.done():
            self._over.set_result(None)
        for waiter, _ in waiting:
            if not isinstance(waiter, asyncio.Future):
                waiter(StoreUnavailable(reason))
            elif not waiter.done():
                waiter.set_exception(StoreUnavailable(reason))


def take_over(connection: Any, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, Any]:
    """The transport of a connection that redis-py has made, which `protocol` reads from now on, and a parser.

    Raises `ValueError` for a server that speaks first. What is not public of redis-py is used here alone: its
    reader and writer, and the exceptions of its parser.
    """
    transport = connection._writer.transport
    transport.set_protocol(protocol)
    make_error: Callable[[str], Exception] = connection._parser.parse_error
    parser = hiredis.Reader(replyError=make_error, notEnoughData=_NOT_YET)
    spoken = bytes(connection._reader._buffer)
    if spoken:
        raise ValueError(f"it spoke before it was asked, so it is no Redis: {spoken[:40]!r}")
    return transport, parser


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
