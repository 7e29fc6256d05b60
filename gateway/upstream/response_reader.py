"""An upstream's answer on its way to the caller: its head, and as much of its body as was read so far."""

from aiohttp import ClientError

from gateway.errors import FailurePhase, UpstreamFailure
from gateway.http.response import Response
from gateway.upstream.upstream_response import AnyReply

_VERSIONS = ((1, 1), (1, 0))


class ReplyRest:
    """`BodyRest` over a `Reply` or a `ClientResponse`."""

    __slots__ = ("_reply",)

    def __init__(self, reply: AnyReply) -> None:
        self._reply = reply

    @property
    def at_end(self) -> bool:
        """As `BodyRest` says."""
        return self._reply.content.at_eof()

    async def read(self) -> bytes:
        """As `BodyRest` says."""
        try:
            return await self._reply.content.readany()
        except (ClientError, TimeoutError, OSError) as error:
            self.close()
            raise UpstreamFailure(
                "upstream_unreadable", FailurePhase.RESPONSE, "Twilio's answer was cut short."
            ) from error

    def close(self) -> None:
        """As `BodyRest` says."""
        self._reply.close()


def has_plain_framing(response: AnyReply) -> bool:
    """Whether everybody reads the same body: HTTP/1.x, and no transfer coding but one `chunked`.

    The parser takes an unknown coding for a body that ends with the connection (RFC 9112 6.3).
    """
    codings = response.headers.getall("Transfer-Encoding", ())
    version = response.version
    if not codings:
        return version in _VERSIONS
    return version == (1, 1) and len(codings) == 1 and codings[0].lower() == "chunked"


async def read_answer(response: AnyReply, most_bytes: int, idle_seconds: float) -> Response:
    """Read the body up to `most_bytes`; what is longer is left to be streamed.

    Raises what aiohttp raises for a broken body. `idle_seconds` is the longest silence from now on.
    """
    content = response.content
    if content.is_eof():
        body = content.read_nowait()
        response.release()
        return Response(response.status, response.reason or "", response.raw_headers, body, None)
    try:
        body = await _read_most(response, most_bytes, idle_seconds)
    except BaseException:  # a cancelled attempt closes its connection, too
        response.close()
        raise
    rest = None if content.at_eof() else ReplyRest(response)
    if rest is None:
        response.release()
    return Response(response.status, response.reason or "", response.raw_headers, body, rest)


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
