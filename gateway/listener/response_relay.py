"""Writes a response to the caller: Twilio's, or an error of the gateway."""

import time

from gateway.errors import GatewayError, UpstreamFailure
from gateway.exchange import Ending, Exchange
from gateway.http.content_coding import peek
from gateway.http.header_fields import build_answer_fields, find_field, read_request_id
from gateway.http.response import BodyRest, Response
from gateway.listener.request import Request
from gateway.policy.named_sids import name_created_sid
from gateway.retry.retry_policy import read_code
from gateway.twilio.created_sid import MAX_BYTES
from gateway.twilio.error_body import ErrorHelp, render_error
from gateway.twilio.message_segments import MESSAGES, read_sent
from gateway.upstream.streamed_body import StreamedBody


def relay_answer(
    answer: Response, request: Request, exchange: Exchange, fields: bytes = b"", *, closes: bool
) -> BodyRest | None:
    """Write an upstream's answer, as far as it is there. Returns the rest, which `relay_rest` writes.

    Raises `ConnectionError` if the caller has disconnected.
    """
    head, body = answer.unchanged_head, answer.body
    request_id = find_field(answer.fields, b"twilio-request-id") if head is None else head.request_id
    exchange.status = status = answer.status
    exchange.twilio_request_id = read_request_id(request_id)
    if status >= 400:
        exchange.twilio_code = read_code(body)
    elif exchange.method == "POST" and status < 300:
        text = peek(body, MAX_BYTES)
        _note_created(exchange, text)
        if status == 201 and exchange.label == MESSAGES and exchange.attempts:  # not one replayed
            exchange.segments, exchange.country = read_sent(text)
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
        if exchange.method == "POST" and status < 300 and not exchange.created_sid and len(body) < MAX_BYTES:
            rest = _WatchedRest(rest, body, exchange)
        answer.body = b""  # for a caller that stalls, it would be kept until the stream ends
    return rest


async def relay_rest(rest: BodyRest, request: Request, exchange: Exchange) -> None:
    """Write what follows. If the body is cut short, the caller's connection is aborted: any clean end would
    claim that the body was complete.

    Raises `ConnectionError` if the caller has disconnected.
    """
    try:
        await _stream(rest, request, exchange)
    finally:
        exchange.bytes_out = request.sent_bytes


def render_refusal(
    error: GatewayError, target: str, exchange: Exchange, advice: ErrorHelp
) -> tuple[int, str, bytes, bytes]:
    """The gateway's error as (status, reason, field lines, body); `target` decides between JSON and XML."""
    rendered = render_error(error, target, advice)
    fields = b"".join([b"%b: %b\r\n" % field for field in rendered.fields])
    fields += b"Content-Length: %d\r\n" % len(rendered.body) + _ours(exchange)
    return rendered.status, rendered.reason, fields, rendered.body


def render_own(body: bytes, exchange: Exchange) -> bytes:
    """The field lines of an answer of our own in JSON, which no cache stores."""
    fields = b"Content-Type: application/json\r\nCache-Control: no-store\r\n"
    return b"%bContent-Length: %d\r\n%b" % (fields, len(body), _ours(exchange))


def _ours(exchange: Exchange) -> bytes:
    return b"X-Request-Id: %b\r\nGateway-Attempts: %d\r\nVia: 1.1 twilio-gateway\r\n" % (
        exchange.request_id.encode("ascii"),
        exchange.attempts,
    )


def _note_created(exchange: Exchange, text: bytes) -> None:
    sid = name_created_sid(text)
    if sid != exchange.resource_sid:  # that of an update is what was addressed
        exchange.created_sid = sid


class _WatchedRest:
    """The rest of an answer to a create whose SID has not come yet: it is looked for as the bytes pass by."""

    def __init__(self, rest: BodyRest, begun: bytes, exchange: Exchange) -> None:
        self._rest = rest
        self._kept = bytearray(begun)
        self._exchange: Exchange | None = exchange

    @property
    def at_end(self) -> bool:
        return self._rest.at_end

    async def read(self) -> bytes:
        rest = self._rest
        chunk = await rest.read()
        exchange = self._exchange
        if exchange is not None:
            self._kept += chunk[: MAX_BYTES - len(self._kept)]
            if rest.at_end or not chunk or len(self._kept) == MAX_BYTES:
                self._exchange = None
                _note_created(exchange, bytes(self._kept))
                self._kept.clear()
        return chunk

    def close(self) -> None:
        self._rest.close()


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
            if isinstance(rest, StreamedBody):
                await rest.pass_on(request)
            else:
                request.write(await rest.read())
        except UpstreamFailure:
            exchange.ending = Ending.ABORTED
            request.abort()
            return
        arrived = time.perf_counter()
        exchange.upstream_seconds += arrived - began
        began = arrived
    request.end_answer()
