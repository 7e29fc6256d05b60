"""The request head as this gateway accepts it: stricter than the parser below it (docs/facts.md).

`require_head` turns what the parser delivered into an `Inbound`, which is never edited afterwards. It knows
HTTP (RFC 9110, 9112) and nothing of consumers, products or Twilio.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.errors import Refusal
from gateway.http.target import require_target

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_BODILESS: Final = frozenset({"GET", "HEAD"})

OVERRIDE_FIELDS: Final = (b"x-http-method-override", b"x-http-method", b"x-method-override")
# Fields that must not come twice: two readers would pick different ones (of two User-Agents we read none).
_SINGULAR: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
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
_HOST: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_.-]*)|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_CONTINUE: Final = b"100-continue"
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
# What a decision depends on: with bytes that two readers decode differently it is refused, not dropped.
_DECIDING: Final = (_SINGULAR - {b"user-agent", b"x-request-id"}) | {b"connection", b"expect"}
_DECIDING_WITHOUT_BODY: Final = _DECIDING - {b"content-encoding", b"content-type"}
DROPPED_BODY_BYTES: Final = 65_536
"""A GET or HEAD whose body is no longer is served without it (PHP clients send one)."""
# RFC 9110 5.6.2 less "_": CGI-style servers read Content_Length as Content-Length.
_NAME_BYTES: Final = b"!#$%&'*+-.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# RFC 9110 5.5 less obs-text. The parser sees to control characters; a line break here would be an injection.
_VALUE_BYTES: Final = b"\t" + bytes(range(0x20, 0x7F))
_OBS_TEXT: Final = bytes(range(0x80, 0x100))

Field = tuple[bytes, bytes, bytes]
"""(name in lower case, name as received, value)"""


class DropReason(StrEnum):
    """Why a field is ignored, and not relayed. No decision depends on such a field."""

    UNDERSCORE = "underscore"  # in its name: servers disagree on which field that is
    NON_ASCII = "non_ascii"  # bytes from 0x80 up in its value (RFC 9110 5.5: obs-text)
    REPEATED = "repeated"
    EMPTY = "empty"


class DroppedField(NamedTuple):
    """`name` in lower case."""

    name: bytes
    reason: DropReason


class Inbound(NamedTuple):
    """A request's head as received. Strings are ASCII; `path` and `query` are raw (percent-encoded).

    `fields` are all of them; those named in `dropped` are neither read nor relayed.
    """

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
    dropped: tuple[DroppedField, ...] = ()

    @property
    def has_body(self) -> bool:
        """Whether a body is announced that means something (a chunked one may still turn out empty)."""
        return (self.chunked or bool(self.content_length)) and self.method not in _BODILESS

    @property
    def drops_body(self) -> bool:
        """Whether a body is announced that is to be read and dropped (RFC 9110 9.3.1: it has no meaning)."""
        return (self.chunked or bool(self.content_length)) and self.method in _BODILESS

    def __repr__(self) -> str:  # fields hold the consumer's key, path and query phone numbers
        return f"Inbound({self.method})"

    def single(self, name: bytes) -> str:
        """The value of a field that comes at most once, or ''."""
        return self.single_fields.get(name, b"").decode("ascii")


_new: Final = tuple.__new__  # what a NamedTuple's own constructor calls, for a third of what that costs


def require_head(
    method: str, target: str, version: tuple[int, int], raw_headers: tuple[tuple[bytes, bytes], ...]
) -> Inbound:
    """Check a parsed head. Raises `Refusal` (400, 405, 413 later, 417, 501); each one closes the connection
    where the framing itself is in doubt."""
    if version not in ((1, 1), (1, 0)):
        raise Refusal("malformed_request", "Only HTTP/1.1 and HTTP/1.0 are supported.", closes=True)
    if method not in METHODS:
        raise Refusal(
            "method_not_allowed",
            "Use GET, HEAD, POST, PUT, PATCH or DELETE.",
            closes=True,
            headers=(("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE"),),
        )
    deciding = _DECIDING_WITHOUT_BODY if method in _BODILESS else _DECIDING
    fields, single_fields, connection, dropped = read_fields(raw_headers, deciding)
    length, chunked = _require_framing(method, version, single_fields)
    parts = require_target(target)
    host = _require_host(version, single_fields)
    expect = single_fields.get(b"expect")
    if expect is not None and expect != _CONTINUE:
        raise Refusal("expectation", "The only expectation understood is 100-continue.", closes=True)
    return Inbound(
        method, version, parts.scheme, parts.authority, host, parts.path, parts.query,
        fields, single_fields, connection, length, chunked, dropped,
    )  # fmt: skip


def replace_values(
    inbound: Inbound, names: Sequence[bytes], positions: Sequence[int], values: Sequence[bytes]
) -> Inbound:
    """The head of another request that differs in the values of these fields only, by name (lower case) and
    position. They must be visible ASCII, and a Content-Length a number (`http/head_template.py`)."""
    fields = list(inbound.fields)
    single_fields = inbound.single_fields.copy()
    length = inbound.content_length
    for index, name in enumerate(names):
        value = values[index]
        position = positions[index]
        fields[position] = (name, fields[position][1], value)
        if name in single_fields:  # a repeated one is not
            single_fields[name] = value
        if name == b"content-length":
            length = int(value)
    values_of_all = (
        inbound.method, inbound.version, inbound.scheme, inbound.authority, inbound.host, inbound.path,
        inbound.query, tuple(fields), single_fields, inbound.connection, length, inbound.chunked,
        inbound.dropped,
    )  # fmt: skip
    return _new(Inbound, values_of_all)


def read_fields(
    raw_headers: tuple[tuple[bytes, bytes], ...],
    deciding: frozenset[bytes] = _DECIDING,
) -> tuple[tuple[Field, ...], dict[bytes, bytes], frozenset[bytes], tuple[DroppedField, ...]]:
    """All fields, those that come once, what Connection names, and what is ignored. Raises `Refusal` where a
    field of those that are `deciding` is odd."""
    names = b"".join([name for name, _ in raw_headers])
    values = b"".join([value for _, value in raw_headers])
    odd = names.translate(None, _NAME_BYTES) or values.translate(None, _VALUE_BYTES)
    fields: list[Field] = []
    single_fields: dict[bytes, bytes] = {}
    connection: frozenset[bytes] = frozenset()
    dropped: tuple[DroppedField, ...] = ()
    for name, value in raw_headers:
        lower = name.lower()
        fields.append((lower, name, value))
        if odd and (reason := _require_droppable(lower, value, deciding)) is not None:
            dropped += (DroppedField(lower, reason),)
        elif lower in _SINGULAR:
            if lower in single_fields:
                if lower in deciding:
                    raise Refusal("bad_header", f"{lower.decode()} came twice; send it once.", closes=True)
                if lower == b"user-agent":  # identifies no caller, so it is never a reason to refuse
                    single_fields[lower] = b""
                    continue
                dropped += (DroppedField(lower, DropReason.REPEATED),)
            else:
                single_fields[lower] = value
        elif lower == b"connection":
            connection |= {token.strip().lower() for token in value.split(b",")}
        elif lower == b"via":  # a list, of which it matters only whether it names us
            single_fields[lower] = single_fields.get(lower, b"") + b", " + value
        elif lower == b"expect":  # a list as well (RFC 9110 10.1.1): an equal member changes nothing
            wanted = {member.strip(b" \t").lower() for member in value.split(b",")} - {b""}
            if not wanted:
                dropped += (DroppedField(lower, DropReason.EMPTY),)
            elif single_fields.get(lower, _CONTINUE) == _CONTINUE:
                single_fields[lower] = _CONTINUE if wanted == {_CONTINUE} else value
    for each in dropped:
        if each.reason is not DropReason.EMPTY:
            single_fields.pop(each.name, None)
    return tuple(fields), single_fields, connection, dropped


def _require_droppable(lower: bytes, value: bytes, deciding: frozenset[bytes]) -> DropReason | None:
    """Why a field is dropped, None if it is not odd. Raises `Refusal` where dropping it could mislead."""
    if lower.replace(b"_", b"").translate(None, _NAME_BYTES) or not lower:
        raise Refusal("bad_header", "Header names are ASCII letters, digits and hyphens.", closes=True)
    rest = value.translate(None, _VALUE_BYTES)
    if rest.translate(None, _OBS_TEXT) or (rest and lower in deciding):
        raise Refusal(
            "bad_header",
            f"{lower.decode()}: its value must be visible ASCII; percent-encode other text.",
            closes=True,
        )
    if b"_" in lower:
        return DropReason.UNDERSCORE
    return DropReason.NON_ASCII if rest else None


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
    if method in _BODILESS and length is not None and length > DROPPED_BODY_BYTES:
        raise unexpected_body(method)
    return length, coding is not None


def unexpected_body(method: str) -> Refusal:
    """400 for a body that is too long to be dropped."""
    return Refusal(
        "unexpected_body",
        f"A {method} takes no body; put parameters into the query. One of up to {DROPPED_BODY_BYTES} bytes "
        "is dropped.",
        closes=True,
    )


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
