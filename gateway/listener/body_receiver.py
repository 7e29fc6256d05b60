"""Separates a request's body from what follows it, as its bytes arrive. Pure: knows no connection."""

from gateway.listener.chunk_decoder import ChunkDecoder, MalformedChunkError
from gateway.listener.request_body import RequestBody
from gateway.listener.request_parser import CHUNKED, UNREADABLE


class BodyReceiver:
    """Fills one `RequestBody`. `rest` is what came after a complete body."""

    __slots__ = ("_decoder", "_left", "_undecoded", "body", "rest")

    def __init__(self, body: RequestBody, framing: int) -> None:
        """`framing` as `read_framing` gives it: a length above 0, `CHUNKED` or `UNREADABLE`."""
        self.body = body
        self.rest = b""
        self._left = framing
        self._decoder = ChunkDecoder() if framing == CHUNKED else None
        self._undecoded = b""

    @property
    def pending(self) -> bool:
        """Whether there are bytes that are not decoded yet: call `decode` once the body is not full."""
        return bool(self._undecoded)

    def receive(self, data: bytes) -> None:
        """More bytes came. Of a body that cannot be read they are dropped."""
        if self._decoder is not None:
            self._undecoded += data
            self.decode()
        elif self._left != UNREADABLE:
            piece = data[: self._left]
            self._left -= len(piece)
            self.body.feed(piece)
            if self._left == 0:
                self._end(data[len(piece) :])

    def decode(self) -> None:
        """Decode some of the chunks that are there, unless the body is full."""
        decoder = self._decoder
        if decoder is None or self.body.full:
            return
        try:
            content, end = decoder.feed(self._undecoded)
        except MalformedChunkError as error:
            self._decoder, self._left, self._undecoded = None, UNREADABLE, b""
            self.body.fail(error)
            return
        self.body.feed(content)
        rest, self._undecoded = self._undecoded[end:], b""
        if decoder.complete:
            self._end(rest)
        else:
            self._undecoded = rest

    def _end(self, rest: bytes) -> None:
        self._decoder = None
        self.rest = rest
        self.body.end()
