"""One shared connection to Redis: commands are sent together, and answers come back in order.

Redis executes one command at a time, so a second connection would gain nothing, and checking one out of a
pool costs more than the command (75 µs against 25 µs, `docs/facts.md`). It knows the order of the protocol
and its time-outs, not the meaning of commands. A caller that gives up loses only its own answer.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from redis.exceptions import RedisError, ResponseError

from gateway.redis.availability import StoreUnavailable

Argument = bytes | str | int

_LOST = (RedisError, OSError, EOFError, ValueError, TimeoutError)


class RedisConnection(Protocol):
    """The part of `redis.asyncio.Connection` that is used."""

    async def connect(self) -> None: ...
    async def send_packed_command(self, command: list[bytes], check_health: bool = ...) -> None: ...
    async def read_response(
        self, disable_decoding: bool = ..., *, disconnect_on_error: bool = ...
    ) -> Any: ...
    async def disconnect(self, nowait: bool = ...) -> None: ...


class Pipe:
    """One connection: it connects when constructed, and has `ended` once it is lost. It never reconnects.

    If the oldest command is unanswered for `answer_seconds`, all fail and the connection is given up.
    """

    def __init__(self, connection: RedisConnection, *, answer_seconds: float, connect_seconds: float) -> None:
        self.ended = False
        self._connection = connection
        self._answer_seconds = answer_seconds
        self._connect_seconds = connect_seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[bytes] = []
        self._wake = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._serving = self._loop.create_task(self._serve())

    async def ask(self, *command: Argument) -> Any:
        """The answer to one command. Raises `ResponseError` if that is an error, else `StoreUnavailable`."""
        if self.ended:
            raise StoreUnavailable("closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((future, self._loop.time()))
        self._unsent.append(_pack(command))
        self._wake.set()
        if self._watch is None:
            self._watch = self._loop.call_later(self._answer_seconds, self._check_oldest, None)
        return await future

    def set_answer_seconds(self, seconds: float) -> None:
        """Set the time-out of the following commands. None may be waiting."""
        self._answer_seconds = seconds
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def close(self) -> None:
        """End the connection; unanswered commands fail."""
        self._end("closed")
        self._serving.cancel()
        await asyncio.wait((self._serving,))

    async def _serve(self) -> None:
        writing: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._connect_seconds):
                await self._connection.connect()
            writing = self._loop.create_task(self._write())
            while True:
                self._answer(await self._read())
        except _LOST as error:
            self._end(f"{type(error).__name__}: {error}"[:200])
        finally:
            self._end("closed")
            if writing is not None:
                writing.cancel()
                await asyncio.wait((writing,))
            with suppress(*_LOST):
                await self._connection.disconnect(nowait=True)

    async def _write(self) -> None:
        with suppress(*_LOST):  # the reader meets the same end, and reports it
            while True:
                await self._wake.wait()
                self._wake.clear()
                batch, self._unsent = self._unsent, []
                await self._connection.send_packed_command(batch, check_health=False)

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response(disconnect_on_error=False)
        except ResponseError as error:
            return error

    def _answer(self, answer: Any) -> None:
        future, _ = self._waiting.popleft()
        if future.done():  # its caller has left
            return
        if isinstance(answer, ResponseError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _check_oldest(self, suspect: asyncio.Future[Any] | None) -> None:
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
        for future, _ in waiting:
            if not future.done():
                future.set_exception(StoreUnavailable(reason))


def _pack(command: tuple[Argument, ...]) -> bytes:
    """A command as it is sent, an array of bulk strings (Redis serialization protocol).

    redis-py's own takes 20 µs for a script with ten arguments, this one 3.
    """
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        data = argument if type(argument) is bytes else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)
