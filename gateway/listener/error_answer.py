"""Answers a caller with an error of the gateway, in Twilio's shape, and records it in the exchange."""

from gateway.errors import GatewayError
from gateway.exchange import Ending, Exchange
from gateway.http.response_head import HTTP_1_0, build_head
from gateway.listener.request import Request
from gateway.listener.response_relay import render_refusal
from gateway.policy.refusal_names import note_error
from gateway.twilio.error_body import ErrorHelp


def answer_error(
    error: GatewayError, request: Request, exchange: Exchange, advice: ErrorHelp, *, closes: bool
) -> None:
    """Write the answer, and end the connection after it if `closes` or the error says so.

    Once an answer has begun there is no room for another: the connection is aborted instead.
    """
    note_error(exchange, error)
    if request.started:  # a second head would be read as part of the first answer's body
        exchange.ending = Ending.ABORTED
        request.abort()
        return
    status, reason, fields, body = render_refusal(error, request.target, exchange, advice)
    content = b"" if request.method == "HEAD" else body
    exchange.bytes_out = len(content)
    try:
        request.answer(status, reason, fields, content, closes=error.closes or closes)
    except ConnectionError:
        exchange.ending = Ending.HUNG_UP


def render_unparsed(error: GatewayError, exchange: Exchange, advice: ErrorHelp) -> bytes:
    """Head and body of the answer to bytes that are no request: in HTTP/1.0, as no version is known."""
    note_error(exchange, error)
    status, reason, fields, body = render_refusal(error, "", exchange, advice)
    exchange.bytes_out = len(body)
    return build_head(HTTP_1_0, status, reason, fields, chunked=False, keeps_open=False) + body
