"""The chunked transfer coding, read strictly (RFC 9112 7.1). Pure: bytes in, content out.

Trailer fields are dropped here, so that none of them can ever stand in a head. Framing that is out of all
proportion to the content serves only to exhaust: bytes of a chunked body that are not content are counted.
"""

import re
from enum import Enum
from typing import Final

_FRAMING_BYTES: Final = 4096
_FRAMING_RATIO: Final = 16
"""The allowance of bytes that are not content: a fixed amount, plus a ratio per byte of content."""
_CHUNKS_AT_ONCE: Final = 1024
"""So many chunks are decoded in one step; a read of 256 KiB may hold 40,000."""

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_SIZE_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*\r\n"
)
# A trailer must not say anything about framing (RFC 9110 6.5.1): another reader might believe it.
_FIELD_LINE: Final = re.compile(
    rb"(?!(?i:content-length|transfer-encoding):)" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n"
)
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


class MalformedChunkError(ValueError):
    """The bytes are not chunks; where the body ends cannot be known."""


class _Expects(Enum):
    SIZE = "a chunk's size"
    END_OF_CHUNK = "the line end behind a chunk's content"
    TRAILER = "a trailer field, or the empty line at the end"


class ChunkDecoder:
    """Decodes one body. After `MalformedChunkError` it must not be used again."""

    __slots__ = ("_content", "_expects", "_framing", "_left", "_line", "complete")

    def __init__(self) -> None:
        self._content = 0
        self._framing = 0
        self._left = 0
        self._line = b""
        self._expects = _Expects.SIZE
        self.complete = False

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """The content in `data`, and how many bytes were decoded: all, unless the body ends before, or
        `data` holds very many chunks. What is left is to be fed again. Raises `MalformedChunkError`."""
        pieces: list[bytes] = []
        position, size = 0, len(data)
        chunks = 0
        while position < size and chunks < _CHUNKS_AT_ONCE and not self.complete:
            if self._left:
                piece = data[position : position + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                self._content += len(piece)
                position += len(piece)
                continue
            end = data.find(b"\n", position) + 1
            part = data[position : end or size]
            position += len(part)
            self._framing += len(part)
            if self._framing > _FRAMING_BYTES + _FRAMING_RATIO * self._content:
                raise MalformedChunkError("chunk framing out of proportion")
            self._line += part
            if end:
                self._read_line()
                chunks += 1
            else:
                self._check_beginning()
        return b"".join(pieces), position

    def _read_line(self) -> None:
        line, self._line = self._line, b""
        if self._expects is _Expects.SIZE:
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise MalformedChunkError("not a chunk size")
            self._left = int(match[1], 16)
            self._expects = _Expects.END_OF_CHUNK if self._left else _Expects.TRAILER
        elif self._expects is _Expects.END_OF_CHUNK:
            if line != b"\r\n":
                raise MalformedChunkError("no line end behind a chunk")
            self._expects = _Expects.SIZE
        elif line == b"\r\n":
            self.complete = True
        elif _FIELD_LINE.fullmatch(line) is None:
            raise MalformedChunkError("not a trailer field")

    def _check_beginning(self) -> None:
        """A line that cannot become a right one is refused before its end has come."""
        if self._expects is _Expects.SIZE and self._line[0] not in _HEX_DIGITS:
            raise MalformedChunkError("not a chunk size")
        if self._expects is _Expects.END_OF_CHUNK and self._line != b"\r":
            raise MalformedChunkError("no line end behind a chunk")
