"""Reading request heads with aiohttp's C parser, and what that parser is lax about.

The parser is told that no body ever follows (`response_with_body=False`) and is fed heads only, each to its
last byte and no further. So it never sees a body, a chunk or a trailer, no state of it outlives a message, no
payload of it can call back into a connection, and no upgrade can take bytes away from us: body framing is
`body_receiver.py`'s and `chunk_decoder.py`'s. All names of aiohttp that the listener uses stand in this file.
"""

import re
from typing import Any, Final, NamedTuple, Protocol

from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from multidict import CIMultiDictProxy, istr

from gateway.errors import Refusal

CHUNKED: Final = -1
"""A body framing: the body comes in chunks. Zero and more is its length in bytes."""
UNREADABLE: Final = -2
"""A body framing: where the body ends cannot be known, so nothing that follows may be read as a request."""

_C: Final = ord("C")
_EMPTY_LINE: Final = b"\r\n\r\n"
_HEAD_SHARE: Final = 4
"""A head's maximum length, in multiples of its longest line (nginx: `large_client_header_buffers 4 8k`)."""
_TOO_MANY: Final = "Too many headers received"  # aiohttp has no class for it
_CONTENT_LENGTH, _TRANSFER_ENCODING = istr("Content-Length"), istr("Transfer-Encoding")


_LOWER_CASE_METHOD: Final = re.compile(rb"(?=[A-Z]*[a-z])[A-Za-z]{1,16}(?: |\Z)")
_PLAIN_LINE: Final = re.compile(rb"[!-~]+ [!-~]+ [!-~]+")
_FIELD_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ONCE: Final = frozenset(
    {
        b"content-length",
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"host",
        b"max-forwards",
        b"server",
        b"transfer-encoding",
        b"user-agent",
    }
)
"""What the parser refuses twice."""


class HeadLimits(NamedTuple):
    """`line_bytes` bounds the request line and each field, `fields` their number."""

    line_bytes: int
    fields: int


