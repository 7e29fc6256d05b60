"""Byte splices in answers: links that lead back to us, auth tokens made null (docs/design.md 4.4, 4.8).

A scanner finds string values by where they stand; only those bytes change. Content never does: a URL inside a
message, or in a document's data, is not a link field. A text may come in pieces: what is held back is never
more than one string.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote

from gateway.policy.addressing import HostTable

_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:"]', re.DOTALL)
_TWILIO_URL: Final = re.compile(
    rb'"https?:(\\?/)\\?/([a-z0-9-]+(?:\.[a-z0-9-]+){0,2}\.twilio\.com)(?::443)?(?=\\?/|"|\?)'
)
# As lenient readers of URLs take it, whose example is WHATWG's: any number of slashes, either way round.
_ANY_URL: Final = re.compile(
    r"(?:https?:[/\\]*|[/\\]{2,})(?:[^/\\?#]*@)?([a-z0-9.-]+\.twilio\.com)\.?(?::[0-9]*)?(?=[/\\?#]|$)",
    re.IGNORECASE,
)
_ESCAPED_HOST: Final = re.compile(r"\A(?:https?:[/\\]*|[/\\]{2,})[^/\\?#]*%[^/\\?#]*", re.IGNORECASE)
"""WHATWG's reader passes over tabs, and decodes the host before it looks at it (URL Standard 3.5, 4.4)."""
_LINK_TARGET: Final = re.compile(r"<([^>]*)>")
_XML_TOKEN: Final = re.compile(rb"(<((?:Secondary)?AuthToken)(?:\s[^>]*)?(?<!/)>).*?(?=</\2\s*>)", re.DOTALL)
_TOKEN_NAMES: Final = frozenset({b"auth_token", b"secondary_auth_token"})

LINK_NAMES: Final = frozenset(
    [
        *(b"url", b"media_url", b"redirect_to", b"status_url", b"statusUrl", b"result_url", b"resultUrl"),
        *(b"resource_url", b"inbound_resource_url", b"outbound_resource_url"),
    ]
)
"""What the `twilio` package has in answers for links to Twilio itself; a `callback_url` is what was given."""

MAX_STRING_BYTES: Final = 1 << 20
"""A string value of an answer is looked at up to this length."""

Path = tuple[bytes | None, ...]
"""Names from the outermost object inwards; None stands for a place in an array."""


class Value(NamedTuple):
    """A string value: where it stands, and the span of its bytes, quotes included."""

    path: Path
    start: int
    end: int


class JsonScanner:
    """The place in a JSON text that comes in pieces. Numbers, true, false and null are passed over."""

    __slots__ = ("_ended", "_expects_name", "_in_object", "_path", "consumed")

    def __init__(self) -> None:
        self.consumed = 0
        """How much of the last piece was read; the rest is the beginning of a string, to be fed again."""
        self._path: list[bytes | None] = []
        self._in_object: list[bool] = []
        self._expects_name = False
        self._ended = False

    def scan(self, piece: bytes) -> Iterator[Value]:
        """Every string value that is complete in a piece."""
        path, in_object = self._path, self._in_object
        self.consumed = len(piece)
        for match in () if self._ended else _TOKEN.finditer(piece):
            token = match[0]
            if token == b"{":
                in_object.append(True)
                path.append(b"")
                self._expects_name = True
            elif token == b"[":
                in_object.append(False)
                path.append(None)
                self._expects_name = False
            elif token in (b"}", b"]"):
                if not path:
                    self._ended = True
                    return
                in_object.pop()
                path.pop()
                self._expects_name = False
            elif token == b",":
                self._expects_name = bool(in_object) and in_object[-1]
            elif token == b'"':
                self.consumed = match.start()
                return
            elif token != b":":
                if self._expects_name:
                    path[-1] = _read_name(token)
                    self._expects_name = False
                else:
                    yield Value(tuple(path), match.start(), match.end())


def scan_strings(body: bytes) -> Iterator[Value]:
    """Every string value of a whole JSON text."""
    return JsonScanner().scan(body)


Replace = Callable[[Path, bytes], bytes | None]
"""Of a string value, by its path and its bytes, quotes included: what replaces it, or None."""


class JsonSplicer:
    """Replaces string values of a JSON text that comes in pieces."""

    __slots__ = ("_held", "_replace", "_scanner")

    def __init__(self, replace: Replace) -> None:
        self._replace = replace
        self._scanner = JsonScanner()
        self._held = b""

    @property
    def held(self) -> int:
        """How many bytes are held back, because a string has not ended."""
        return len(self._held)

    def feed(self, piece: bytes) -> bytes:
        """The bytes to go on, as far as they are known. Raises `ValueError` for a string without end."""
        if self._held:
            piece = self._held + piece
        parts: list[bytes] = []
        at = 0
        for value in self._scanner.scan(piece):
            new = self._replace(value.path, piece[value.start : value.end])
            if new is not None:
                parts += [piece[at : value.start], new]
                at = value.end
        end = self._scanner.consumed
        self._held = piece[end:]
        if len(self._held) > MAX_STRING_BYTES:
            raise ValueError("a string that is too long to be looked at")
        if not parts and end == len(piece):
            return piece
        parts.append(piece[at:end])
        return b"".join(parts)

    def end(self) -> bytes:
        """What was held back, of a text that broke off in a string."""
        held, self._held = self._held, b""
        return held


