"""One connection to Twilio: a request goes out in one write, its answer comes back, then the next may follow.

Owned by a `ConnectionPool`. Everything is done in the event loop's callbacks; no exchange needs another task
than its caller's. The head is waited for until the attempt's deadline, the rest of a body as long as it makes
progress (docs/adr/0011-one-upstream-pool.md).
"""

import asyncio
import math
from typing import Protocol

from gateway.http.response import Response
from gateway.upstream.answer_reader import AnswerReader
from gateway.upstream.connection_phase import BUFFERING, CLOSED, IDLE, SENT, STREAMING, ConnectionPhase
from gateway.upstream.hand_out import MAX_BUFFERED_BYTES, buffering_due, hand_out_at
from gateway.upstream.read_buffer import ReadBuffer
from gateway.upstream.sending import Sending
from gateway.upstream.streamed_body import StreamedBody
from gateway.upstream.upload_writer import UploadWriter
from gateway.upstream.upstream_failures import lost, timed_out, unreadable
from gateway.upstream.watchdog import Watchdog


class ConnectionOwner(Protocol):
    """The pool that a connection belongs to."""

    buffer: ReadBuffer

    def give_back(self, connection: "UpstreamConnection") -> None:
        """The connection may serve another request."""
        ...

    def forget(self, connection: "UpstreamConnection") -> None:
        """The connection is closed."""
        ...


