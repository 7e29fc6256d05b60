"""How events are answered on the wire: a service's answer, or a status that says nothing else."""

from typing import Final

from gateway.http.response_head import HTTP_1_0, build_head
from gateway.listener.request import Request
from gateway.webhooks.webhook_record import WebhookOutcome
from gateway.webhooks.webhook_repeats import WebhookAnswer

_REASONS: Final = {
    200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 413: "Content Too Large", 417: "Expectation Failed", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip
_OUTCOMES: Final = {
    408: WebhookOutcome.SLOW,
    413: WebhookOutcome.TOO_LARGE,
    503: WebhookOutcome.BUSY,
}
_NOTHING: Final = b"Content-Length: 0\r\n"


def outcome_of(status: int) -> WebhookOutcome:
    """What an event came to that was refused by the status of one of our errors."""
    return _OUTCOMES.get(status, WebhookOutcome.MALFORMED)


def write_answer(request: Request, answer: WebhookAnswer, *, closes: bool) -> None:
    """Raises `ConnectionError` if Twilio has disconnected."""
    status, fields, body = answer
    if status in (204, 304):
        body = b""
    else:
        fields += b"Content-Length: %d\r\n" % len(body)
    request.answer(status, _REASONS.get(status, ""), fields, body, closes=closes)


def write_status(request: Request, status: int, *, closes: bool, retry_after: int = 0) -> None:
    """A status and nothing else. Raises `ConnectionError` if Twilio has disconnected."""
    if request.started:
        request.abort()
        return
    fields = _NOTHING + (b"Retry-After: %d\r\n" % retry_after if retry_after else b"")
    request.answer(status, _REASONS.get(status, ""), fields, b"", closes=closes)


def unparsed_answer(status: int) -> bytes:
    """For bytes that are no request, whose version is not known; the connection ends after it."""
    return build_head(HTTP_1_0, status, _REASONS.get(status, ""), _NOTHING, chunked=False, keeps_open=False)
