"""Byte splices in answers: links that lead back through us, and auth tokens made null (docs/design.md 4.4,
4.8).

A scanner finds string values by where they stand; only those bytes change. Content never does: a URL inside a
message, or in a document's data, is not a link field.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.policy.addressing import HostTable

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]', re.DOTALL)
_TWILIO_URL = re.compile(
    rb'"https?:(\\?/)\\?/([a-z0-9-]+(?:\.[a-z0-9-]+){0,2}\.twilio\.com)(?::443)?(?=\\?/|"|\?)'
)
_PLAIN_URL = re.compile(r"https?://([a-z0-9.-]+\.twilio\.com)(?::443)?(?=/|$|\?)")
_XML_TOKEN = re.compile(rb"(<((?:Secondary)?AuthToken)(?:\s[^>]*)?(?<!/)>).*?(?=</\2\s*>)", re.DOTALL)
_TOKEN_NAMES = frozenset({b"auth_token", b"secondary_auth_token"})

Path = tuple[bytes | None, ...]
"""Names from the outermost object inwards; None stands for a place in an array."""


class Value(NamedTuple):
    """A string value: where it stands, and the span of its bytes, quotes included."""

    path: Path
    start: int
    end: int


def scan_strings(body: bytes) -> Iterator[Value]:
    """Every string value of a JSON text. Numbers, true, false and null are passed over."""
    path: list[bytes | None] = []
    in_object: list[bool] = []
    expects_name = False
    for match in _TOKEN.finditer(body):
        token = match[0]
        if token == b"{":
            in_object.append(True)
            path.append(b"")
            expects_name = True
        elif token == b"[":
            in_object.append(False)
            path.append(None)
            expects_name = False
        elif token in (b"}", b"]"):
            if not path:
                return
            in_object.pop()
            path.pop()
            expects_name = False
        elif token == b",":
            expects_name = bool(in_object) and in_object[-1]
        elif token != b":":
            if expects_name:
                path[-1] = _read_name(token)
                expects_name = False
            else:
                yield Value(tuple(path), match.start(), match.end())


def is_link(path: Path) -> bool:
    """`url` and `links.*` of the answer or of an item of one of its lists, and `meta.*url`."""
    if len(path) == 2 and path[0] == b"meta":
        return path[1] == b"url" or (path[1] or b"").endswith(b"_url")
    if path and path[-1] == b"url":
        return _is_resource(path[:-1])
    return len(path) >= 2 and path[-2] == b"links" and _is_resource(path[:-2])


def rewrite_links(body: bytes, hosts: HostTable, base: str) -> bytes:
    """Point the link fields of a JSON answer at `base` (no trailing slash) + '/product'."""
    if b".twilio.com" not in body:
        return body

    def replace(value: Value) -> bytes | None:
        if not is_link(value.path):
            return None
        match = _TWILIO_URL.match(body, value.start, value.end)
        product = product_of(hosts, match[2].decode()) if match else ""
        if not match or not product:
            return None
        prefix = f"{base}/{product}".encode()
        if match[1] == b"\\/":
            prefix = prefix.replace(b"/", b"\\/")
        return b'"' + prefix + body[match.end() : value.end]

    return _splice(body, replace)


def rewrite_location(location: str, hosts: HostTable, base: str, prefix: str) -> str:
    """`Location` on a Twilio host, or relative to the one asked (`prefix` is '/product'), led through us."""
    if location.startswith("/") and not location.startswith("//"):
        return base + prefix + location
    match = _PLAIN_URL.match(location)
    product = product_of(hosts, match[1]) if match else ""
    return f"{base}/{product}{location[match.end() :]}" if match and product else location


def conceal_tokens(body: bytes, *, is_xml: bool) -> bytes:
    """Make the value of `auth_token` null in JSON, empty in XML."""
    if is_xml:
        return _XML_TOKEN.sub(rb"\1", body)
    return _splice(body, lambda value: None if _TOKEN_NAMES.isdisjoint(value.path) else b"null")


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


def _splice(body: bytes, replace: Callable[[Value], bytes | None]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for value in scan_strings(body):
        new = replace(value)
        if new is not None:
            parts += [body[at : value.start], new]
            at = value.end
    if not parts:
        return body
    parts.append(body[at:])
    return b"".join(parts)
