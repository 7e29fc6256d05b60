"""The client library's exceptions, as failures with the phase they happened in."""

from aiohttp import (
    ClientConnectorError,
    ClientPayloadError,
    ClientResponseError,
    ConnectionTimeoutError,
)

from gateway.errors import FailurePhase, UpstreamFailure
from gateway.upstream.request_writer import NotSentError


def translate_failure(error: Exception, *, sent: bool) -> UpstreamFailure:
    """An exception of the client library as a failure with its phase (httpx's way of naming them).

    The text never quotes the exception: its repr can hold header fields.
    """
    if isinstance(error, ClientConnectorError | ConnectionTimeoutError | NotSentError) or not sent:
        return UpstreamFailure(
            "upstream_unreachable",
            FailurePhase.CONNECT,
            "No connection to Twilio could be made; nothing was sent, so it is safe to try again.",
        )
    if isinstance(error, ClientResponseError | ClientPayloadError | ValueError):
        return UpstreamFailure(
            "upstream_unreadable",
            FailurePhase.RESPONSE,
            "Twilio's answer was cut short or is not valid HTTP.",
        )
    if isinstance(error, TimeoutError):
        return UpstreamFailure(
            "upstream_timeout",
            FailurePhase.SENT,
            "Twilio did not answer in time; it may have done what was asked.",
        )
    return UpstreamFailure(
        "upstream_lost",
        FailurePhase.SENT,
        "The connection broke before Twilio answered; it may have done what was asked.",
    )
