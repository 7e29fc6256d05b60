"""Requests on the connection's own task, and the private parts of aiohttp that this leans on."""

import asyncio

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.listener.sequential_requests import SequentialRequests

_TWO = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return SequentialRequests(self, loop=self._loop)


async def test_pipelined_requests_are_answered_in_order_on_one_task() -> None:
    tasks: list[asyncio.Task[object] | None] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        tasks.append(asyncio.current_task())
        return web.Response(text=request.path)

    server = _Server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(_TWO)
    answers = await reader.read()
    writer.close()
    listening.close()
    await server.shutdown(1)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.index(b"/1") < answers.index(b"/2")
    assert len(tasks) == 2
    assert tasks[0] is tasks[1]


def test_the_private_parts_are_still_there() -> None:
    """If this fails, compare `SequentialRequests` with `RequestHandler.start` anew."""
    for name in ("start", "finish_response", "shutdown", "_process_keepalive", "_resume_reading_if_drained"):
        assert callable(getattr(RequestHandler, name)), name
    for name in (
        *("_messages", "_waiter", "_handler_waiter", "_task_handler", "_current_request", "_keepalive"),
        *("_request_in_progress", "_request_factory", "_request_handler", "_lingering_time", "_force_close"),
        *("_keepalive_handle", "_keepalive_timeout", "_next_keepalive_close_time", "_msg_queue_resume_size"),
    ):
        assert name in RequestHandler.__slots__, name
