"""One caller's connection: reads heads, has requests handled one after the other, and decides what follows.

A connection is in one of four states: it waits for a head; a request is handled while its body still arrives;
a request is handled whose body is complete (what comes is held for the next one); it lingers, that is, it
drops what a caller still sends after the last answer, so that no reset destroys that answer (RFC 9112 9.6).
"""

import asyncio
from typing import Final, cast

from gateway.errors import GatewayError, Refusal
from gateway.listener.body_receiver import BodyReceiver
from gateway.listener.caller_transport import CallerTransport
from gateway.listener.connection_scope import ConnectionScope
from gateway.listener.connection_timer import ConnectionTimer
from gateway.listener.connections import Closed, has_unread
from gateway.listener.head_reader import HeadReader
from gateway.listener.request import Request
from gateway.listener.request_body import BUFFER_BYTES, RequestBody
from gateway.listener.tls_transport import HANDSHAKE_SECONDS, TlsTransport
from gateway.listener.tunnel_opening import recall_tunnel
from gateway.listener.tunnels import OpenTunnel

_LOOK_AGAIN_SECONDS: Final = 0.05
_LINGER_SILENCE_SECONDS: Final = 2.0
_LINGER_SECONDS: Final = 30.0
"""How long a caller may go on sending what is discarded (nginx: `lingering_timeout`, `lingering_time`)."""


