"""Which header fields cross the gateway, both ways: strip first, inject last (docs/design.md 4.5, 4.8).

Fields are byte strings and go out as they came in: order, case and repeats kept. RFC 9110 7.6.1 names what is
hop-by-hop; the rest of what is dropped concerns only one side.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from gateway.http.request_head import OVERRIDE_FIELDS, Inbound
from gateway.http.trace_context import TRACE_FIELDS

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OURS_INBOUND: Final = _HOP_BY_HOP | {
    b"authorization",
    b"content-length",
    b"content-type",  # that of the body which is sent, below
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"idempotency-key",  # only where the catalogue declares it, below
    b"x-real-ip",
    *OVERRIDE_FIELDS,
    *TRACE_FIELDS,  # ours are written where the configuration says so, below
}
NEVER_SENT: Final = _OURS_INBOUND - {b"content-type", b"idempotency-key"}
"""Fields of a request that go upstream under no setting (lower case)."""
_OURS_INBOUND_PREFIXES: Final = (b"x-forwarded-", b"gateway-")
# In any field (X-Authorization, X-Original-Authorization …): the key under another user name.
# Spelt out: with `re.IGNORECASE` the search could not skip to the next colon.
_CREDENTIALS: Final = re.compile(rb": *(?:[Bb][Aa][Ss][Ii][Cc]|[Bb][Ee][Aa][Rr][Ee][Rr]) ")
OURS_ANSWER: Final = _HOP_BY_HOP | {b"content-length", b"x-request-id"}
_REQUEST_ID: Final = re.compile(rb"RQ[0-9a-fA-F]{32}")
VIA_NAME: Final = b"twilio-gateway"
"""Our name in Via (RFC 9110 7.6.3). Requests have a mark of the deployment behind it."""


def build_request_fields(
    inbound: Inbound,
    secrets: Collection[bytes],
    *,
    allowed: frozenset[bytes] | None,
    content_type: bytes | None,
    keeps_idempotency_key: bool,
    asks_identity: bool,
    trace: bytes = b"",
    via: bytes = VIA_NAME,
) -> tuple[bytes, tuple[bytes, ...]]:
    """The outbound field lines but Host, Authorization and framing, each with CRLF; and the names dropped.

    `allowed` are the names that go out (lower case), None for all but ours. `content_type` replaces the one
    received, and a Content-Encoding with it; None keeps both. `trace` are the gateway's lines, which may
    contain a caller's `tracestate`. Dropped are only names that `allowed` lacks; fields never sent on do not
    count.
    """
    single_fields, connection = inbound.single_fields, inbound.connection
    ignored = {each.name for each in inbound.dropped}
    connection |= ignored
    dropped: tuple[bytes, ...] = ()
    if allowed is None:
        lines = _lines_of_all(inbound, connection, asks_identity=asks_identity)
    else:
        lines = []
        for lower, name, value in inbound.fields:
            if lower in allowed or lower.startswith(b"accept"):
                if lower not in connection and not (asks_identity and lower == b"accept-encoding"):
                    lines.append(b"%b: %b\r\n" % (name, value))
            elif lower not in _OURS_INBOUND and lower not in ignored:
                dropped += (lower,)
    if content_type is not None and b"content-encoding" in single_fields:
        lines = [line for line in lines if not line.lower().startswith(b"content-encoding:")]
    if keeps_idempotency_key and b"idempotency-key" in single_fields:
        lines.append(b"Idempotency-Key: %b\r\n" % single_fields[b"idempotency-key"])
    if content_type is None and not inbound.drops_body:
        content_type = single_fields.get(b"content-type")
    if content_type is not None:
        lines.append(b"Content-Type: %b\r\n" % content_type)
    if trace:
        lines += trace.splitlines(keepends=True)
    joined = b"".join(lines)
    if _holds_secret(joined, secrets):
        lines = [line for line in lines if not _holds_secret(line, secrets)]
        joined = b"".join(lines)
    if asks_identity:
        joined += b"Accept-Encoding: identity\r\n"
    return b"%bVia: 1.1 %b\r\n" % (joined, via), dropped


def _lines_of_all(inbound: Inbound, connection: Collection[bytes], *, asks_identity: bool) -> list[bytes]:
    """Without an allow-list: every field but ours and those of one hop."""
    return [
        b"%b: %b\r\n" % (name, value)
        for lower, name, value in inbound.fields
        if lower not in _OURS_INBOUND
        and lower not in connection
        and not lower.startswith(_OURS_INBOUND_PREFIXES)
        and not (asks_identity and lower == b"accept-encoding")
    ]


def _holds_secret(lines: bytes, secrets: Collection[bytes]) -> bool:
    for secret in secrets:  # not `any`: a generator costs more than the search
        if secret in lines:
            return True
    return _CREDENTIALS.search(lines) is not None


def build_answer_fields(
    raw_headers: Iterable[tuple[bytes, bytes]], content_length: int | None, *, keeps_length: bool
) -> bytes:
    """The field lines of an answer, each with its CRLF; framing is ours.

    `content_length` in bytes is written where the answer had its own, else at the end; None leaves it out,
    unless `keeps_length` (HEAD and 304 announce the length of a body that does not follow).
    """
    lines: list[bytes] = []
    named: set[bytes] = set()
    for name, value in raw_headers:
        if reaches_caller(name):
            lines.append(b"%b: %b\r\n" % (name, value))
            continue
        lower = name.lower()
        if lower == b"content-length":
            if content_length is not None:
                lines.append(b"%b: %d\r\n" % (name, content_length))
                content_length = None
            elif keeps_length:
                lines.append(b"%b: %b\r\n" % (name, value))
        elif lower == b"connection":
            named |= {token.strip().lower() for token in value.split(b",")}
    named -= OURS_ANSWER  # all of them are gone, but for the length
    if named:
        lines = [line for line in lines if line.partition(b":")[0].lower() not in named]
    if content_length is not None:
        lines.append(b"Content-Length: %d\r\n" % content_length)
    return b"".join(lines)


# Answers have the same names again and again. Bounded, because what is asked for is not ours.
@lru_cache(maxsize=512)
def reaches_caller(name: bytes) -> bool:
    """Whether an answer's field crosses as it is, unless Connection names it."""
    lower = name.lower()
    return lower not in OURS_ANSWER and not lower.startswith(b"gateway-")


def replace_field(
    raw_headers: Iterable[tuple[bytes, bytes]], name: bytes, value: bytes
) -> tuple[tuple[bytes, bytes], ...]:
    """The fields with `name` (lower case) given another value where it stood."""
    return tuple((field, value if field.lower() == name else old) for field, old in raw_headers)


def drop_field(raw_headers: Iterable[tuple[bytes, bytes]], name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The fields without `name` (lower case)."""
    return tuple((field, value) for field, value in raw_headers if field.lower() != name)


def find_field(raw_headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The first value of a field (`name` in lower case), or b''."""
    for field, value in raw_headers:
        if field.lower() == name:
            return value
    return b""


def read_request_id(value: bytes) -> str:
    """A `Twilio-Request-Id` that is one, and so fit for logs; else ''."""
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else ""
