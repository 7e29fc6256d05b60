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


def relay_answer(
    answer: Response, request: Request, exchange: Exchange, fields: bytes = b"", *, closes: bool
) -> BodyRest | None:
    """Write an upstream's answer, as far as it is there. Returns the rest, which `relay_rest` writes.

    Raises `ConnectionError` if the caller is gone.
    """
    head, body = answer.unchanged_head, answer.body
    request_id = find_field(answer.fields, b"twilio-request-id") if head is None else head.request_id
    exchange.status = status = answer.status
    exchange.twilio_request_id = read_request_id(request_id)
    if status >= 400:
        exchange.twilio_code = read_code(body)
    elif status == 201 and exchange.label == MESSAGES and exchange.attempts:  # not one replayed
        exchange.segments, exchange.country = read_sent(body)
    if exchange.unknown:
        fields += b"Gateway-Outcome: unknown\r\n"
    ours = fields + _ours(exchange)
    reason, rest = answer.reason, answer.rest
    if not answer.has_body(request.method):
        fields = build_answer_fields(answer.fields, None, keeps_length=status != 204)
        request.answer(status, reason, fields + ours, b"", closes=closes)
        return None
    if rest is None:
        exchange.bytes_out = length = len(body)
        if head is not None and head.relayed is not None and head.length == length:
            fields = head.relayed
        else:
            fields = build_answer_fields(answer.fields, length, keeps_length=False)
        request.answer(status, reason, fields + ours, body, closes=closes)
    else:
        declared = find_field(answer.fields, b"content-length")
        announced = int(declared) if declared.isdigit() else None
        fields = build_answer_fields(answer.fields, announced, keeps_length=False)
        request.begin_answer(status, reason, fields + ours, announced, closes=closes)
        request.write(body)
        exchange.bytes_out = request.sent_bytes
        answer.body = b""  # for a caller that stalls, it would be kept until the stream ends
    return rest


async def relay_rest(rest: BodyRest, request: Request, exchange: Exchange) -> None:
    """Write what follows. A body that breaks off aborts the connection: nothing else would be true.

    Raises `ConnectionError` if the caller is gone.
    """
    try:
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
