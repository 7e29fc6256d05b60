"""Changes to an answer before it is returned: links, Location, concealed tokens. Usually nothing.

A caller that follows an unchanged link to Twilio would show Twilio its consumer key. So a link that cannot be
rewritten is an error, never passed on.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from gateway.errors import FailurePhase, UpstreamFailure
from gateway.http.answer_head import is_json
from gateway.http.answer_shapes import LINK_FIELDS
from gateway.http.content_coding import decode
from gateway.http.header_fields import drop_field, find_field, replace_field
from gateway.http.request_head import Inbound
from gateway.http.response import BodyRest, Response
from gateway.policy.addressing import HostTable
from gateway.policy.authorization import Grant
from gateway.policy.outbound import has_absolute_links
from gateway.upstream.json_links import (
    JsonSplicer,
    conceal_tokens,
    link_splicer,
    rewrite_link_field,
    rewrite_location,
    token_splicer,
)

_MAX_WHOLE_BYTES = 16 * 1024 * 1024
_MAX_AT_ONCE_BYTES: Final = 4096
"""So much is rewritten before other exchanges have their turn: less than a millisecond's work."""


Hold = Callable[[int], None]


class PublicBase:
    """Where a caller's links lead, so that it comes back here.

    `url` is 'http://gateway:8080', without a trailing slash: links are that and '/product'. Where it is '',
    the caller names Twilio's hosts without TLS or on another port, and links get that `scheme` and `port`
    (':8080', or '').
    """

    __slots__ = ("hosts", "port", "scheme", "url")

    def __init__(self, url: str, hosts: HostTable, scheme: str = "", port: str = "") -> None:
        self.url = url
        self.hosts = hosts
        self.scheme = scheme
        self.port = port

    def origin(self, product: str, host: str) -> str:
        """What precedes the path of a link to `host`."""
        return f"{self.url}/{product}" if self.url else f"{self.scheme}://{host}{self.port}"


def find_base(
    grant: Grant,
    inbound: Inbound,
    hosts: HostTable,
    public_url: str,
    own_url: Callable[[str], str],
    *,
    secure: bool,
) -> PublicBase | None:
    """None where nothing may be done to the answer at all. `secure`: the caller is connected by TLS.

    Callers of a path come back to `public_url`, or if that is '' to where they came, `own_url` of their Host.

    A caller that named a Twilio host by plain HTTP, as through a proxy or by an entry in DNS, cannot follow
    Twilio's https links: they would lead past the gateway.
    """
    if grant.call.address.by_path:
        return PublicBase(public_url or own_url(inbound.host), hosts)
    secure = secure or public_url.startswith("https:")  # a load balancer in front ends TLS
    scheme = inbound.scheme or ("https" if secure else "http")
    name, colon, port = inbound.host.rpartition(":")
    given = "" if inbound.authority or not colon or name.endswith(":") or not port.isdigit() else port
    if given == {"http": "80", "https": "443"}[scheme]:
        given = ""
    if scheme == "http" or given:
        return PublicBase("", hosts, scheme, f":{given}" if given else "")
    return PublicBase(public_url or own_url(inbound.host), hosts) if grant.conceals else None


def is_adapted(answer: Response, grant: Grant, base: PublicBase) -> bool:
    """Whether `adapt_answer` may do anything to it."""
    address = grant.call.address
    if grant.conceals or ((address.by_path or not base.url) and has_absolute_links(grant)):
        return True
    head = answer.unchanged_head
    return head is None or head.located


async def adapt_answer(
    answer: Response, grant: Grant, base: PublicBase, hold: Hold | None = None
) -> Response:
    """The answer as this caller gets it. `hold` counts what is read of it, and may refuse to.

    Raises `UpstreamFailure` where links or tokens could not be replaced (answer_too_large), or a token in a
    form that is not understood (upstream_unreadable).
    """
    address = grant.call.address
    is_moved = address.by_path or not base.url
    if is_moved:
        _move_fields(answer, base, address.prefix)
    links = is_moved and has_absolute_links(grant)
    if not links and not grant.conceals:
        return answer
    in_json = is_json(answer.fields)
    links = links and in_json
    if not (links or grant.conceals) or not answer.has_body(grant.call.method):
        return answer
    if grant.conceals and not await _decoded(answer, hold):
        raise _not_concealed(answer)
    if grant.conceals and not in_json:
        is_xml = b"xml" in find_field(answer.fields, b"content-type").lower()
        if not is_xml and answer.status < 300 and answer.body:
            raise _not_concealed(answer)
        answer.body = conceal_tokens(answer.body, is_xml=is_xml)
        return answer
    if links and not await _decoded(answer, hold, streams=True):
        raise _too_large(answer)
    if grant.conceals:
        await _splice(answer, token_splicer())
    if links:
        await _splice(answer, link_splicer(base.hosts, base.origin))
    return answer


