"""The rest of an answer that is streamed: read from its connection as fast as the caller takes it.

`pass_on` needs no turn of the event loop for a piece: what a read brought is written before the next read,
out of the buffer that it was read to.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from gateway.upstream.upstream_failures import unreadable

_TURN_BYTES: Final = 524_288
"""libuv reads a socket up to 32 times in a row: so much of one body, then the event loop has its turn."""


class BodySource(Protocol):
    """The connection that a body is read from."""

    def take(self) -> bytes:
        """What has arrived of the body and was not read yet."""
        ...

    def want(self) -> None:
        """The reader waits for more."""
        ...

    def abort(self) -> None:
        """Discard the rest."""
        ...


class BodySink(Protocol):
    """Where a body is written to as it comes."""

    def write_piece(self, data: bytes | memoryview) -> bool:
        """Send part of a body; whether all of it is sent.

        If not, `data` is still needed as it is, and more of the body has to wait. Raises `ConnectionError`.
        """
        ...


class StreamedBody:
    """`BodyRest` of an answer that is streamed. `slow`: only because it did not end soon.

    `on_end` is called once: when the body has ended, or, if it is `slow`, when its reader made no progress.
    `on_close` is called once, when the body holds its connection no longer.
    """

    __slots__ = (
        "_connection", "_content", "_error", "_failed", "_left_bytes", "_sink", "_waiter", "on_close",
        "on_end", "slow",
    )  # fmt: skip

    def __init__(self, connection: BodySource, *, slow: bool) -> None:
        self.slow = slow
        self.on_end: Callable[[], object] | None = None
        self.on_close: Callable[[], object] | None = None
        self._connection: BodySource | None = connection
        self._content = b""
        self._error: Exception | None = None
        self._failed = False
        self._waiter: asyncio.Future[bytes] | None = None
        self._sink: BodySink | None = None
        self._left_bytes = 0

    @property
    def at_end(self) -> bool:
        """As `BodyRest` says."""
        return self._connection is None and not self._content and not self._failed

    @property
    def is_open(self) -> bool:
        """Whether it still holds its connection. If not, both hooks have been called, or never will be."""
        return self._connection is not None

    @property
    def is_awaited(self) -> bool:
        """Whether a reader waits for content."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def is_passed_on(self) -> bool:
        """Whether that reader takes content as it comes."""
        return self._sink is not None and self.is_awaited

    async def read(self) -> bytes:
        """As `BodyRest` says."""
        connection = self._connection
        if connection is None:
            if self._failed:
                error, self._error = self._error, None
                raise error or unreadable()
            content, self._content = self._content, b""
            return content
        content = connection.take()
        if content:
            return content
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        connection.want()
        try:
            return await waiter
        finally:
            self._waiter = None
            del waiter  # it may hold an exception whose traceback holds this frame

    async def pass_on(self, sink: BodySink) -> None:
        """Have it written to `sink` as it comes, until the sink has to catch up, the body has ended, or
        others have their turn. Raises as `read`, and `ConnectionError` as the sink.
        """
        self._sink = sink
        self._left_bytes = _TURN_BYTES
        try:
            content = await self.read()  # what came before or was the end, if anything
        finally:
            self._sink = None
        if content:
            sink.write_piece(content)

    def close(self) -> None:
        """As `BodyRest` says."""
        connection, self._connection = self._connection, None
        self._content = b""
        if connection is not None:
            connection.abort()
        self._closed()

    def offer(self, content: bytes) -> None:
        """Content for the reader, which may go on waiting for more."""
        if self._sink is not None:
            self.offer_view(content)
        elif self._waiter is not None:
            self._waiter.set_result(content)

    def offer_view(self, content: bytes | memoryview) -> bool:
        """The same if `is_passed_on`. Unless it returns True, `content` is still needed as it is."""
        waiter, sink = self._waiter, self._sink
        if waiter is None or sink is None:
            return False
        self._left_bytes -= len(content)
        try:
            all_sent = sink.write_piece(content)
        except ConnectionError as error:
            waiter.set_exception(error.with_traceback(None))  # that would hold this frame, and so the waiter
            return False
        if not all_sent or self._left_bytes <= 0:
            waiter.set_result(b"")
        return all_sent

    def end(self, content: bytes, error: Exception | None) -> None:
        """The connection is done with the body, whose last bytes these are, or failed."""
        self._connection = None
        self._failed = error is not None
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._content = content
            self._error = error  # raised once: its traceback would hold its reader, and so this object
        elif error is None:
            waiter.set_result(content)
        else:
            waiter.set_exception(error)
        self._closed()

    def let_go(self) -> None:
        """Tell `on_end`, unless that was done."""
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()

    def _closed(self) -> None:
        self.let_go()
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()
