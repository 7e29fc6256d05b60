"""Our own errors in Twilio's shape (docs/design.md 4.9), so that every SDK raises its usual exception."""

from typing import Final, NamedTuple
from xml.sax.saxutils import escape

import orjson

from gateway.errors import GatewayError, Refusal, UpstreamFailure
from gateway.twilio.catalogue import SUFFIXES

DOCS_FILE: Final = "docs/errors.md"
"""Where slugs are explained, in the source and in the image."""
_NOT_XML: Final = tuple(suffix for suffix in SUFFIXES if suffix != ".xml")
REASONS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    508: "Loop Detected",
}
"""RFC 9110 15, RFC 5842 7.2."""


class ErrorHelp(NamedTuple):
    """Where callers find more about an error of the gateway, and whom to ask ('' if unset)."""

    docs_url: str = DOCS_FILE
    contact: str = ""

    def more_info(self, slug: str) -> str:
        """The documentation of a slug; not Twilio's, which knows nothing of it."""
        return f"{self.docs_url}#{slug}"

    def message(self, detail: str) -> str:
        """The detail, and whom to ask."""
        return f"{detail} Contact: {self.contact}" if self.contact else detail

    def credential_hint(self) -> bytes:
        """A field line beside Twilio's 401: the caller's own key is good, and its code is not to blame."""
        told = self.message(
            "Twilio refused the gateway's own API key, not yours: tell those who run the gateway."
        )
        return b"Gateway-Hint: %b\r\n" % told.encode("ascii", "replace")


class RenderedError(NamedTuple):
    """An answer of the gateway: `fields` are its header fields but framing."""

    status: int
    reason: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


_NO_HELP: Final = ErrorHelp()


def render_error(error: GatewayError, path: str, advice: ErrorHelp = _NO_HELP) -> RenderedError:
    """`path` is the request's, to choose JSON or XML by; it is not echoed."""
    if wants_xml(path):
        body, content_type = _as_xml(error, advice), b"application/xml"
    else:
        body, content_type = _as_json(error, advice), b"application/json"
    fields = [(b"Content-Type", content_type), (b"Gateway-Error", error.slug.encode())]
    if isinstance(error, Refusal):
        fields += [(name.encode(), value.encode()) for name, value in error.headers]
    if isinstance(error, UpstreamFailure) and error.unknown:
        fields.append((b"Gateway-Outcome", b"unknown"))
    return RenderedError(error.status, REASONS[error.status], tuple(fields), body)


def wants_xml(path: str) -> bool:
    """Whether the caller asked for a `.xml` or extension-less resource of the 2010 API."""
    path = path.partition("?")[0]
    return "/2010-04-01/" in path and not path.endswith(_NOT_XML)


def _as_json(error: GatewayError, advice: ErrorHelp) -> bytes:
    return orjson.dumps(
        {
            "code": error.code,
            "message": advice.message(error.detail),
            "more_info": advice.more_info(error.slug),
            "status": error.status,
            "gateway_error": error.slug,
        }
    )


def _as_xml(error: GatewayError, advice: ErrorHelp) -> bytes:
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException>"
        f"<Code>{error.code}</Code><Message>{escape(advice.message(error.detail))}</Message>"
        f"<MoreInfo>{escape(advice.more_info(error.slug))}</MoreInfo><Status>{error.status}</Status>"
        f"<GatewayError>{error.slug}</GatewayError></RestException></TwilioResponse>"
    ).encode()
