"""Answers on their last stretch, from an `Answer` or an error of ours to the caller's socket."""

import time

from aiohttp import web

from gateway.errors import UpstreamFailure
from gateway.exchange import Ending, Exchange
from gateway.http.header_fields import build_answer_fields, find_field, read_request_id
from gateway.http.response import Response
from gateway.listener.data_server import abort_connection
from gateway.listener.raw_response import RawResponse
from gateway.retry.retry_policy import read_code
from gateway.twilio.error_body import RenderedError
from gateway.twilio.message_segments import MESSAGES, read_sent


async def relay_answer(
    answer: Response, request: web.BaseRequest, exchange: Exchange, fields: bytes = b"", *, closes: bool
) -> RawResponse:
    """Write an upstream's answer. A body that breaks off aborts the connection: nothing else would be true.

    Raises `ConnectionError` if the caller is gone.
    """
    exchange.status = answer.status
    exchange.twilio_request_id = read_request_id(find_field(answer.fields, b"twilio-request-id"))
    if answer.status >= 400:
        exchange.twilio_code = read_code(answer.body)
    elif answer.status == 201 and exchange.label == MESSAGES and exchange.attempts:  # not one replayed
        exchange.segments, exchange.country = read_sent(answer.body)
    if exchange.unknown:
        fields += b"Gateway-Outcome: unknown\r\n"
    response = _begin(answer, request.method, fields + _ours(exchange), closes=closes)
    if answer.rest is None:
        await response.prepare(request)
        exchange.bytes_out = response.sent_bytes
        return response
    try:
        await _stream(answer, response, request, exchange)
    finally:
        exchange.bytes_out = response.sent_bytes
    return response


def make_error_response(
    rendered: RenderedError, method: str, exchange: Exchange, *, closes: bool
) -> RawResponse:
    """An error of ours, ready to be written."""
    body = b"" if method == "HEAD" else rendered.body
    exchange.bytes_out = len(body)
    fields = b"".join(b"%b: %b\r\n" % field for field in rendered.fields)
    fields += b"Content-Length: %d\r\n" % len(rendered.body) + _ours(exchange)
    return RawResponse(rendered.status, rendered.reason, fields, body, closes=closes)


def _begin(answer: Response, method: str, ours: bytes, *, closes: bool) -> RawResponse:
    if not answer.has_body(method):
        fields = build_answer_fields(answer.fields, None, keeps_length=answer.status != 204)
        return RawResponse(answer.status, answer.reason, fields + ours, closes=closes)
    streams = answer.rest is not None
    length: int | None = len(answer.body)
    if streams:
        declared = find_field(answer.fields, b"content-length")
        length = int(declared) if declared.isdigit() else None
    fields = build_answer_fields(answer.fields, length, keeps_length=False) + ours
    return RawResponse(
        answer.status,
        answer.reason,
        fields,
        b"" if streams else answer.body,
        streams=streams,
        length=length,
        closes=closes,
    )


def _ours(exchange: Exchange) -> bytes:
    return b"X-Request-Id: %b\r\nGateway-Attempts: %d\r\nVia: 1.1 twilio-gateway\r\n" % (
        exchange.request_id.encode("ascii"),
        exchange.attempts,
    )


async def _stream(
    answer: Response, response: RawResponse, request: web.BaseRequest, exchange: Exchange
) -> None:
    rest = answer.rest
    assert rest is not None
    await response.prepare(request)
    await response.write(answer.body)
    began = time.perf_counter()
    while not rest.at_end:
        try:
            chunk = await rest.read()
        except UpstreamFailure:
            exchange.ending = Ending.ABORTED
            abort_connection(request)
            return
        arrived = time.perf_counter()
        exchange.upstream_seconds += arrived - began
        await response.write(chunk)
        began = time.perf_counter()
        exchange.caller_seconds += began - arrived
    await response.write_eof()
