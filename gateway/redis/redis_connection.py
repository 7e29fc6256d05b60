"""One connection to Redis that everybody shares: commands go out together and answers come back in order.

Redis works on one command at a time, so a second connection would win nothing; a pool's checkout costs more
than the command (75 µs against 25 µs, facts/libraries.md). Knows the protocol's order and its time-outs, not
what is asked. A caller that gives up takes only its own answer with it.
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
    """What is used of `redis.asyncio.Connection`."""

    async def connect(self) -> None: ...
    def pack_command(self, *args: Any) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes], check_health: bool = ...) -> None: ...
    async def read_response(
        self, disable_decoding: bool = ..., *, disconnect_on_error: bool = ...
    ) -> Any: ...
    async def disconnect(self, nowait: bool = ...) -> None: ...


class Pipe:
    """One connection's life: connects when built, and `ended` once it is lost. A pipe is not mended.

    If the oldest question is unanswered for `answer_seconds`, all fail and the connection is given up.
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
        self._unsent += self._connection.pack_command(*command)
        self._wake.set()
        if self._watch is None:
            self._watch = self._loop.call_later(self._answer_seconds, self._look, None)
        return await future

    def set_answer_seconds(self, seconds: float) -> None:
        """Have less, or more, patience from the next question on. Nothing may be waiting."""
        self._answer_seconds = seconds
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def close(self) -> None:
        """End the connection; what is unanswered fails."""
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
        with suppress(*_LOST):  # the reader meets the same end, and tells of it
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

    def _look(self, suspect: asyncio.Future[Any] | None) -> None:
        """Whether the oldest question has waited too long; asked again a moment later, for it may be this
        process that stood still, with the answer lying in the socket."""
        self._watch = None
        if not self._waiting:
            return
        oldest, asked = self._waiting[0]
        left = asked + self._answer_seconds - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look, None)
        elif suspect is not oldest:
            self._watch = self._loop.call_later(self._answer_seconds / 5, self._look, oldest)
        else:
            self._end("no answer in time")
            self._serving.cancel()

    def _end(self, reason: str) -> None:
        """Fail what waits. The first reason stands."""
        self.ended = True
        waiting, self._waiting = self._waiting, deque()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for future, _ in waiting:
            if not future.done():
                future.set_exception(StoreUnavailable(reason))
