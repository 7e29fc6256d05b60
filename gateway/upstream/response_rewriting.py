"""What is done to an answer before it goes back: links, Location, concealed tokens. Mostly: nothing."""

import zlib
from typing import NamedTuple

from gateway.errors import FailurePhase, UpstreamFailure
from gateway.http.header_fields import drop_field, find_field, replace_field
from gateway.http.response import Response
from gateway.policy.addressing import HostTable
from gateway.policy.authorization import Grant
from gateway.upstream.json_links import conceal_tokens, rewrite_links, rewrite_location

_MOST_REWRITTEN_BYTES = 16 * 1024 * 1024
_WINDOW = 32 + zlib.MAX_WBITS  # zlib and gzip, told apart by their heads


class Base(NamedTuple):
    """Where callers reach us: 'http://gateway:8080', without a trailing slash."""

    url: str
    hosts: HostTable


def is_adapted(grant: Grant) -> bool:
    """Whether anything may be done to the answer at all."""
    return grant.conceals or bool(grant.call.address.prefix)


async def adapt_answer(answer: Response, grant: Grant, base: Base) -> Response:
    """The answer as this caller gets it. Raises `UpstreamFailure` where a token could not be concealed."""
    prefix = grant.call.address.prefix
    if prefix:
        location = find_field(answer.fields, b"location")
        if location:
            moved = rewrite_location(location.decode("latin-1"), base.hosts, base.url, prefix)
            answer.fields = replace_field(answer.fields, b"location", moved.encode("latin-1"))
    is_json = b"json" in find_field(answer.fields, b"content-type").lower()
    if not ((prefix and is_json) or grant.conceals) or not answer.has_body(grant.call.method):
        return answer
    if grant.call.address.product == "api" and not grant.conceals and _encoding(answer):
        return answer  # the 2010 API's links are relative: nothing is there to be decoded for
    await _read_rest(answer)
    if answer.rest is None and _decode(answer):
        if grant.conceals:
            is_xml = b"xml" in find_field(answer.fields, b"content-type").lower()
            if not (is_json or is_xml) and answer.status < 300 and answer.body:
                raise _not_concealed(answer)
            answer.body = conceal_tokens(answer.body, is_xml=is_xml)
        if prefix and is_json:
            answer.body = rewrite_links(answer.body, base.hosts, base.url)
    elif grant.conceals:
        raise _not_concealed(answer)
    return answer


async def _read_rest(answer: Response) -> None:
    """Read on to the end, unless the answer is larger than anything that holds links."""
    if answer.rest is None:
        return
    chunks = [answer.body]
    size = len(answer.body)
    while not answer.rest.at_end and size <= _MOST_REWRITTEN_BYTES:
        chunk = await answer.rest.read()
        chunks.append(chunk)
        size += len(chunk)
    answer.body = b"".join(chunks)
    if answer.rest.at_end:
        answer.rest = None


def _encoding(answer: Response) -> bytes:
    encoding = find_field(answer.fields, b"content-encoding").lower()
    return b"" if encoding == b"identity" else encoding


def _decode(answer: Response) -> bool:
    """Undo gzip or deflate that was sent although we asked for neither; False where that cannot be done."""
    encoding = _encoding(answer)
    if not encoding:
        return True
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        return False
    decoder = zlib.decompressobj(_WINDOW)
    try:
        body = decoder.decompress(answer.body, _MOST_REWRITTEN_BYTES)
    except zlib.error:
        return False
    if not decoder.eof or decoder.unconsumed_tail:
        return False
    answer.body = body
    answer.fields = drop_field(answer.fields, b"content-encoding")
    return True


def _not_concealed(answer: Response) -> UpstreamFailure:
    answer.close()
    return UpstreamFailure(
        "upstream_unreadable",
        FailurePhase.RESPONSE,
        "The answer holds credentials in a form that the gateway cannot conceal; ask for .json.",
    )