class Head(Protocol):
    """A parsed head; `path` is the raw target."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def version(self) -> tuple[int, int]: ...
    @property
    def headers(self) -> CIMultiDictProxy[str]: ...
    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]: ...
    @property
    def should_close(self) -> bool: ...
    @property
    def upgrade(self) -> bool: ...
    @property
    def chunked(self) -> bool: ...


class RequestParser:
    """Reads one head after the other. After a `Refusal` it must not be used again."""

    __slots__ = ("_connect", "_fed", "_limits", "_parser", "_tail", "begun")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        # Untyped: compiled code checks annotations, and aiohttp's do not hold for what its C parser returns.
        self._parser: Any = None  # made for the first head that is parsed: some connections know theirs
        self._fed = 0
        self._tail = b""
        self._connect: bytes | None = None  # what has come of a head that may be CONNECT's
        self.begun = False
        """Whether the beginning of a head was received; empty lines before it do not count (RFC 9112 2.2)."""

    def feed(self, data: bytes) -> tuple[Head | None, int]:
        """The head that ends in `data`, and where it ends; (None, len(data)) if it does not end there.

        Raises `Refusal` (malformed_request, header_too_large).
        """
        start = 0
        if not self.begun:
            start = len(data) - len(data.lstrip(b"\r\n"))
            if start == len(data):
                return None, start
            self.begun = True
            if data[start] == _C:
                self._connect = b""
        end = self._find_end(data, start)
        whole = end >= 0
        piece = data if start == 0 and end in (-1, len(data)) else data[start : end if whole else None]
        self._fed += len(piece)
        if self._fed > _HEAD_SHARE * self._limits.line_bytes:
            raise _too_large()
        if self._connect is not None:
            self._connect += piece
            if not whole:
                self._tail = (self._tail + piece)[-3:]
                return None, len(data)
            piece, self._connect = _with_host(self._connect), None
        if self._parser is None:
            self._parser = _make_parser(self._limits)
        try:
            messages, _, _ = self._parser.feed_data(piece)
        except BadHttpMessage as error:
            if isinstance(error, LineTooLong) or error.message == _TOO_MANY:
                raise _too_large() from None
            raise _malformed(_explain(piece, first=self._fed == len(piece))) from None
        except ValueError:  # of the URL class that the parser builds
            raise _malformed() from None
        if not whole:
            if messages:  # llhttp saw an end where we see none
                raise _malformed()
            self._tail = (self._tail + piece)[-3:]
            return None, len(data)
        if len(messages) != 1:
            raise _malformed()
        message: Head = messages[0][0]
        self.begun = False
        self._fed = 0
        self._tail = b""
        if message.upgrade and message.method != "CONNECT":  # llhttp would read on in another protocol
            self._parser = None
        return message, end

    def _find_end(self, data: bytes, start: int) -> int:
        """Where the first empty line ends, as an index into `data`; -1 if it has not come yet."""
        tail = self._tail
        if tail:
            found = (tail + data[:3]).find(_EMPTY_LINE)
            if found >= 0:
                return found + 4 - len(tail)
        found = data.find(_EMPTY_LINE, start)
        return found + 4 if found >= 0 else -1


def _with_host(head: bytes) -> bytes:
    """Add a Host, which is not used, to a CONNECT of HTTP/1.1 without one: the parser would refuse it.

    Some clients send none, and the target says all (RFC 9110 9.3.6).
    """
    line, _, rest = head.partition(b"\r\n")
    if line.startswith(b"CONNECT ") and line.endswith(b" HTTP/1.1") and b"\nhost:" not in head.lower():
        return line + b"\r\nHost: -\r\n" + rest
    return head


def read_framing(message: Head) -> int:
    """How the body after a head is framed (RFC 9112 6.3): its length in bytes, `CHUNKED` or `UNREADABLE`."""
    headers = message.headers
    coding = headers.get(_TRANSFER_ENCODING)
    if message.method == "CONNECT":  # it has no body (RFC 9110 9.3.6): with one, what follows is not TLS
        bodiless = coding is None and not headers.get(_CONTENT_LENGTH, "0").strip("0")
        return 0 if bodiless else UNREADABLE
    if coding is None:
        declared = headers.get(_CONTENT_LENGTH)
        if declared is None:
            return 0
        return int(declared) if declared.isascii() and declared.isdecimal() else UNREADABLE
    plain = coding.lower() == "chunked" and len(headers.getall(_TRANSFER_ENCODING)) == 1
    if plain and message.chunked and message.version == (1, 1) and _CONTENT_LENGTH not in headers:
        return CHUNKED
    return UNREADABLE


def _make_parser(limits: HeadLimits) -> HttpRequestParser:
    parser: HttpRequestParser = HttpRequestParser(
        None,  # protocol and loop are for payloads, which this parser never makes
        None,
        0,
        max_line_size=limits.line_bytes,
        max_field_size=limits.line_bytes,
        max_headers=limits.fields,
        response_with_body=False,
        auto_decompress=False,
    )
    return parser


def _malformed(why: str = "") -> Refusal:
    text = "This is not an HTTP/1.1 request that can be read in one way only"
    return Refusal("malformed_request", f"{text}{why and ': '}{why}.", closes=True)


def _explain(piece: bytes, *, first: bool) -> str:
    """What is wrong with the bytes that were fed last, as far as it can be told without quoting any of them
    but a field's name. `first`: they begin with the request line."""
    lines = piece.split(b"\r\n")
    if first and _LOWER_CASE_METHOD.match(piece):
        return "methods are upper-case"
    if first and len(lines) > 1 and not _PLAIN_LINE.fullmatch(lines[0]):
        return _explain_line(lines[0])
    seen: set[bytes] = set()
    last = b""
    for line in lines[1:] if first else lines:
        name, colon, value = line.partition(b":")
        token = _FIELD_NAME.fullmatch(name.rstrip(b" \t"))
        if line[:1] in (b" ", b"\t"):  # a folded line belongs to the field above it
            return f"look at the field {last.decode('ascii')}" if last else ""
        if colon and token is not None:
            lower = token[0].lower()
            repeated = lower in seen and lower in _ONCE
            if (
                len(name) != len(token[0])
                or _CONTROL.search(value)
                or repeated
                or _is_bad_length(lower, value)
            ):
                return f"look at the field {token[0].decode('ascii')}"
            seen.add(lower)
            last = token[0]
    return ""


def _explain_line(line: bytes) -> str:
    """What is wrong with a request line that is not three words of visible ASCII."""
    if line.count(b" ") > 2:
        return "percent-encode the spaces in the request target (%20)"
    if any(byte > 0x7F for byte in line):
        return "percent-encode what is not ASCII in the request target (é is %C3%A9)"
    return "the request line is a method, a target and HTTP/1.1"


def _is_bad_length(lower: bytes, value: bytes) -> bool:
    return lower in (b"content-length", b"transfer-encoding") and (
        lower == b"transfer-encoding" or not value.strip(b" \t").isdigit() or len(value) > 19
    )


def _too_large() -> Refusal:
    return Refusal(
        "header_too_large",
        "The request line or a header field is too long, or there are too many.",
        closes=True,
    )


def require_c_parser() -> None:
    """Refuse aiohttp's pure-Python parser, which is laxer and much slower. Raises `RuntimeError`."""
    if HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError(
            "aiohttp was installed without its C parser; install a wheel for this platform "
            "(pip install --only-binary=aiohttp aiohttp) and unset AIOHTTP_NO_EXTENSIONS."
        )
