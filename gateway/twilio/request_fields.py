"""The header fields of a request that go to Twilio: those that it knows, and no others.

What a company's proxies, meshes and tracers add says who calls whom inside, and may hold credentials for
something else; Twilio has no use for it (docs/design.md 4.5). `upstream.request_fields` adds names. Hosts of
`upstream.extra_hosts` receive whatever `http/header_fields.py` does not drop: what they know cannot be told.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

TWILIO_FIELDS: Final = frozenset(
    {
        # Declared by operations of the catalogue, or sent by Twilio's SDKs.
        b"content-encoding",
        b"flex-metadata",
        b"ui-version",
        b"x-twilio-api-version",
        b"x-twilio-client",
        b"x-twilio-webhook-enabled",
        # Of a body that is uploaded as it is (RFC 9110 8, RFC 6266).
        b"content-disposition",
        b"content-language",
        # Conditional and range requests (RFC 9110 13, 14).
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        # RFC 9110 12.5 and 10.1.5; every other field whose name begins with `accept` goes, too.
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"user-agent",
    }
)
"""Lower case. Content-Type, Idempotency-Key, trace fields and framing are written by the gateway itself."""


class RequestFields(NamedTuple):
    """Which names go out, in lower case, and the products that are hosts of `upstream.extra_hosts`."""

    allowed: frozenset[bytes]
    extra_products: frozenset[str]

    def allowed_for(self, product: str) -> frozenset[bytes] | None:
        """The names that go to a product's host; None for all but the gateway's own."""
        return None if product in self.extra_products else self.allowed


def make_request_fields(names: Iterable[str], extra_hosts: Iterable[str]) -> RequestFields:
    """Join Twilio's names with those of `upstream.request_fields`."""
    more = frozenset(name.lower().encode("ascii") for name in names)
    return RequestFields(TWILIO_FIELDS | more, frozenset(host.lower() for host in extra_hosts))


OTHER_FIELD: Final = "other"
DROPPED_FIELDS: Final = frozenset(
    [
        "apikey",
        "b3",
        "cache-control",
        "content-md5",
        "date",
        "dnt",
        "from",
        "origin",
        "pragma",
        "prefer",
        "priority",
        "referer",
        "sentry-trace",
        "twilio-client-validation",
        "uber-trace-id",
        "via",
        "x-amzn-trace-id",
        "x-api-key",
        "x-auth-token",
        "x-client-ip",
        "x-cloud-trace-context",
        "x-correlation-id",
        "x-csrf-token",
        "x-http-host-override",
        "x-original-url",
        "x-request-id",
        "x-requested-with",
        "x-rewrite-url",
        "x-trace-id",
    ]
)
"""Names of dropped fields that are counted one by one; all others are counted by prefix, or together."""
DROPPED_PREFIXES: Final = ("sec-", "x-amz-", "x-b3-", "x-datadog-", "x-envoy-", "x-forwarded-", "x-istio-")


def label_dropped(name: bytes) -> str:
    """The name that a dropped field is counted under, of a fixed set: names are a caller's bytes."""
    text = name.decode("ascii", "replace")
    if text in DROPPED_FIELDS:
        return text
    return next((f"{prefix}*" for prefix in DROPPED_PREFIXES if text.startswith(prefix)), OTHER_FIELD)
