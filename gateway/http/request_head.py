"""The request head as this gateway accepts it: stricter than the parser below it (docs/facts.md).

`require_head` turns what the parser delivered into an `Inbound`, which is never edited afterwards. It knows
HTTP (RFC 9110, 9112) and nothing of consumers, products or Twilio.
"""

import re
from typing import NamedTuple

from gateway.errors import Refusal
from gateway.http.target import require_target

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_BODILESS = frozenset({"GET", "HEAD"})

OVERRIDE_FIELDS = (b"x-http-method-override", b"x-http-method", b"x-method-override")
# Fields that must not come twice: two readers would pick different ones (of two User-Agents we read none).
_SINGULAR = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"gateway-repeat",
        b"gateway-timeout",
        b"proxy-authorization",
        b"transfer-encoding",
        b"user-agent",
        b"x-request-id",
        *OVERRIDE_FIELDS,
    }
)
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_.-]*)|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
# RFC 9110 5.6.2 less "_": CGI-style servers read Content_Length as Content-Length (class of CVE-2011-4317).
_NAME_BYTES = b"!#$%&'*+-.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# RFC 9110 5.5 less obs-text. The parser sees to control characters; a line break here would be an injection.
_VALUE_BYTES = b"\t" + bytes(range(0x20, 0x7F))

Field = tuple[bytes, bytes, bytes]
"""(name in lower case, name as received, value)"""


class Inbound(NamedTuple):
    """A request's head as received. Strings are ASCII; `path` and `query` are raw (percent-encoded)."""

    method: str
    version: tuple[int, int]
    scheme: str
    authority: str
    host: str
    path: str
    query: str
    fields: tuple[Field, ...]
    single_fields: dict[bytes, bytes]
    connection: frozenset[bytes]
    content_length: int | None
    chunked: bool

    @property
    def has_body(self) -> bool:
        """Whether the framing announces a body (a chunked one may still turn out empty)."""
        return self.chunked or bool(self.content_length)

    def __repr__(self) -> str:  # fields hold the consumer's key, path and query phone numbers
        return f"Inbound({self.method})"

    def single(self, name: bytes) -> str:
        """The value of a field that comes at most once, or ''."""
        return self.single_fields.get(name, b"").decode("ascii")


def require_head(
    method: str, target: str, version: tuple[int, int], raw_headers: tuple[tuple[bytes, bytes], ...]
) -> Inbound:
    """Check a parsed head. Raises `Refusal` (400, 405, 413 later, 417, 501); each one closes the connection
    where the framing itself is in doubt."""
    if version not in ((1, 1), (1, 0)):
        raise Refusal("malformed_request", "Only HTTP/1.1 and HTTP/1.0 are supported.", closes=True)
    if method == "CONNECT":
        raise Refusal(
            "connect_unsupported",
            "CONNECT tunnels are not supported yet: send absolute-form requests or set the SDK's base URL.",
            closes=True,
        )
    if method not in METHODS:
        raise Refusal(
            "method_not_allowed",
            "Use GET, HEAD, POST, PUT, PATCH or DELETE.",
            closes=True,
            headers=(("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE"),),
        )
    fields, single_fields, connection = _read_fields(raw_headers)
    length, chunked = _require_framing(method, version, single_fields)
    parts = require_target(target)
    host = _require_host(version, single_fields)
    if b"upgrade" in connection and any(lower == b"upgrade" for lower, _, _ in fields):
        raise Refusal("upgrade_unsupported", "Send the request without Connection: Upgrade.", closes=True)
    expect = single_fields.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise Refusal("expectation", "The only expectation understood is 100-continue.", closes=True)
    return Inbound(
        method, version, parts.scheme, parts.authority, host, parts.path, parts.query,
        fields, single_fields, connection, length, chunked,
    )  # fmt: skip


def _read_fields(
    raw_headers: tuple[tuple[bytes, bytes], ...],
) -> tuple[tuple[Field, ...], dict[bytes, bytes], frozenset[bytes]]:
    if b"".join([name for name, _ in raw_headers]).translate(None, _NAME_BYTES):
        raise Refusal(
            "bad_header", "Header names are ASCII letters, digits and hyphens; not underscores.", closes=True
        )
    if b"".join([value for _, value in raw_headers]).translate(None, _VALUE_BYTES):
        raise Refusal(
            "bad_header", "Header values are visible ASCII; percent-encode other text.", closes=True
        )
    fields: list[Field] = []
    single_fields: dict[bytes, bytes] = {}
    connection: frozenset[bytes] = frozenset()
    for name, value in raw_headers:
        lower = name.lower()
        fields.append((lower, name, value))
        if lower in _SINGULAR:
            if lower in single_fields:
                if lower == b"user-agent":  # names nobody, and is no reason to refuse anything
                    single_fields[lower] = b""
                    continue
                raise Refusal("bad_header", f"{lower.decode()} came twice; send it once.", closes=True)
            single_fields[lower] = value
        elif lower == b"connection":
            connection |= {token.strip().lower() for token in value.split(b",")}
    return tuple(fields), single_fields, connection


def _require_framing(
    method: str, version: tuple[int, int], single_fields: dict[bytes, bytes]
) -> tuple[int | None, bool]:
    """The declared length in bytes, and whether the body is chunked (RFC 9112 6)."""
    coding = single_fields.get(b"transfer-encoding")
    declared = single_fields.get(b"content-length")
    length: int | None = None
    if coding is not None:
        if version == (1, 0) or declared is not None or coding.lower() != b"chunked":
            raise Refusal(
                "malformed_request",
                "Transfer-Encoding may only be a single 'chunked', in HTTP/1.1, without Content-Length.",
                closes=True,
            )
    elif declared is not None:
        if _LENGTH.fullmatch(declared) is None:
            raise Refusal("malformed_request", "Content-Length is not a valid number of bytes.", closes=True)
        length = int(declared)
    if method in _BODILESS and (coding is not None or length):
        raise Refusal(
            "unexpected_body", f"A {method} takes no body; put parameters into the query.", closes=True
        )
    return length, coding is not None


def _require_host(version: tuple[int, int], single_fields: dict[bytes, bytes]) -> str:
    raw = single_fields.get(b"host")
    if raw is None:
        if version == (1, 0):
            return ""  # RFC 9112 3.2: only HTTP/1.1 must send it
        raise Refusal("bad_host", "HTTP/1.1 requests need a Host field.", closes=True)
    host = raw.decode("ascii").lower()
    if _HOST.fullmatch(host) is None:
        raise Refusal(
            "bad_host", "Host must be one host name or address, with an optional port.", closes=True
        )
    return host
