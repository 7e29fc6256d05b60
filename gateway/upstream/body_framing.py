"""Where an answer's body ends: by length, by chunks, or with the connection (RFC 9112 6.3, 7.1). Pure.

One object per body: `feed` takes bytes as they arrive and returns content; after `complete` is set nothing
more is fed, and `surplus` says whether bytes came that belong to no answer.
"""

import re
from typing import Final, Protocol

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_MAX_LINE_BYTES: Final = 4096
_MAX_TRAILER_BYTES: Final = 16_384
_CRLF: Final = b"\r\n"


class BodyFraming(Protocol):
    """What the three ways to find a body's end have in common."""

    complete: bool
    surplus: bool
    ends_with_connection: bool

    def feed(self, data: bytes) -> bytes:
        """The content in `data`. Raises `ValueError` where the framing is malformed."""
        ...

    def pass_by(self, size: int) -> bool:
        """Whether the next `size` bytes are content, and not its last: then they are not to be fed."""
        ...


class SizedFraming:
    """So many bytes, as Content-Length says; `missing` have not come yet."""

    __slots__ = ("complete", "missing", "surplus")
    ends_with_connection = False

    def __init__(self, length: int) -> None:
        self.missing = length
        self.complete = length == 0
        self.surplus = False

    def feed(self, data: bytes) -> bytes:
        """As `BodyFraming` says."""
        self.missing -= len(data)
        if self.missing > 0:
            return data
        self.complete = True
        if self.missing == 0:
            return data
        self.surplus = True
        return data[: self.missing]

    def pass_by(self, size: int) -> bool:
        """As `BodyFraming` says."""
        if size >= self.missing:
            return False
        self.missing -= size
        return True


class CloseFraming:
    """Everything up to the end of the connection."""

    __slots__ = ("complete", "surplus")
    ends_with_connection = True

    def __init__(self) -> None:
        self.complete = False
        self.surplus = False

    def feed(self, data: bytes) -> bytes:
        """As `BodyFraming` says."""
        return data

    def pass_by(self, size: int) -> bool:
        """As `BodyFraming` says."""
        return True


class ChunkedFraming:
    """Chunks, each with its size before it. Extensions and trailer fields are read over."""

    __slots__ = ("_held", "_missing", "_trailer_bytes", "complete", "surplus")
    ends_with_connection = False

    # What comes next, where `_missing` is not what is left of a chunk and its CRLF.
    _SIZE = -1
    _TRAILER = -2

    def __init__(self) -> None:
        self._held = b""
        self._missing = self._SIZE
        self._trailer_bytes = 0
        self.complete = False
        self.surplus = False

    def feed(self, data: bytes) -> bytes:
        """As `BodyFraming` says."""
        if self._held:
            data = self._held + data
            self._held = b""
        parts: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.complete:
            if self._missing > 0:
                at = self._read_chunk(data, at, parts)
                continue
            stop = data.find(_CRLF, at, at + _MAX_LINE_BYTES)
            if stop < 0:
                if end - at >= _MAX_LINE_BYTES:
                    raise ValueError("a line of chunk framing is too long")
                break
            self._read_line(data[at:stop])
            at = stop + 2
        self.surplus = self.complete and at < end
        if at < end and not self.complete:
            self._held = data[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pass_by(self, size: int) -> bool:
        """As `BodyFraming` says."""
        if size > self._missing - 2:
            return False
        self._missing -= size
        return True

    def _read_chunk(self, data: bytes, at: int, parts: list[bytes]) -> int:
        """Take what is there of the chunk at `at`, and of the line end after it; where reading goes on."""
        missing = self._missing
        content_end = at + max(missing - 2, 0)
        content = data[at:content_end]
        if content:
            parts.append(content)
        line_end = data[content_end : at + missing]
        if line_end != _CRLF[max(2 - missing, 0) :][: len(line_end)]:
            raise ValueError("a chunk is longer than its size")
        taken = len(content) + len(line_end)
        self._missing = missing - taken or self._SIZE
        return at + taken

    def _read_line(self, line: bytes) -> None:
        if self._missing == self._TRAILER:
            self._trailer_bytes += len(line) + 2
            if self._trailer_bytes > _MAX_TRAILER_BYTES:
                raise ValueError("too many trailer fields")
            self.complete = not line
            return
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise ValueError("a chunk size that is no number")
        size = int(match[1], 16)
        self._missing = size + 2 if size else self._TRAILER
