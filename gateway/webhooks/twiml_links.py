"""URLs in TwiML that lead to our services: replaced by the addresses at which Twilio reaches them. Pure.

By splicing: a URL that is replaced is the only part of an answer that changes. The scanner finds tags, text
and CDATA and judges nothing else, because Twilio does.
"""

import re
from collections.abc import Iterator, Sequence
from html import unescape
from ipaddress import ip_address
from socket import inet_aton
from typing import Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from gateway.webhooks.twiml_text import wide_encoding
from gateway.webhooks.webhook_routes import (
    USUAL_PORTS,
    WebhookRoute,
    WebhookRules,
    is_plain_rest,
    split_origin,
)

# A tag (quoted values may hold ">"), text, or the start of something else. No "<" stands in a tag
# (XML 1.0, 3.1), so that each look for a tag's end stops before the next one: the scan is linear.
_TOKEN: Final = re.compile(
    rb"<(?P<close>/)?(?P<name>[A-Za-z_][A-Za-z0-9_.:-]*+)(?P<rest>(?:[^<>\"']|\"[^<\"]*\"|'[^<']*')*+)>"
    rb"|(?P<opens><!--|<!\[CDATA\[|<\?|<!)|(?P<text>[^<]++)"
)
_ENDS: Final = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_DECLARATION: Final = re.compile(rb"<!(?:[^<>\[]|\[[^\]]*\])*+>")
_ATTRIBUTE: Final = re.compile(
    rb"(?<![A-Za-z0-9_.:-])([A-Za-z_][A-Za-z0-9_.:-]*+)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)')"
)
_URL_ATTRIBUTE: Final = re.compile(rb"action|.*url|.*callback", re.IGNORECASE | re.DOTALL)
"""`action`, `url`, `waitUrl`, `statusCallback`, `recordingStatusCallback`, … of all verbs and nouns."""
_URL_TEXT: Final = frozenset({b"redirect", b"play", b"media"})
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_WEB_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
_HTTP_SCHEMES: Final = frozenset({"http", "https"})
_PRIVATE_SUFFIXES: Final = (
    ".internal", ".local", ".localhost", ".localdomain", ".lan", ".home.arpa", ".corp", ".intranet",
    ".private", ".svc", ".test", ".invalid",
)  # fmt: skip
_NUMBER: Final = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")
_WRITTEN_OUT: Final = "".join(map(chr, range(0x21, 0x7F)))
"""Of a URL's characters, those that are no space and no letter beyond ASCII: Twilio escapes such."""


class Splice(NamedTuple):
    """What replaces `body[start:end]`."""

    start: int
    end: int
    text: bytes


class RewrittenTwiml(NamedTuple):
    """The answer, how many of its URLs were replaced, and hosts in it that Twilio cannot reach."""

    body: bytes
    replaced: int
    unreachable: tuple[str, ...]


def rewrite_twiml(
    body: bytes, rules: WebhookRules, route: WebhookRoute, inward_url: str, public_url: str
) -> RewrittenTwiml:
    """Replace the URLs of a service's answer that lead to a route.

    `inward_url` is what the service was called by, `public_url` what Twilio called.
    """
    encoding = wide_encoding(body)
    if not encoding:
        return _rewrite(body, rules, route, inward_url, public_url)
    try:
        narrow = body.decode(encoding).encode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        return RewrittenTwiml(body, 0, ())
    found = _rewrite(narrow, rules, route, inward_url, public_url)
    return found._replace(body=found.body.decode().encode(encoding))


def _rewrite(
    body: bytes, rules: WebhookRules, route: WebhookRoute, inward_url: str, public_url: str
) -> RewrittenTwiml:
    """Of an encoding in which ASCII is ASCII."""
    splices: list[Splice] = []
    unreachable: dict[str, None] = {}
    for start, end, escaped in _find_urls(body):
        encoding = "utf-8"
        try:
            given = body[start:end].decode()
        except UnicodeDecodeError:  # of some 8-bit encoding: each byte stays as it is
            encoding = "latin-1"
            given = body[start:end].decode(encoding)
        url = unescape(given) if escaped else given
        moved, host = move_url(url, rules, route, inward_url, public_url)
        if moved is not None and moved != url:
            text = _escape(moved) if escaped else moved
            splices.append(Splice(start, end, text.encode(encoding, "xmlcharrefreplace")))
        if host:
            unreachable[host] = None
    return RewrittenTwiml(_apply(body, splices), len(splices), tuple(unreachable))


