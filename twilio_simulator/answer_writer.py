"""How an answer reaches the socket: whole, streamed, slowly, cut short, as garbage, or not at all.

What aiohttp would not send (a false length, a missing last chunk, an RST) goes to the transport directly.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.http import HttpVersion11
from multidict import CIMultiDict

from twilio_simulator.faults import Plan
from twilio_simulator.media_resources import BLOCK, pattern_bytes
from twilio_simulator.received_request import Upload
from twilio_simulator.rendering import RenderedAnswer
from twilio_simulator.resource_values import Pattern

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
_CUT_STREAM_BYTES: Final = 64 * 1024
_SLOW_PIECES: Final = 10
_RAW_FAULTS: Final = ("truncate", "truncate-chunked", "garbage", "close-after")


class AnswerConnection(web.RequestHandler):
    """aiohttp's protocol, which also tells when it was lost, and refuses without naming itself."""

    __slots__ = ("closed",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A bare answer to what could not be parsed; a bug of the simulator's own is logged."""
        if status >= 500 and not isinstance(exc, ConnectionError):
            self.log_exception("The simulator failed", exc_info=exc)
        response = web.Response(status=status, headers={"Server": "TwilioSim"})
        response.force_close()
        return response


class Acceptor(web.Server):
    """aiohttp's low-level server, making our connections."""

    def __call__(self) -> AnswerConnection:
        return AnswerConnection(self, loop=self._loop, **self._kwargs)


def closed_future(request: web.BaseRequest) -> asyncio.Future[None]:
    """Done when the caller's connection is lost. Await it shielded: it belongs to the connection."""
    protocol = request.protocol
    assert isinstance(protocol, AnswerConnection)  # Acceptor makes no others
    return protocol.closed


async def read_body(request: web.BaseRequest) -> bytes:
    """The whole body, at most aiohttp's 1 MiB (413 above)."""
    _say_continue(request)
    return await request.read()


async def read_upload(request: web.BaseRequest) -> Upload:
    """Take in a body of any size, keeping only its length and digest."""
    _say_continue(request)
    digest, size = hashlib.sha256(), 0
    async for piece in request.content.iter_any():
        digest.update(piece)
        size += len(piece)
    return Upload(size, digest.hexdigest())


def reset(request: web.BaseRequest) -> None:
    """End the connection with an RST: closing with linger zero discards what is unsent."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


async def send(
    request: web.BaseRequest,
    rendered: RenderedAnswer,
    plan: Plan,
    sleep: Callable[[float], Awaitable[None]],
) -> web.StreamResponse:
    """Send the answer as the plan wants it."""
    if plan and any(fault in plan for fault in _RAW_FAULTS):
        _send_raw(request, rendered, plan)
        return web.Response()  # never sent: the transport is closing
    if rendered.stream is not None:
        return await _send_pattern(request, rendered, rendered.stream)
    if "slow-body" in plan:
        return await _send_slowly(request, rendered, float(plan["slow-body"]), sleep)
    return web.Response(status=rendered.status, body=rendered.body, headers=CIMultiDict(rendered.headers))


async def _send_pattern(
    request: web.BaseRequest, rendered: RenderedAnswer, pattern: Pattern
) -> web.StreamResponse:
    response = web.StreamResponse(status=rendered.status, headers=CIMultiDict(rendered.headers))
    if not pattern.chunked:
        response.content_length = pattern.size_bytes
    elif request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    await response.prepare(request)
    if request.method != "HEAD":
        whole, rest = divmod(pattern.size_bytes, len(BLOCK))
        for _ in range(whole):
            await response.write(BLOCK)
        if rest:
            await response.write(BLOCK[:rest])
    return response


async def _send_slowly(
    request: web.BaseRequest,
    rendered: RenderedAnswer,
    seconds: float,
    sleep: Callable[[float], Awaitable[None]],
) -> web.StreamResponse:
    response = web.StreamResponse(status=rendered.status, headers=CIMultiDict(rendered.headers))
    body = b"" if request.method == "HEAD" else rendered.body
    response.content_length = len(rendered.body)
    await response.prepare(request)
    step = max(1, -(-len(body) // _SLOW_PIECES))
    for start in range(0, len(body), step):
        await sleep(seconds / _SLOW_PIECES)
        await response.write(body[start : start + step])
    return response


def _send_raw(request: web.BaseRequest, rendered: RenderedAnswer, plan: Plan) -> None:
    """Write the bytes of a broken answer, then close."""
    transport = request.transport
    if transport is None:
        return
    if "garbage" in plan:
        transport.write(b"\x00\x01 this is not HTTP \xff\r\n\r\n")
    else:
        transport.write(b"".join(_broken_answer(request, rendered, plan)))
    transport.close()


def _broken_answer(request: web.BaseRequest, rendered: RenderedAnswer, plan: Plan) -> Iterable[bytes]:
    body, size_bytes = rendered.body, len(rendered.body)
    if rendered.stream is not None:
        size_bytes = rendered.stream.size_bytes
        body = pattern_bytes(min(size_bytes, _CUT_STREAM_BYTES))
    half = body[: min(len(body), size_bytes // 2)]
    phrase = HTTPStatus(rendered.status).phrase
    yield f"HTTP/1.1 {rendered.status} {phrase}\r\nDate: {formatdate(usegmt=True)}\r\n".encode()
    yield "".join(f"{name}: {value}\r\n" for name, value in rendered.headers).encode()
    if "truncate-chunked" in plan:
        yield b"Transfer-Encoding: chunked\r\n\r\n"
        yield b"%x\r\n%b\r\n" % (len(half), half) if half else b""
    elif "truncate" in plan:
        yield b"Content-Length: %d\r\n\r\n" % max(size_bytes, 64)
        yield half
    else:
        yield b"\r\n" if rendered.status in (204, 304) else b"Content-Length: %d\r\n\r\n" % size_bytes
        yield b"" if request.method == "HEAD" else body


def _say_continue(request: web.BaseRequest) -> None:
    """aiohttp's low-level server never sends the `100 Continue` that curl waits for."""
    transport = request.transport
    if transport is not None and request.headers.get("Expect", "").lower() == "100-continue":
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