class CallerConnection(asyncio.Protocol):
    """Made by a listener for each connection."""

    __slots__ = (
        "_caller", "_heads", "_held", "_inside", "_linger_until", "_lingering", "_loop", "_receiver",
        "_request", "_scope", "_timer", "_transport",
    )  # fmt: skip

    _transport: asyncio.Transport
    _caller: CallerTransport
    _heads: HeadReader

    def __init__(self, scope: ConnectionScope, loop: asyncio.AbstractEventLoop) -> None:
        self._scope = scope
        self._loop = loop
        self._timer = ConnectionTimer(loop, self._is_idle)
        self._request: Request | None = None
        self._receiver: BodyReceiver | None = None  # while the request's body is not complete
        self._held = b""  # received, and for the next request
        self._inside: TlsTransport | None = None  # once it is in a tunnel
        self._lingering = False
        self._linger_until = 0.0

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller connected."""
        scope = self._scope
        self._transport = stream = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._caller = caller = CallerTransport(stream, self._timer, scope.tracker, scope.buffers, scope.tls)
        self._heads = HeadReader(scope, caller)
        caller.bound_unsent()
        scope.enter(self)
        fate = scope.tracker.enter(caller.address)
        if fate is Closed.CUT_OFF:
            stream.abort()
            return
        caller.refused = fate is Closed.REFUSED
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes came, encrypted in a tunnel."""
        if self._inside is None:
            self.receive(data)
        else:
            self._inside.decrypt(data)

    def receive(self, data: bytes) -> None:
        """Read what was received."""
        if self._lingering:
            self._timer.set(min(self._linger_until - self._loop.time(), _LINGER_SILENCE_SECONDS), self._close)
        elif self._request is None:
            self._read_head(self._held + data if self._held else data)
        elif self._receiver is None:
            self._hold(self._held + data)
        else:
            self._receiver.receive(data)
            self._body_changed()

    def eof_received(self) -> None:
        """The caller closed its sending side: the transport closes, too, once all is sent."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has ended, closed by either side."""
        self._timer.close()
        self._held = b""
        if self._inside is not None:
            self._inside.lost()
        if self._receiver is not None:
            self._receiver.body.fail(ConnectionResetError("the caller is gone"))
        self._caller.lost()
        self._heads.close(park=self._request is None)
        self._scope.tracker.leave(self._caller.address)
        self._scope.leave(self)

    def pause_writing(self) -> None:
        """The caller does not read as fast as we write."""
        self._caller.pause()

    def resume_writing(self) -> None:
        """The caller caught up."""
        self._caller.resume()

    # What the listener calls.

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task of the request that is handled, None between requests."""
        return self._caller.task

    def shorten_idling(self, seconds: float) -> None:
        """Shorten the idle timeout to `seconds`, starting now."""
        if self._request is None and not self._lingering and not self._heads.begun:
            self._timer.set(seconds, self._is_idle)

    def abort(self) -> None:
        """Close at once, without sending what is left."""
        self._caller.abort()

    # Reading.

    def _read_head(self, data: bytes) -> None:
        """Look for a head in what was received, and start its request."""
        self._held = b""
        heads = self._heads
        request = heads.recall(data)
        if request is None:
            began = heads.begun
            opened = None if began else recall_tunnel(data, self._caller, self._scope.tunnels)
            if opened is not None:
                self._open_tunnel(opened)
                return
            try:
                request = heads.read(data)
            except Refusal as refusal:
                self._refuse(refusal)
                return
            if request is None:
                if heads.begun and not began:
                    self._await_rest_of_head()
                return
        self._begin_request(request, heads.framing, data, heads.end)

    def _begin_request(self, request: Request, framing: int, data: bytes, end: int) -> None:
        """Handle a request whose head ends at `end`; what has come of its body follows."""
        self._timer.clear()
        if framing == 0:
            self._held = data[end:]
        elif 0 < framing <= len(data) - end:
            request.body = RequestBody.received(data[end : end + framing])
            self._held = data[end + framing :]
        else:
            request.body = body = RequestBody(self._body_was_read)
            self._receiver = BodyReceiver(body, framing)
            self._receiver.receive(data[end:])
            self._body_changed()
        self._request = request
        self._caller.start_task(self._serve(request), self._loop, self._scope.context.copy())

    def _body_changed(self) -> None:
        """Bytes of the body were received or decoded."""
        receiver = self._receiver
        assert receiver is not None
        if receiver.body.complete:
            self._receiver = None
            self._hold(receiver.rest)
        elif receiver.body.full or receiver.pending:
            self._caller.pause_reading()
            if not receiver.body.full:  # no read will report that there is room
                self._loop.call_soon(self._decode)
        else:
            self._caller.resume_reading()

    def _body_was_read(self) -> None:
        """There is room for more. What is pending is decoded in another turn of the loop: it may be much."""
        receiver = self._receiver
        if receiver is not None:
            if receiver.pending:
                self._loop.call_soon(self._decode)
            else:
                self._caller.resume_reading()

    def _decode(self) -> None:
        if self._receiver is not None and self._receiver.pending and not self._receiver.body.full:
            self._receiver.decode()
            self._body_changed()

    def _hold(self, data: bytes) -> None:
        self._held = data
        if len(data) >= BUFFER_BYTES:
            self._caller.pause_reading()
        else:
            self._caller.resume_reading()

    # Answering.

    async def _serve(self, request: Request) -> None:
        """Handle one request, and see to what follows its answer. A task of its own."""
        caller = self._caller
        try:
            await self._scope.handle(request)
            if caller.paused:  # a caller that pipelines without reading must not fill our memory
                await caller.drain()
        except (asyncio.CancelledError, ConnectionError):
            request.abort()
        except Exception as error:  # noqa: BLE001 - nothing may be lost, nor leave a caller without an end
            request.abort()
            self._loop.call_exception_handler({"message": "a request failed", "exception": error})
        self._request = caller.task = None
        if caller.closing:
            return
        if caller.opening is not None:
            self._open_tunnel(caller.opening)
        elif request.keeps_open and self._receiver is None:
            self._await_head()
            if self._held:
                self._loop.call_soon(self._read_held, context=self._scope.context)
        elif not request.ended:
            request.abort()
        elif self._receiver is not None or self._held:
            self._linger()
        else:
            self._close()

    def _open_tunnel(self, opened: OpenTunnel) -> None:
        """Continue inside the tunnel. What came after CONNECT's head is the beginning of its TLS."""
        held, self._held = self._held, b""
        if not self._heads.unused:
            self._heads.close(park=False)
            self._heads = HeadReader(self._scope, self._caller)  # nothing of outside holds inside
        inside = TlsTransport(self._transport, opened.context, self, opened.failed)
        self._transport = self._inside = inside
        self._caller.go_inside(inside)
        self._timer.set(HANDSHAKE_SECONDS, self._is_idle)
        inside.begin(held)

    def handshake_done(self, server_name: str | None) -> None:
        """TLS is established inside a tunnel: read the requests."""
        self._caller.go_on(server_name)
        self._await_head()

    def _read_held(self) -> None:
        """Go on with what came before the last request was answered."""
        if self._request is None and self._held and not self._caller.closing:
            self._read_head(self._held)
            if len(self._held) < BUFFER_BYTES and self._receiver is None:
                self._caller.resume_reading()

    def _refuse(self, refusal: GatewayError) -> None:
        """Answer bytes that are no request, and close."""
        if not self._caller.closing:
            self._caller.write(self._scope.refuse(refusal, self._caller.remote))
            self._linger()

    def _linger(self) -> None:
        """Close our side, and drop what the caller still sends until it closes its own, for a while."""
        self._lingering = True
        self._receiver, self._held = None, b""
        self._linger_until = self._loop.time() + _LINGER_SECONDS
        self._timer.set(_LINGER_SILENCE_SECONDS, self._close)
        self._caller.resume_reading()
        self._transport.write_eof()

    def _close(self) -> None:
        """End the connection once what was written is sent, and anyhow after a while."""
        self._transport.close()
        self._timer.set(self._scope.tracker.limits.write_seconds, self._transport.abort)

    # Time.

    def _await_head(self) -> None:
        self._timer.set(self._caller.idle_seconds(self._loop.time()), self._is_idle)

    def _await_rest_of_head(self) -> None:
        late, idle = self._caller.head_seconds(now := self._loop.time()), self._caller.idle_seconds(now)
        self._timer.set(min(late, idle), self._head_is_late if late <= idle else self._is_idle)

    def _is_idle(self) -> None:
        if self._caller.shakes_hands:
            self._scope.tracker.closed[Closed.HEAD_TIMEOUT] += 1
            self._transport.abort()
            return
        if has_unread(self._transport):  # a request has come, and is about to be read
            self._timer.set(_LOOK_AGAIN_SECONDS, self._is_idle)
            return
        self._scope.tracker.closed[Closed.IDLE] += 1
        self._close()

    def _head_is_late(self) -> None:
        self._scope.tracker.closed[Closed.HEAD_TIMEOUT] += 1
        self._refuse(Refusal("head_timeout", "The request's head did not come in time.", closes=True))
