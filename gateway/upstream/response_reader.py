"""An upstream's answer on its way to the caller: its head, and as much of its body as was read so far."""

from gateway.upstream.upstream_response import AnyReply

RawHeaders = tuple[tuple[bytes, bytes], ...]

_EMPTY_STATUSES = frozenset({204, 304})
_VERSIONS = ((1, 1), (1, 0))


class Answer:
    """`body` is the whole body if `rest` is None, else its beginning; the rest is still to be read."""

    __slots__ = ("body", "fields", "reason", "rest", "status")

    def __init__(
        self, status: int, reason: str, fields: RawHeaders, body: bytes, rest: AnyReply | None
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = body
        self.rest = rest

    def has_body(self, method: str) -> bool:
        """Whether a body follows the head of this answer to `method` (RFC 9110 6.4.1)."""
        return method != "HEAD" and self.status not in _EMPTY_STATUSES

    def close(self) -> None:
        """Give up an unread rest; its connection is not used again."""
        if self.rest is not None:
            self.rest.close()
            self.rest = None


def has_plain_framing(response: AnyReply) -> bool:
    """Whether everybody reads the same body: HTTP/1.x, and no transfer coding but one `chunked`.

    The parser takes an unknown coding for a body that ends with the connection (RFC 9112 6.3).
    """
    codings = response.headers.getall("Transfer-Encoding", ())
    version = response.version
    if not codings:
        return version in _VERSIONS
    return version == (1, 1) and len(codings) == 1 and codings[0].lower() == "chunked"


async def read_answer(response: AnyReply, most_bytes: int, idle_seconds: float) -> Answer:
    """Read the body up to `most_bytes`; what is longer is left to be streamed.

    Raises what aiohttp raises for a broken body. `idle_seconds` is the longest silence from now on.
    """
    content = response.content
    if content.is_eof():
        body = content.read_nowait()
        response.release()
        return Answer(response.status, response.reason or "", response.raw_headers, body, None)
    try:
        body = await _read_most(response, most_bytes, idle_seconds)
    except BaseException:  # a cancelled attempt closes its connection, too
        response.close()
        raise
    rest: AnyReply | None = response
    if content.at_eof():
        response.release()
        rest = None
    return Answer(response.status, response.reason or "", response.raw_headers, body, rest)


async def _read_most(response: AnyReply, most_bytes: int, idle_seconds: float) -> bytes:
    protocol = response.connection.protocol if response.connection is not None else None
    if protocol is not None:
        protocol.read_timeout = idle_seconds
        protocol.start_timeout()  # else the time-out that the head was waited for with runs on
    content = response.content
    chunks: list[bytes] = []
    size = 0
    while size <= most_bytes and not content.at_eof():
        chunk = await content.readany()
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)
