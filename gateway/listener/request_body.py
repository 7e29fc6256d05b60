"""Reading request bodies: buffered up to a limit, or as a stream that is handed on."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPException
from aiohttp.web_protocol import RequestPayloadError

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.policy.bodies import BodyFormat, BodyPlan, too_large

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_INCOMPLETE = "The body ended early, or its chunks are malformed."


async def read_body(request: web.BaseRequest, plan: BodyPlan, seconds: float, total_seconds: float) -> bytes:
    """The whole body. Raises `Refusal` (400, 408, 413), or `ConnectionError` if the caller is gone.

    `seconds` is the longest wait for the next bytes, `total_seconds` for all of them.
    """
    if plan.shape is BodyFormat.NONE:
        return b""
    content = request.content
    if content.is_eof() and content.exception() is None:
        data = content.read_nowait()
        if len(data) > plan.limit:
            raise too_large(plan.limit)
        return data
    try:
        async with asyncio.timeout(total_seconds):
            chunks = [chunk async for chunk in _chunks(request, plan, seconds)]
    except TimeoutError as error:
        raise Refusal(
            "body_timeout", f"The body did not come within {total_seconds:g} s.", closes=True
        ) from error
    return b"".join(chunks)


class BodyStream:
    """A body handed on as it arrives. `broke` is why it ended early, if that was the caller's doing."""

    def __init__(self, request: web.BaseRequest, plan: BodyPlan, seconds: float) -> None:
        self.broke: Refusal | ConnectionError | None = None
        self._chunks = _chunks(request, plan, seconds)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks; the same errors as `read_body`."""
        try:
            async for chunk in self._chunks:
                yield chunk
        except (Refusal, ConnectionError) as broke:
            self.broke = broke
            raise


async def _chunks(request: web.BaseRequest, plan: BodyPlan, seconds: float) -> AsyncIterator[bytes]:
    content = request.content
    size = 0
    while not content.at_eof():
        try:
            async with asyncio.timeout(seconds):
                chunk = await content.readany()
        except TimeoutError as error:
            raise Refusal(
                "body_timeout", f"No byte of the body came for {seconds:g} s.", closes=True
            ) from error
        except (RequestPayloadError, HttpProcessingError, HTTPException) as error:
            raise Refusal("incomplete_body", _INCOMPLETE, closes=True) from error
        except OSError as error:  # reset, or timed out by the kernel
            raise ConnectionResetError("the caller is gone") from error
        size += len(chunk)
        if size > plan.limit:
            raise too_large(plan.limit)
        if chunk:
            yield chunk


def expects_continue(inbound: Inbound) -> bool:
    """Whether the caller holds its body back until it is asked (RFC 9110 10.1.1); HTTP/1.0 never does."""
    return b"expect" in inbound.single_fields and inbound.version != (1, 0) and inbound.has_body


def send_continue(request: web.BaseRequest) -> None:
    """Ask for the body, once it is sure to be read."""
    transport = request.transport
    if transport is not None and not request.content.is_eof():
        transport.write(_CONTINUE)