def is_link(path: Path) -> bool:
    """`links.*` and `LINK_NAMES` of the answer or of an item of one of its lists, and `meta.*url`."""
    if len(path) == 2 and path[0] == b"meta":
        return path[1] == b"url" or (path[1] or b"").endswith(b"_url")
    if path and path[-1] in LINK_NAMES:
        return _is_resource(path[:-1])
    return len(path) >= 2 and path[-2] == b"links" and _is_resource(path[:-2])


Origin = Callable[[str, str], str]
"""Of a product and its host: what a link to it begins with instead of https:// and the host."""


def link_splicer(hosts: HostTable, origin: Origin) -> JsonSplicer:
    """Gives the link fields of a JSON answer another origin."""

    def replace(path: Path, token: bytes) -> bytes | None:
        if not is_link(path):
            return None
        match = _TWILIO_URL.match(token)
        if match is None:
            return _replace_odd(token, hosts, origin)
        product = product_of(hosts, match[2].decode())
        if not product:
            return None
        prefix = origin(product, match[2].decode()).encode()
        if match[1] == b"\\/":
            prefix = prefix.replace(b"/", b"\\/")
        return b'"' + prefix + token[match.end() :]

    return JsonSplicer(replace)


def token_splicer() -> JsonSplicer:
    """Makes the values of `auth_token` null."""
    return JsonSplicer(lambda path, token: None if _TOKEN_NAMES.isdisjoint(path) else b"null")


def rewrite_links(body: bytes, hosts: HostTable, origin: Origin) -> bytes:
    """A whole JSON answer whose link fields have another origin."""
    return _splice(body, link_splicer(hosts, origin)) if b".twilio.com" in body else body


def rewrite_location(location: str, hosts: HostTable, origin: Origin, prefix: str) -> str:
    """`Location` on a Twilio host, in whatever spelling, led through us.

    One that is relative to the host asked is so to the gateway: behind `prefix` ('/product'), or as it is for
    callers that use no prefix ('').
    """
    read = location
    match = _ANY_URL.match(read)
    if match is None and ("\t" in read or "%" in read):
        read = _ESCAPED_HOST.sub(_unquoted, read.replace("\t", ""), count=1)
        match = _ANY_URL.match(read)
    if match is None:
        is_rooted = location.startswith("/") and not location.startswith(("//", "/\\"))
        return origin(prefix[1:], "") + location if prefix and is_rooted else location
    host = match[1].lower()
    product = product_of(hosts, host)
    return origin(product, host) + read[match.end() :] if product else location


def _unquoted(match: re.Match[str]) -> str:
    return unquote(match[0])


def rewrite_link_field(link: str, hosts: HostTable, origin: Origin, prefix: str) -> str:
    """The same for each target of a `Link` field (RFC 8288 3)."""
    return _LINK_TARGET.sub(lambda match: f"<{rewrite_location(match[1], hosts, origin, prefix)}>", link)


def _replace_odd(token: bytes, hosts: HostTable, origin: Origin) -> bytes | None:
    """A link that is escaped, or spelt otherwise than Twilio spells its own."""
    try:
        url: str = json.loads(token)
    except ValueError:
        return None
    moved = rewrite_location(url, hosts, origin, "")
    return None if moved == url else json.dumps(moved).encode()


def conceal_tokens(body: bytes, *, is_xml: bool) -> bytes:
    """Make the value of `auth_token` null in JSON, empty in XML."""
    return _XML_TOKEN.sub(rb"\1", body) if is_xml else _splice(body, token_splicer())


def product_of(hosts: HostTable, host: str) -> str:
    """The product of a Twilio host that we serve, or ''."""
    literal = hosts.literals.get(host)
    if literal is not None:
        return literal
    first = host.partition(".")[0]
    return first if host.endswith(".twilio.com") and first in hosts.products else ""


def _read_name(token: bytes) -> bytes:
    if b"\\" not in token:
        return token[1:-1]
    try:
        name: str = json.loads(token)
    except ValueError:
        return token[1:-1]
    return name.encode("utf-8", "surrogatepass")


def _is_resource(path: Path) -> bool:
    """The answer itself, or an item of a list at its top."""
    return path == () or (len(path) == 2 and path[1] is None)


def _splice(body: bytes, splicer: JsonSplicer) -> bytes:
    return splicer.feed(body) + splicer.end()
