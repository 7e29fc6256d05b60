"""What llhttp and aiohttp are lax about in chunked requests: trailers that outlive them, endless extensions.

aiohttp 3.14 keeps the last trailer of a chunked request and gives it to the *next* request on the connection
as its first header field. So bytes are fed in pieces that end where a chunked body may end (an empty line),
and a parser that has read a chunked body is replaced. Large chunk extensions serve to exhaust or to smuggle
only: bytes of a chunked body that are not content are counted.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from aiohttp import StreamReader
from aiohttp.http import HttpRequestParser
from aiohttp.web_protocol import RequestPayloadError

from gateway.listener.sequential_requests import SequentialRequests

_EMPTY_LINE = b"\r\n\r\n"
_PIECE_BYTES = 4096
_FRAMING_BYTES = 4096
_FRAMING_RATIO = 16
"""A chunked body may bring so many bytes that are not content, and so many more per byte of content."""


class StrictFraming(SequentialRequests):
    """aiohttp's protocol, which reads each message as if it were the first on its connection."""

    __slots__ = ("_chunked_body", "_framing_bytes", "_held", "_tail")

    def __init__(self, manager: Any, **options: Any) -> None:
        super().__init__(manager, **options)
        self._chunked_body: StreamReader | None = None
        self._framing_bytes = 0
        self._held: deque[bytes] = deque()
        self._tail = b""

    def data_received(self, data: bytes) -> None:
        """Bytes came, or (empty) what a pause held back may be read on."""
        known = self._tail + data
        self._tail = known[-3:]
        if (
            self._chunked_body is None
            and not self._held
            and len(data) <= _PIECE_BYTES
            and known.count(_EMPTY_LINE) < 2  # the usual case: no chunked body both begins and ends in it
        ):
            super().data_received(data)
            if self._messages:
                self._note_chunked_body()
            return
        if data:
            self._held.extend(cut_pieces(known, len(known) - len(data)))
        else:
            self._feed(b"")
        while self._held and not self._reading_paused and len(self._messages) < self._max_msg_queue_size:
            self._feed(self._held.popleft())

    def resume_reading(self, resume_parser: bool = True) -> None:
        """aiohttp calls this after every read of a body; there is something to do only after a pause."""
        if self._reading_paused or self._buffer_paused or self._held:
            super().resume_reading(resume_parser)

    def _feed(self, piece: bytes) -> None:
        body = self._chunked_body
        before = body.total_bytes if body is not None else 0
        super().data_received(piece)
        if body is None:
            self._note_chunked_body()
        elif body.is_eof() or body.exception() is not None:
            self._chunked_body = None
            self._parser = self._make_parser()
        elif self._messages and not hasattr(self._messages[-1][0], "chunked"):
            self._break_off(body, "malformed chunk")  # aiohttp queues the error and leaves the reader waiting
        else:
            # Content that waits in a paused parser is counted back when it is read on.
            self._framing_bytes += len(piece) - (body.total_bytes - before)
            if self._framing_bytes > _FRAMING_BYTES + _FRAMING_RATIO * body.total_bytes:
                self._break_off(body, "chunk framing out of proportion")

    def _break_off(self, body: StreamReader, why: str) -> None:
        """Nothing more is read; the handler answers and the connection ends."""
        body.set_exception(RequestPayloadError(why))
        self._chunked_body = None
        self._held.clear()
        self._close = True

    def _note_chunked_body(self) -> None:
        if not self._messages:
            return
        message: Any
        message, body = self._messages[-1]
        if getattr(message, "chunked", False) and not body.is_eof():
            self._chunked_body = body
            self._framing_bytes = 0

    def _make_parser(self) -> HttpRequestParser:
        return HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )


def cut_pieces(known: bytes, start: int) -> Iterator[bytes]:
    """The bytes from `start` on, in pieces that end after each empty line and are not long.

    What stands before `start` was fed already; an empty line may begin there.
    """
    while start < len(known):
        found = known.find(_EMPTY_LINE, max(0, start - 3), start + _PIECE_BYTES)
        end = found + 4 if found >= 0 and found + 4 > start else min(start + _PIECE_BYTES, len(known))
        yield known[start:end]
        start = end
