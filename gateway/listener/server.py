"""The data port's protocol: aiohttp's `RequestHandler` with a hang-up hook and our own error answers.

A caller that goes away is noticed at once and told to whoever asked (`on_hang_up`); what the parser refuses
is answered in our shape, logged in one line, and echoes nothing.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from gateway.errors import GatewayError, Refusal
from gateway.listener.response import RawResponse

_SLICE_BYTES = 4096
_FRAMING_BYTES = 4096
_FRAMING_RATIO = 16
"""A chunked body may bring so many bytes that are not content, and so many more per byte of content."""

RenderRefusal = Callable[[GatewayError, web.BaseRequest], RawResponse]
"""Finishes an exchange of its own for a request that could not even be parsed."""


class DataProtocol(RequestHandler):
    """One caller's connection."""

    __slots__ = ("_framing_bytes", "on_hang_up")

    def __init__(self, manager: "DataServer", **options: Any) -> None:
        super().__init__(manager, **options)
        self.on_hang_up: Callable[[], object] | None = None
        self._framing_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Bytes came. What belongs to a chunked body without being content is counted.

        llhttp skips chunk extensions of any length; large ones serve to exhaust or to smuggle only. Long
        reads are fed in slices, so that an extension cannot hide in one.
        """
        if len(data) <= _SLICE_BYTES and self._current_request is None and not self._messages:
            super().data_received(data)  # the usual case: an idle connection, a request in one segment
            return
        self._feed_counted(data[:_SLICE_BYTES])
        for at in range(_SLICE_BYTES, len(data), _SLICE_BYTES):
            self._feed_counted(data[at : at + _SLICE_BYTES])

    def _feed_counted(self, data: bytes) -> None:
        body = self._open_chunked_body()
        before = body.total_bytes if body is not None else 0
        super().data_received(data)
        if body is None or body.is_eof() or body.exception() is not None:
            self._framing_bytes = 0
            return
        # Content that waits in a paused parser is counted back when it is read on with data_received(b"").
        self._framing_bytes += len(data) - (body.total_bytes - before)
        if self._framing_bytes > _FRAMING_BYTES + _FRAMING_RATIO * body.total_bytes:
            body.set_exception(RequestPayloadError("chunk framing out of proportion"))
            self._close = True  # nothing more is read; the handler answers and the connection ends

    def _open_chunked_body(self) -> StreamReader | None:
        """The chunked body that is arriving, if there is one."""
        message: Any
        if self._messages:
            message, body = self._messages[-1]
        elif self._current_request is not None:
            message, body = self._current_request._message, self._current_request._payload
        else:
            return None
        return body if getattr(message, "chunked", False) and not body.is_eof() else None

    def connection_lost(self, exc: BaseException | None) -> None:
        """The caller is gone, or has closed its sending side, which cannot be told apart here."""
        super().connection_lost(exc)
        if self.on_hang_up is not None:
            self.on_hang_up()

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
        idle_seconds: float,
    ) -> None:
        super().__init__(handler)
        self.render_refusal = render_refusal
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": idle_seconds,
            "lingering_time": 2.0,
            "max_field_size": header_bytes,
            "max_headers": headers_max,
            "max_line_size": header_bytes,
        }

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


def hang_up_cancels(request: web.BaseRequest, *, cancels: bool) -> None:
    """Say whether the running task ends when the caller goes away."""
    protocol = request.protocol
    if isinstance(protocol, DataProtocol):
        task = asyncio.current_task()
        protocol.on_hang_up = task.cancel if cancels and task is not None else None


def _as_refusal(exc: BaseException | None) -> GatewayError:
    if isinstance(exc, LineTooLong):
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