class UpstreamConnection(asyncio.BufferedProtocol):
    """`origin` is the pool's name for where it leads; `idle_since` is the loop's clock."""

    __slots__ = (
        "_buffer", "_hand_out_at", "_held_bytes", "_idle_due", "_loop", "_owner", "_reader", "_rest",
        "_saw_eof", "_sending", "_transport", "_upload", "_waiter", "_watchdog", "idle_since", "origin",
        "phase",
    )  # fmt: skip

    def __init__(
        self, owner: ConnectionOwner, origin: str, transport: asyncio.Transport, held_bytes: int
    ) -> None:
        """`held_bytes`: see `Opened`."""
        self.origin = origin
        self.idle_since = 0.0
        self.phase: ConnectionPhase = IDLE
        self._owner = owner
        self._buffer = owner.buffer
        self._loop = loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = transport
        self._held_bytes = held_bytes
        self._watchdog = Watchdog(loop, self._on_due)
        self._reader: AnswerReader | None = None
        self._sending: Sending | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._rest: StreamedBody | None = None
        self._upload: UploadWriter | None = None
        self._saw_eof = False
        self._hand_out_at = math.inf
        self._idle_due = math.inf

    async def exchange(self, sending: Sending) -> Response:
        """Send a request. Returns its answer, whole or with the rest of its body to be streamed.

        Raises `UpstreamFailure`, or what an upload raises. A cancelled exchange closes the connection.
        """
        transport = self._transport
        if transport is None:
            raise lost()
        waiter: asyncio.Future[Response] = self._loop.create_future()
        self._waiter = waiter
        self._sending = sending
        self._reader = AnswerReader(to_head=sending.to_head)
        self.phase = SENT
        transport.write(sending.data)
        if sending.upload is None:
            self._watchdog.watch(sending.deadline)
        else:
            self._upload = UploadWriter(transport, sending, sending.upload, self._on_upload_end)
        try:
            return await waiter
        except BaseException:
            if self._waiter is waiter:
                self.abort()
            elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().close()  # the answer came as its task was cancelled
            raise
        finally:
            del waiter  # it may hold an exception whose traceback holds this frame

    def abort(self) -> None:
        """Close at once. That never waits for the peer, TLS or not."""
        self._fail(lost())

    # ── what the event loop calls

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer.short if self._rest is None else self._buffer.long

    def buffer_updated(self, nbytes: int) -> None:
        """Read what was received."""
        reader = self._reader
        if reader is None:
            self.abort()  # unsolicited bytes must not become part of the next answer
            return
        rest = self._rest
        if rest is not None and rest.is_passed_on and reader.pass_by(nbytes):
            self._pass_on(rest, reader, nbytes)
            return
        try:
            reader.feed(bytes(self._buffer.long[:nbytes]))
        except ValueError:
            self._fail(unreadable())
            return
        if reader.complete:
            self._complete(reader)
        elif reader.head is not None:
            self._go_on(reader)

    def eof_received(self) -> None:
        """The peer has finished sending; the transport closes. On uvloop with TLS: after a close_notify."""
        self._saw_eof = True
        if self.phase is IDLE:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. uvloop tells a close_notify from a bare end of TCP, asyncio does not."""
        reader = self._reader
        if reader is not None and reader.end(clean=exc is None and self._saw_eof):
            self._complete(reader)
        else:
            self._fail(lost() if self.phase is SENT else unreadable())

    def pause_writing(self) -> None:
        """Twilio does not take what was written fast enough."""
        if self._upload is not None:
            self._upload.pause()

    def resume_writing(self) -> None:
        """Twilio takes it again."""
        if self._upload is not None:
            self._upload.resume()

    # ── handing out an answer

    def _complete(self, reader: AnswerReader) -> None:
        """The answer is complete. The connection is free before the reader of the answer runs."""
        rest, waiter, head = self._rest, self._waiter, reader.head
        content = reader.take()
        reusable = reader.reusable
        if rest is None and (waiter is None or waiter.done()):
            self.abort()  # cancelled: its task is about to find out
            return
        self._rest = self._waiter = self._reader = self._sending = None
        self.phase = IDLE
        self._watchdog.rest()
        if rest is not None:
            rest.end(content, None)
        elif waiter is not None and head is not None:
            waiter.set_result(Response(head.status, head.reason, head.fields, content, None, head))
        transport, upload = self._transport, self._upload
        if upload is not None:  # the answer came before the request was sent
            self._upload = None
            upload.cancel()
        elif reusable and transport is not None and not transport.get_write_buffer_size():
            self._owner.give_back(self)
            return
        self.abort()

    def _go_on(self, reader: AnswerReader) -> None:
        """Part of the answer has arrived."""
        sending, head = self._sending, reader.head
        assert sending is not None
        assert head is not None
        if self.phase is STREAMING:
            rest = self._rest
            if rest is None or not rest.is_awaited:
                self._pause(reader)
            elif reader.size:  # else there was nothing but framing
                rest.offer(reader.take())
                self._after_offer(rest, reader, sending)
            return
        now = self._loop.time()
        self._idle_due = now + sending.idle_seconds
        if self._upload is not None and self.phase is SENT:
            sending.deadline = now + sending.upload_seconds
        if reader.size > MAX_BUFFERED_BYTES:
            self._hand_out(slow=False)
        elif self.phase is SENT:
            self.phase = BUFFERING
            self._hand_out_at = due = hand_out_at(sending, head, now)
            if due <= now:
                self._hand_out(slow=False)
            else:
                self._watchdog.watch(buffering_due(sending, self._idle_due, due))

    def _hand_out(self, *, slow: bool) -> None:
        """Hand out the beginning of an answer; the rest is read as fast as its reader takes it."""
        waiter, reader, sending = self._waiter, self._reader, self._sending
        if waiter is None or waiter.done() or reader is None or reader.head is None or sending is None:
            self.abort()
            return
        head = reader.head
        self._waiter = None
        self.phase = STREAMING
        self._rest = rest = StreamedBody(self, slow=slow)
        self._let_reader_take_its_time(sending)
        waiter.set_result(Response(head.status, head.reason, head.fields, reader.take(), rest, head))
        self._pause(reader)

    def _pass_on(self, rest: StreamedBody, reader: AnswerReader, size: int) -> None:
        """What was just read is content, and its reader takes it as it comes."""
        assert self._sending is not None
        if not rest.offer_view(self._buffer.long[:size]):
            self._buffer.replace()
        self._after_offer(rest, reader, self._sending)

    def _after_offer(self, rest: StreamedBody, reader: AnswerReader, sending: Sending) -> None:
        if rest.is_awaited:
            self._watchdog.watch(self._loop.time() + sending.idle_seconds)
        else:
            self._let_reader_take_its_time(sending)
            self._pause(reader)

    def take(self) -> bytes:
        """As `BodySource` says."""
        return self._reader.take() if self._reader is not None else b""

    def want(self) -> None:
        """As `BodySource` says."""
        if self._transport is not None and self._sending is not None:
            self._transport.resume_reading()
            self._watchdog.watch(self._loop.time() + self._sending.idle_seconds)

    def _let_reader_take_its_time(self, sending: Sending) -> None:
        """How long a reader takes is its own business, but for what a slow answer holds meanwhile."""
        if self._rest is not None and self._rest.slow:
            self._watchdog.watch(self._loop.time() + sending.idle_seconds)
        else:
            self._watchdog.rest()

    def _pause(self, reader: AnswerReader) -> None:
        """Read no further until the reader asks."""
        if self._transport is not None and not reader.wants_ahead(self._held_bytes):
            self._transport.pause_reading()

    # ── time and failure

    def _on_due(self) -> None:
        rest, sending = self._rest, self._sending
        soon = self._loop.time() + 0.001
        if rest is not None and not rest.is_awaited:
            rest.let_go()
        elif self.phase is BUFFERING and self._hand_out_at <= soon:
            self._hand_out(slow=True)
        elif (
            self.phase is BUFFERING
            and sending is not None
            and (due := buffering_due(sending, self._idle_due, self._hand_out_at)) > soon
        ):
            self._watchdog.watch(due)
        else:
            self._fail(timed_out())

    def _on_upload_end(self, error: Exception | None) -> None:
        self._upload = None
        if error is not None:
            self._fail(error)
        elif self.phase is SENT and self._sending is not None:
            self._sending.deadline = self._loop.time() + self._sending.upload_seconds
            self._watchdog.watch(self._sending.deadline)

    def _fail(self, error: Exception) -> None:
        """End the exchange, if there is one, and the connection."""
        transport, waiter, rest, upload = self._transport, self._waiter, self._rest, self._upload
        if transport is None:
            return
        self._transport = self._waiter = self._rest = self._upload = self._reader = self._sending = None
        self.phase = CLOSED
        self._watchdog.stop()
        transport.abort()
        if upload is not None:
            upload.cancel()
        self._owner.forget(self)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if rest is not None:
            rest.end(b"", error)
