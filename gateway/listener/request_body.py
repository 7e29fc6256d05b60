"""A request's body: a flow-controlled buffer that the connection fills, and the ways to read it."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.errors import Refusal
from gateway.http.request_head import DROPPED_BODY_BYTES, Inbound, unexpected_body
from gateway.listener.chunk_decoder import MalformedChunkError
from gateway.policy.bodies import BodyFormat, BodyPlan, too_large

BUFFER_BYTES: Final = 65_536
"""When so much is unread, the connection reads no more; a read may bring as much again."""
STREAM_BYTES: Final = 2 * BUFFER_BYTES
"""The most that is held of a body that is handed on as it arrives."""
_INCOMPLETE: Final = "The body ended early, or its chunks are malformed."


class RequestBody:
    """`complete`: all of it was received, though perhaps not read. `total_bytes` of content so far."""

    __slots__ = ("_error", "_on_room", "_pieces", "_unread", "_waiter", "complete", "total_bytes")

    def __init__(self, on_room: Callable[[], object] | None = None) -> None:
        """`on_room` is called whenever something was read: there is room for more."""
        self.complete = False
        self.total_bytes = 0
        self._pieces: list[bytes] = []
        self._unread = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._on_room = on_room

    @classmethod
    def received(cls, data: bytes) -> "RequestBody":
        """A body that came along with its head."""
        body = cls()
        body._pieces = [data]
        body._unread = body.total_bytes = len(data)
        body.complete = True
        return body

    @property
    def full(self) -> bool:
        """Whether so much is unread that no more should be received."""
        return self._unread >= BUFFER_BYTES

    def feed(self, data: bytes) -> None:
        """More of it was received."""
        if data:
            self._pieces.append(data)
            self._unread += len(data)
            self.total_bytes += len(data)
            self._wake()

    def end(self) -> None:
        """All of it was received."""
        self.complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """No more can be received: later reads raise `error`. The first error counts."""
        if not self.complete and self._error is None:
            self._error = _fresh(error)
            self._on_room = None  # nothing more is taken; the connection that it belongs to holds this body
            self._wake()

    def take(self) -> bytes:
        """What was received and not read yet; b'' if there is nothing. Raises what `fail` was given."""
        if self._error is not None:
            raise _fresh(self._error)
        if not self._pieces:
            return b""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._unread = 0
        if self._on_room is not None:
            self._on_room()
        return data

    async def read(self, seconds: float) -> bytes:
        """The next bytes, waited for up to `seconds`; b'' only at the end.

        Raises `TimeoutError`, or what `fail` was given. One reader at a time.
        """
        while True:
            data = self.take()
            if data or self.complete:
                return data
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(seconds, _time_out, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _fresh(error: Exception) -> Exception:
    """The same error, not raised yet. One that was raised holds the frames it passed; kept by what these hold
    it would be garbage that only a collection finds, and the body with it."""
    if isinstance(error, Refusal):
        return Refusal(
            error.slug,
            error.detail,
            closes=error.closes,
            headers=error.headers,
            rule=error.rule,
            limit=error.limit,
        )
    return type(error)(*error.args)


_NO_BODY: Final = BodyFormat.NONE
NO_REQUEST_BODY: Final = RequestBody.received(b"")
"""The body of every request that has none."""


def _time_out(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def take_whole(body: RequestBody, plan: BodyPlan, hold: Callable[[int], None] | None = None) -> bytes:
    """A body that is complete, or means nothing. Raises as `read_body`."""
    if plan.shape is _NO_BODY:
        return b""
    data = body.take()
    if len(data) > plan.limit:
        raise too_large(plan.limit)
    if hold is not None:
        hold(len(data))
    return data


async def read_body(
    body: RequestBody,
    plan: BodyPlan,
    seconds: float,
    total_seconds: float,
    hold: Callable[[int], None] | None = None,
) -> bytes:
    """The whole body. Raises `Refusal` (400, 408, 413), or `ConnectionError` if the caller has disconnected.

    `seconds` is the longest wait for the next bytes, `total_seconds` for all of them. `hold` counts what is
    held of it, and may refuse to.
    """
    if body.complete or plan.shape is _NO_BODY:
        return take_whole(body, plan, hold)
    try:
        async with asyncio.timeout(total_seconds):
            reader = _BoundedReader(body, plan, seconds)
            chunks: list[bytes] = []
            while chunk := await reader.read():
                if hold is not None:
                    hold(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        raise Refusal(
            "body_timeout", f"The body did not come within {total_seconds:g} s.", closes=True
        ) from error
    return b"".join(chunks)


class BodyStream:
    """A body handed on as it arrives.

    Iterated over once, asynchronously: the chunks; the same errors as `read_body`.
    """

    def __init__(self, body: RequestBody, plan: BodyPlan, seconds: float) -> None:
        self._broke: Exception | None = None
        self._reader = _BoundedReader(body, plan, seconds)

    @property
    def broke(self) -> Exception | None:
        """Why it ended early, if that was the caller's doing: to be raised."""
        return None if self._broke is None else _fresh(self._broke)

    def __aiter__(self) -> "BodyStream":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._reader.read()
        except (Refusal, ConnectionError) as broke:
            self._broke = _fresh(broke)
            raise
        if not chunk:
            raise StopAsyncIteration
        return chunk


class _BoundedReader:
    """Reads a body within its plan's bound."""

    def __init__(self, body: RequestBody, plan: BodyPlan, seconds: float) -> None:
        self._body = body
        self._plan = plan
        self._seconds = seconds
        self._size = 0

    async def read(self) -> bytes:
        """The next chunk; b'' only at the end."""
        try:
            chunk = await self._body.read(self._seconds)
        except TimeoutError as late:
            raise Refusal(
                "body_timeout", f"No byte of the body came for {self._seconds:g} s.", closes=True
            ) from late
        except MalformedChunkError as malformed:
            raise Refusal("incomplete_body", _INCOMPLETE, closes=True) from malformed
        self._size += len(chunk)
        if self._size > self._plan.limit:
            raise too_large(self._plan.limit)
        return chunk


async def drop_body(body: RequestBody, method: str, seconds: float, total_seconds: float) -> None:
    """Read a body that means nothing, so that the connection can go on. Raises as `read_body`."""
    plan = BodyPlan(BodyFormat.RAW, DROPPED_BODY_BYTES)
    try:
        await read_body(body, plan, seconds, total_seconds)
    except Refusal as refusal:
        if refusal.slug != "body_too_large":
            raise
        raise unexpected_body(method) from refusal


def expects_continue(inbound: Inbound) -> bool:
    """Whether the caller holds its body back until it is asked (RFC 9110 10.1.1); HTTP/1.0 never does."""
    return (
        b"expect" in inbound.single_fields
        and inbound.version != (1, 0)
        and (inbound.has_body or inbound.drops_body)
    )
