"""How many answers are being streamed to each consumer. Each holds a connection until it is read.

When too many bytes are held for all callers together, no further one is begun.
"""

from functools import partial

from gateway.errors import Refusal
from gateway.http.buffered_bytes import BufferedBytes
from gateway.http.response import Response
from gateway.upstream.streamed_body import StreamedBody


class StreamCounts:
    """Bounds what one consumer may leave unread, so that the others find connections.

    Only requests that may be repeated are refused: the answer to another says what was done.
    """

    def __init__(self, max_streams: int, buffers: BufferedBytes) -> None:
        self.max_streams = max_streams
        self._buffers = buffers
        self._open: dict[str, int] = {}

    def open(self, consumer: str) -> int:
        """How many are being streamed to a consumer."""
        return self._open.get(consumer, 0)

    def require_room(self, consumer: str) -> None:
        """Raises `Refusal` (too_many_streams)."""
        if self._open and self.open(consumer) >= self.max_streams:
            raise Refusal(
                "too_many_streams",
                f"{self.max_streams} answers are being streamed to this consumer; read them first.",
                headers=(("Retry-After", "1"),),
            )

    def begin(self, consumer: str, answer: Response, *, bounded: bool) -> None:
        """Count an answer until its body has ended. Closes it and raises `Refusal` if there is no room."""
        rest = answer.rest
        if not isinstance(rest, StreamedBody) or not rest.is_open:
            return
        if bounded:
            try:
                self.require_room(consumer)
                self._buffers.require_room(1)
            except Refusal:
                answer.close()
                raise
        self._open[consumer] = self.open(consumer) + 1
        rest.on_close = partial(self._end, consumer)

    def _end(self, consumer: str) -> None:
        left = self._open[consumer] - 1
        if left:
            self._open[consumer] = left
        else:
            del self._open[consumer]