def _move_fields(answer: Response, base: PublicBase, prefix: str) -> None:
    for name in LINK_FIELDS:
        value = find_field(answer.fields, name).decode("latin-1")
        if value:
            moves = rewrite_link_field if name == b"link" else rewrite_location
            moved = moves(value, base.hosts, base.origin, prefix)
            answer.fields = replace_field(answer.fields, name, moved.encode("latin-1"))


async def _decoded(answer: Response, hold: Hold | None, *, streams: bool = False) -> bool:
    """Read an answer that must be looked at, and undo its coding; False where that cannot be done.

    One that is not encoded may stay to be streamed, with `streams`. Raises `UpstreamFailure`.
    """
    coding = find_field(answer.fields, b"content-encoding").lower()
    if coding in (b"", b"identity"):
        if answer.rest is not None and not streams:
            await _read_whole(answer, hold)
        return True
    await _read_whole(answer, hold)
    pieces: list[bytes] = []
    try:
        for piece in decode(answer.body, coding, _MAX_WHOLE_BYTES):
            pieces.append(piece)
            await asyncio.sleep(0)
    except ValueError:
        return False
    answer.body = b"".join(pieces)
    answer.fields = drop_field(answer.fields, b"content-encoding")
    return True


async def _read_whole(answer: Response, hold: Hold | None) -> None:
    rest = answer.rest
    if rest is None:
        return
    chunks = [answer.body]
    size = len(answer.body)
    while not rest.at_end:
        chunk = await rest.read()
        if hold is not None:
            hold(len(chunk))
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_WHOLE_BYTES:
            raise _too_large(answer)
    answer.body = b"".join(chunks)
    answer.rest = None


async def _splice(answer: Response, splicer: JsonSplicer) -> None:
    """Replace in what is there of the body; what is not there yet is replaced as it is read."""
    parts: list[bytes] = []
    try:
        for piece in _pieces(answer.body, splicer):
            if parts:
                await asyncio.sleep(0)
            parts.append(splicer.feed(piece))
    except ValueError:
        raise _too_large(answer) from None
    if answer.rest is None:
        parts.append(splicer.end())
    else:
        answer.rest = SplicedRest(answer.rest, splicer)
        answer.fields = drop_field(answer.fields, b"content-length")
    answer.body = b"".join(parts)


def _pieces(data: bytes, splicer: JsonSplicer) -> Iterator[bytes]:
    """Pieces to be fed one by one: larger ones behind a string that has not ended, to be read over once."""
    at = 0
    while at < len(data):
        size = max(_MAX_AT_ONCE_BYTES, splicer.held)
        yield data[at : at + size]
        at += size


class SplicedRest:
    """`BodyRest` of an answer that is rewritten as it is streamed."""

    __slots__ = ("_ended", "_rest", "_splicer")

    def __init__(self, rest: BodyRest, splicer: JsonSplicer) -> None:
        self._rest = rest
        self._splicer = splicer
        self._ended = False

    @property
    def at_end(self) -> bool:
        """As `BodyRest` says."""
        return self._ended or (self._rest.at_end and not self._splicer.held)

    async def read(self) -> bytes:
        """As `BodyRest` says."""
        while not self._rest.at_end:
            parts: list[bytes] = []
            try:
                for piece in _pieces(await self._rest.read(), self._splicer):
                    if parts:
                        await asyncio.sleep(0)
                    parts.append(self._splicer.feed(piece))
            except ValueError:
                self.close()
                raise UpstreamFailure(
                    "answer_too_large",
                    FailurePhase.RESPONSE,
                    "A string of the answer is too long to be looked at.",
                ) from None
            if content := b"".join(parts):
                return content
        self._ended = True
        return self._splicer.end()

    def close(self) -> None:
        """As `BodyRest` says."""
        self._rest.close()


def _too_large(answer: Response) -> UpstreamFailure:
    answer.close()
    return UpstreamFailure(
        "answer_too_large",
        FailurePhase.RESPONSE,
        "The answer holds links or tokens that must be replaced, and is too large or encoded for that. "
        "Ask for smaller pages, or address Twilio by its host names.",
    )


def _not_concealed(answer: Response) -> UpstreamFailure:
    answer.close()
    return UpstreamFailure(
        "upstream_unreadable",
        FailurePhase.RESPONSE,
        "The answer holds credentials in a form that the gateway cannot conceal; ask for .json.",
    )
