"""Writing an answer's bytes to the caller: the fields as given, no `Server`, `Date` or type of aiohttp's own.

`RawResponse` overrides private parts of `web.StreamResponse`.
"""

from aiohttp import web
from aiohttp.http_writer import StreamWriter

_HTTP10 = (1, 0)
_HTTP11 = (1, 1)


class RawResponse(web.StreamResponse):
    """Status line and `fields` (CRLF-ended lines) exactly as given; only `Connection` and chunking are added.

    With `streams`, the body follows by `write` and `write_eof`; `length` is None if it is not known.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        fields: bytes,
        body: bytes = b"",
        *,
        streams: bool = False,
        length: int | None = None,
        closes: bool = False,
    ) -> None:
        # Not super().__init__(): it builds header objects that are never looked at.
        self._status = status
        self._reason = reason
        self._fields = fields
        self._whole_body = body
        self._streams = streams
        self._length = length
        self._closes = closes
        self._state = {}
        self.sent_bytes = 0

    async def prepare(self, request: web.BaseRequest) -> StreamWriter | None:
        """Write the head, and the body if it is whole. Raises `ConnectionError` if the caller is gone."""
        if self._eof_sent or self._payload_writer is not None:
            return None
        writer = request._payload_writer
        assert isinstance(writer, StreamWriter)
        version = _HTTP11 if request.version >= _HTTP11 else _HTTP10  # 0.9 and 2.0 are refused in these, too
        chunked = self._streams and self._length is None and version != _HTTP10
        ends_by_close = self._streams and self._length is None and version == _HTTP10
        keep_alive = request.keep_alive and not self._closes and not ends_by_close
        head = b"HTTP/%d.%d %d %b\r\n%b%b%b\r\n" % (
            *version,
            self._status,
            self._reason.encode("latin-1", "replace"),
            self._fields,
            b"Transfer-Encoding: chunked\r\n" if chunked else b"",
            _connection_field(version, keep_alive=keep_alive),
        )
        self._keep_alive = keep_alive
        if not self._streams:
            self._eof_sent = True
            self.sent_bytes = len(self._whole_body)
            writer._write(head + self._whole_body)
            return None
        self._req = request
        self._payload_writer = writer
        writer.length = self._length
        writer.chunked = chunked
        writer._write(head)
        return writer

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write part of a streamed body, waiting while the caller is slow to read."""
        writer = self._payload_writer
        assert isinstance(writer, StreamWriter)
        self.sent_bytes += len(data)
        await writer.write(data)

    @property
    def started(self) -> bool:
        """Whether a byte was written: from then on the only honest error is to abort."""
        return self._eof_sent or self._payload_writer is not None


def _connection_field(version: tuple[int, int], *, keep_alive: bool) -> bytes:
    if keep_alive:
        return b"Connection: keep-alive\r\n" if version == _HTTP10 else b""
    return b"" if version == _HTTP10 else b"Connection: close\r\n"
