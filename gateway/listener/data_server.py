"""The data port's protocol: aiohttp's `RequestHandler` with a hang-up hook and our own error answers.

A caller that goes away is noticed at once and told to whoever asked (`on_hang_up`); what the parser refuses
is answered in our shape, logged in one line, and echoes nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.web_protocol import RequestPayloadError

from gateway.errors import GatewayError, Refusal
from gateway.identity.client_certificates import PeerCertificate, read_certificate
from gateway.listener.connections import (
    LAST_IDLE_SECONDS,
    ConnectionLimits,
    ConnectionTracker,
    HeadTimeoutError,
    PatientProtocol,
    require_room,
)
from gateway.listener.raw_response import RawResponse

_TOO_MANY = "Too many headers received"  # aiohttp has no class for it

RenderRefusal = Callable[[GatewayError, web.BaseRequest], RawResponse]
"""Finishes an exchange of its own for a request that could not even be parsed."""


class DataProtocol(PatientProtocol):
    """One caller's connection."""

    __slots__ = ("certificate", "hung_up", "on_hang_up")

    def __init__(self, manager: "DataServer", **options: Any) -> None:
        super().__init__(manager, manager.guests, **options)
        self.certificate: PeerCertificate | None = None
        self.hung_up = False
        self.on_hang_up: Callable[[], object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is there, and may have shown a certificate, which the handshake has verified."""
        super().connection_made(transport)
        shown = transport.get_extra_info("peercert")
        if shown:
            self.certificate = read_certificate(shown)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The caller is gone, or has closed its sending side, which cannot be told apart here."""
        manager, task = self._manager, self._task_handler
        if isinstance(manager, DataServer) and task is not None and self._request_in_progress:
            manager.orphans.add(task)
            task.add_done_callback(manager.orphans.discard)
        super().connection_lost(exc)
        self.hung_up = True
        if self.on_hang_up is not None:
            self.on_hang_up()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What aiohttp logs of itself. That an answered body stays unreadable is no news."""
        if not isinstance(kw.get("exc_info"), RequestPayloadError):
            super().log_exception(*args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp's parser refused. Replaces a page that quotes the caller's bytes."""
        manager = self._manager
        if not isinstance(manager, DataServer) or request.writer.output_size > 0:
            raise ConnectionResetError("an answer has begun already")
        return manager.render_refusal(_as_refusal(exc), request)


class DataServer(web.Server):
    """Makes a `DataProtocol` per connection."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Any],
        render_refusal: RenderRefusal,
        *,
        header_bytes: int,
        headers_max: int,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(handler)
        self.render_refusal = render_refusal
        self.guests = ConnectionTracker(limits)
        self.orphans: set[asyncio.Task[None]] = set()
        """Exchanges that go on though their caller has gone."""
        self.set_bounds(header_bytes, headers_max)

    def set_bounds(self, header_bytes: int, headers_max: int) -> None:
        """What the heads of requests must keep to, on connections that are made from now on."""
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "lingering_time": 2.0,
            "max_field_size": header_bytes,
            "max_headers": headers_max,
            "max_line_size": header_bytes,
        }

    def begin_drain(self) -> None:
        """Close connections when they have been idle for a second. Answers are the handler's to close."""
        self.guests.limits = replace(self.guests.limits, idle_seconds=LAST_IDLE_SECONDS)
        for connection in self.connections:
            if isinstance(connection, DataProtocol):
                connection.shorten_idling(LAST_IDLE_SECONDS)

    async def cut(self, seconds: float) -> None:
        """Break off what is left: an exchange has `seconds` to say so. Exchanges without a caller, too."""
        self.pre_shutdown()
        orphans = list(self.orphans)
        for task in orphans:
            task.cancel()
        await self.shutdown(seconds)
        await asyncio.gather(*orphans, return_exceptions=True)

    def __call__(self) -> DataProtocol:
        return DataProtocol(self, loop=self._loop, **self._options)


def close_at_once(request: web.BaseRequest) -> None:
    """End the connection after what was written, without waiting for a body that will not be read."""
    protocol = request.protocol
    if protocol is not None:
        protocol.force_close()


def abort_connection(request: web.BaseRequest) -> None:
    """Break the connection off, so that what was sent of an answer cannot pass for all of it."""
    transport = request.transport
    if transport is not None:
        transport.abort()


class CallerConnection:
    """The caller's connection, as far as the running task must know of it."""

    __slots__ = ("_protocol", "certificate", "task")

    def __init__(self, request: web.BaseRequest) -> None:
        protocol = request.protocol
        assert isinstance(protocol, DataProtocol)
        self._protocol = protocol
        self.certificate = protocol.certificate
        self.task = request.task  # the connection's own: its requests need no others

    def require_room(self) -> None:
        """Raises `Refusal` (too_many_connections)."""
        require_room(self._protocol)

    @property
    def too_slow(self) -> bool:
        """Whether it was cut off because the caller left its answer unread."""
        return self._protocol.too_slow

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer; else a cancelled task was ended by us, while draining."""
        return self._protocol.hung_up

    def cancel_on_disconnect(self, enabled: bool) -> None:
        """Whether the task is cancelled when the caller disconnects."""
        self._protocol.on_hang_up = self.task.cancel if enabled else None


def _as_refusal(exc: BaseException | None) -> GatewayError:
    if isinstance(exc, HeadTimeoutError):
        return Refusal("head_timeout", "The request's head did not come in time.", closes=True)
    if isinstance(exc, BadHttpMessage) and (isinstance(exc, LineTooLong) or exc.message == _TOO_MANY):
        return Refusal(
            "header_too_large",
            "The request line or a header field is too long, or there are too many.",
            closes=True,
        )
    if (
        exc is not None
        and not isinstance(exc, web.HTTPException)
        and type(exc).__module__.startswith("aiohttp")
    ):
        return Refusal(
            "malformed_request",
            "This is not an HTTP/1.1 request that can be read in one way only.",
            closes=True,
        )
    return GatewayError("internal_error", "The gateway failed; look for the request id in its log.")
