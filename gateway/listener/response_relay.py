"""Answers on their last stretch, from a `Response` or an error of ours to the caller."""

import time

from gateway.errors import GatewayError, UpstreamFailure
from gateway.exchange import Ending, Exchange
from gateway.http.header_fields import build_answer_fields, find_field, read_request_id
from gateway.http.response import BodyRest, Response
from gateway.listener.request import Request
from gateway.retry.retry_policy import read_code
from gateway.twilio.error_body import ErrorHelp, render_error
from gateway.twilio.message_segments import MESSAGES, read_sent


async def relay_answer(
    answer: Response, request: Request, exchange: Exchange, fields: bytes = b"", *, closes: bool
) -> None:
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
    ours = fields + _ours(exchange)
    status, reason, rest = answer.status, answer.reason, answer.rest
    if not answer.has_body(request.method):
        fields = build_answer_fields(answer.fields, None, keeps_length=status != 204)
        request.answer(status, reason, fields + ours, b"", closes=closes)
    elif rest is None:
        fields = build_answer_fields(answer.fields, len(answer.body), keeps_length=False)
        request.answer(status, reason, fields + ours, answer.body, closes=closes)
        exchange.bytes_out = len(answer.body)
    else:
        declared = find_field(answer.fields, b"content-length")
        length = int(declared) if declared.isdigit() else None
        fields = build_answer_fields(answer.fields, length, keeps_length=False)
        request.begin_answer(status, reason, fields + ours, length, closes=closes)
        try:
            request.write(answer.body)
            answer.body = b""  # for a caller that stalls, it would be kept until the stream ends
            await _stream(rest, request, exchange)
        finally:
            exchange.bytes_out = request.sent_bytes


def render_refusal(
    error: GatewayError, target: str, exchange: Exchange, advice: ErrorHelp
) -> tuple[int, str, bytes, bytes]:
    """An error of ours as (status, reason, field lines, body); `target` says whether it is JSON or XML."""
    rendered = render_error(error, target, advice)
    fields = b"".join([b"%b: %b\r\n" % field for field in rendered.fields])
    fields += b"Content-Length: %d\r\n" % len(rendered.body) + _ours(exchange)
    return rendered.status, rendered.reason, fields, rendered.body


def _ours(exchange: Exchange) -> bytes:
    return b"X-Request-Id: %b\r\nGateway-Attempts: %d\r\nVia: 1.1 twilio-gateway\r\n" % (
        exchange.request_id.encode("ascii"),
        exchange.attempts,
    )


async def _stream(rest: BodyRest, request: Request, exchange: Exchange) -> None:
    caller = request.caller
    began = time.perf_counter()
    while not rest.at_end:
        if caller.paused:
            await caller.drain()
            drained = time.perf_counter()
            exchange.caller_seconds += drained - began
            began = drained
        try:
            chunk = await rest.read()
        except UpstreamFailure:
            exchange.ending = Ending.ABORTED
            request.abort()
            return
        arrived = time.perf_counter()
        exchange.upstream_seconds += arrived - began
        request.write(chunk)
        began = arrived
    request.end_answer()
