"""Which header fields cross, both ways, by name: everything else stays on its side. Pure.

Twilio's own signature never goes along: together with the URL and the body it would be a request that can be
replayed. Cookies do both ways, because Twilio keeps them per call.
"""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.http.response import RawFields

INWARD: Final = {
    b"accept": "Accept",
    b"accept-charset": "Accept-Charset",
    b"accept-language": "Accept-Language",
    b"cache-control": "Cache-Control",
    b"content-type": "Content-Type",
    b"cookie": "Cookie",
    b"i-twilio-idempotency-token": "I-Twilio-Idempotency-Token",
    b"user-agent": "User-Agent",
    b"x-home-region": "X-Home-Region",
}
"""Of Twilio's request (lower case), as they are written to the service."""
OUTWARD: Final = frozenset(
    {
        b"cache-control",
        b"content-language",
        b"content-type",
        b"etag",
        b"expires",
        b"last-modified",
        b"location",
        b"retry-after",
        b"set-cookie",
        b"vary",
    }
)
"""Of the service's answer."""
IDEMPOTENCY_TOKEN: Final = b"i-twilio-idempotency-token"


def build_inward_fields(
    fields: Iterable[tuple[bytes, bytes, bytes]], ignored: Iterable[bytes], signature: bytes, request_id: str
) -> list[tuple[str, str]]:
    """The fields that the service gets; `fields` are (lower-case name, name, value) as received."""
    left_out = frozenset(ignored)
    kept = [
        (INWARD[lower], value.decode("ascii"))
        for lower, _, value in fields
        if lower in INWARD and lower not in left_out
    ]
    kept.append(("Accept-Encoding", "identity"))
    kept.append(("X-Request-Id", request_id))
    kept.append(("X-Twilio-Signature", signature.decode("ascii")))
    return kept


def build_outward_fields(fields: RawFields, change: Callable[[bytes, bytes], bytes]) -> bytes:
    """CRLF-ended lines of the fields that Twilio gets; `change` gives a value by lower-case name and
    what the service wrote."""
    return b"".join(
        b"%b: %b\r\n" % (name, change(name.lower(), value))
        for name, value in fields
        if name.lower() in OUTWARD
    )


def find_value(fields: Iterable[tuple[bytes, bytes, bytes]], wanted: bytes) -> bytes | None:
    """The value of a field that came exactly once; b'' if it did not come, None if it came more often."""
    values = [value for lower, _, value in fields if lower == wanted]
    if len(values) > 1:
        return None
    return values[0] if values else b""
