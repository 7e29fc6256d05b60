"""An upstream's answer on its way to the caller: its head, and as much of its body as was read so far."""

from aiohttp import ClientResponse

RawHeaders = tuple[tuple[bytes, bytes], ...]

_EMPTY_STATUSES = frozenset({204, 304})


class Answer:
    """`body` is the whole body if `rest` is None, else its beginning; the rest is still to be read."""

    __slots__ = ("body", "fields", "reason", "rest", "status")

    def __init__(
        self, status: int, reason: str, fields: RawHeaders, body: bytes, rest: ClientResponse | None
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


async def read_answer(response: ClientResponse, most_bytes: int, idle_seconds: float) -> Answer:
    """Read the body up to `most_bytes`; what is longer is left to be streamed.

    Raises what aiohttp raises for a broken body. `idle_seconds` is the longest silence from now on.
    """
    body = b""
    content = response.content
    rest: ClientResponse | None = None
    if content.is_eof():
        body = content.read_nowait()
        response.release()
    else:
        if response.connection is not None and response.connection.protocol is not None:
            response.connection.protocol.read_timeout = idle_seconds
        chunks: list[bytes] = []
        size = 0
        while size <= most_bytes and not content.at_eof():
            chunk = await content.readany()
            chunks.append(chunk)
            size += len(chunk)
        body = b"".join(chunks)
        if content.at_eof():
            response.release()
        else:
            rest = response
    return Answer(response.status, response.reason or "", response.raw_headers, body, rest)