def move_url(
    url: str, rules: WebhookRules, route: WebhookRoute, inward_url: str, public_url: str
) -> tuple[str | None, str]:
    """(the URL for Twilio or None to leave it, the host in it that Twilio cannot reach or '')."""
    if (
        not url
        or url.startswith("#")
        or (_ABSOLUTE.match(url) and not url.lower().startswith(_SCHEME_STARTS))
    ):
        return None, ""
    try:
        meant = urljoin(inward_url, url) if not _ABSOLUTE.match(url) else url
        parts = urlsplit(meant)
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None, ""
    relative = not _ABSOLUTE.match(url)
    if scheme in _HTTP_SCHEMES:
        # What stands behind the authority is cut out as it is written: nothing in it is normalised.
        rest = meant.partition("://")[2]
        at = next((index for index, char in enumerate(rest) if char in "/?#"), len(rest))
        origin = f"{scheme}://{host}:{port or USUAL_PORTS[scheme]}"
        public = _find_public(origin, rest[at:] or "/", rules, route)
        if public is not None:
            if relative and urljoin(public_url, url) == public:
                return None, ""  # Twilio resolves it to the same by itself
            return public, ""
    of_service = relative and not url.startswith("//")
    return None, host if of_service or is_unreachable(host) else ""


_SCHEME_STARTS: Final = tuple(f"{scheme}://" for scheme in sorted(_WEB_SCHEMES))


def _find_public(origin: str, target: str, rules: WebhookRules, route: WebhookRoute) -> str | None:
    at = next((index for index, char in enumerate(target) if char in "?#"), len(target))
    path, query = target[:at], target[at:]
    for each in (route, *rules.routes):
        own_origin, own_path = split_origin(each.to)
        if own_origin != origin:
            continue
        if not each.open_ended:
            if path == own_path:
                return rules.address.url.decode() + each.public_path("") + query
        elif path.startswith(own_path):
            rest = path[len(own_path) :]
            if is_plain_rest(quote(rest, safe=_WRITTEN_OUT).encode()):
                return rules.address.url.decode() + each.public_path(rest) + query
    return None


def is_unreachable(host: str) -> bool:
    """Whether a host is private by its form: an address that is not global, one label, a reserved suffix."""
    try:
        return not ip_address(host.strip("[]")).is_global
    except ValueError:
        pass
    name = host.rstrip(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):  # an address, as WHATWG URL 3.5 reads it: 127.1
        try:
            return not ip_address(inet_aton(name)).is_global
        except OSError:
            return True
    return "." not in name or name.endswith(_PRIVATE_SUFFIXES)


def _find_urls(body: bytes) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether entities are written) of each value that may be a URL, without spaces around."""
    inside = b""
    at = 0
    while at < len(body):
        token = _TOKEN.match(body, at)
        if token is None:  # a "<" that begins nothing
            at += 1
        elif token["opens"] is not None:
            end = _find_end(body, at, token["opens"])
            if end is None:
                return
            if inside in _URL_TEXT and token["opens"] == b"<![CDATA[":
                yield _trim(body, token.end(), end - len(b"]]>"), escaped=False)
            at = end
        elif token["name"] is not None:
            yield from _find_attributes(body, token)
            at = token.end()
            ends = token["close"] is not None or token["rest"].endswith(b"/")
            inside = b"" if ends else token["name"].rpartition(b":")[2].lower()
        else:
            at = token.end()
            if inside in _URL_TEXT:
                yield _trim(body, token.start(), at, escaped=True)


def _find_end(body: bytes, start: int, opens: bytes) -> int | None:
    """Behind a comment, a CDATA section, an instruction or a declaration; None if it has no end."""
    if opens in _ENDS:
        end = body.find(_ENDS[opens], start + len(opens))
        return None if end < 0 else end + len(_ENDS[opens])
    declaration = _DECLARATION.match(body, start)
    return None if declaration is None else declaration.end()


def _find_attributes(body: bytes, tag: re.Match[bytes]) -> Iterator[tuple[int, int, bool]]:
    at = tag.start("rest")
    for attribute in _ATTRIBUTE.finditer(tag["rest"]):
        if _URL_ATTRIBUTE.fullmatch(attribute[1].rpartition(b":")[2]):
            group = 3 if attribute[2] is None else 2
            yield _trim(body, at + attribute.start(group), at + attribute.end(group), escaped=True)


def _trim(body: bytes, start: int, end: int, *, escaped: bool) -> tuple[int, int, bool]:
    text = body[start:end]
    start += len(text) - len(text.lstrip())
    return start, max(start, start + len(text.strip())), escaped


def _escape(url: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        url = url.replace(char, entity)
    return url


def _apply(body: bytes, splices: Sequence[Splice]) -> bytes:
    if not splices:
        return body
    parts = []
    at = 0
    for start, end, text in splices:
        parts += [body[at:start], text]
        at = end
    return b"".join([*parts, body[at:]])
