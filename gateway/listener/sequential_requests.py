"""One caller's requests, one after the other, on the connection's own task.

aiohttp makes a task per request, which before Python 3.12 costs a turn of the loop each; nothing here needs
one, for a connection's requests never overlap. `serve` is `RequestHandler.start` without it, and without the
access log and the exceptions that our handler never raises.
"""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http_writer import StreamWriter
from aiohttp.web_protocol import _PAYLOAD_ACCESS_ERROR, ERROR, RequestHandler, _ErrInfo


class SequentialRequests(RequestHandler):
    """Overrides the loop over a connection's messages."""

    __slots__ = ("_lingering",)

    def __init__(self, manager: Any, **options: Any) -> None:
        super().__init__(manager, **options)
        self._lingering = False

    async def start(self) -> None:
        """Answer requests until the connection ends. Cancelled by `shutdown` after its time."""
        manager = self._manager
        assert manager is not None
        while not self._force_close:
            message, payload = await self._next_message()
            manager.requests_count += 1
            request = self._make_request(message, payload)
            try:
                response = await self._answer(request, message)
                self._keepalive = bool(response.keep_alive)
                if not payload.is_eof():
                    await self._linger(payload)
                if self._paused:  # who pipelines without reading must not fill our memory
                    await self._drain_helper()
                payload.set_exception(_PAYLOAD_ACCESS_ERROR)
            except ConnectionError:
                break
            except BaseException:
                self.force_close()
                raise
            finally:
                request._task = None  # type: ignore[assignment]  # breaks a cycle
            if not self._keepalive or self._close or self._force_close:
                break
            self._await_next()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _next_message(self) -> tuple[Any, Any]:
        if not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return message

    def _make_request(self, message: Any, payload: Any) -> web.BaseRequest:
        assert self._request_factory is not None
        task = self._task_handler or asyncio.current_task()
        shown = ERROR if isinstance(message, _ErrInfo) else message
        return self._request_factory(shown, payload, self, StreamWriter(self, self._loop), task)  # type: ignore[arg-type]

    async def _answer(self, request: web.BaseRequest, message: Any) -> web.StreamResponse:
        assert self._request_handler is not None
        self._request_in_progress = True
        self._current_request = request
        try:
            if isinstance(message, _ErrInfo):
                response = self.handle_error(request, message.status, message.exc, message.message)
            else:
                response = await self._request_handler(request)
        finally:
            self._current_request = None
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)
        response, gone = await self.finish_response(request, response, None)
        if gone:
            raise ConnectionResetError("the caller is gone")
        return response

    async def _linger(self, payload: Any) -> None:
        """Read and drop what still comes of a body that nobody wanted, for a moment (RFC 9112 9.6)."""
        if not self._force_close and self._lingering_time:
            self._lingering = True
            try:
                async with asyncio.timeout(self._lingering_time):
                    while not payload.is_eof():
                        await payload.readany()
            except TimeoutError:
                pass
            finally:
                self._lingering = False
        if not payload.is_eof() and not self._force_close:
            self.close()

    def _await_next(self) -> None:
        """Start or prolong the time that the connection may be idle."""
        close_time = self._loop.time() + self._keepalive_timeout
        self._next_keepalive_close_time = close_time
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)
