"""Undoing gzip and deflate, up to a bound (RFC 9110 8.4.1). Pure."""

import zlib
from collections.abc import Iterator
from typing import Final

_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS  # told apart by their heads
_GZIP_START: Final = b"\x1f\x8b"
_STEP_BYTES: Final = 32_768
_CODINGS: Final = frozenset({b"gzip", b"x-gzip", b"deflate"})


def decode(body: bytes, coding: bytes, max_bytes: int) -> Iterator[bytes]:
    """The decoded content (`coding` in lower case), in pieces that each take less than a millisecond.

    Raises `ValueError` if it is another coding, malformed, or longer than `max_bytes`.
    """
    if coding not in _CODINGS:
        raise ValueError("not a coding that can be undone")
    decoder = zlib.decompressobj(_ZLIB_OR_GZIP)
    size = 0
    try:
        for at in range(0, len(body), _STEP_BYTES):
            left = body[at : at + _STEP_BYTES]
            piece = left
            while left or len(piece) == _STEP_BYTES:  # zlib may have taken in more than it has given back
                piece = decoder.decompress(left, _STEP_BYTES)
                left = decoder.unconsumed_tail
                size += len(piece)
                if size > max_bytes:
                    raise ValueError("too long")
                yield piece
    except zlib.error as error:
        raise ValueError("malformed") from error
    if not decoder.eof:
        raise ValueError("cut off")


def decode_at_once(body: bytes, coding: bytes, max_bytes: int) -> bytes | None:
    """The same for small bodies: all of it, or None."""
    try:
        return b"".join(decode(body, coding, max_bytes))
    except ValueError:
        return None


def peek(body: bytes, max_bytes: int) -> bytes:
    """The beginning of a body that may be gzip, which its own first bytes say; b'' if that is malformed."""
    if body[:2] != _GZIP_START:
        return body
    try:
        return zlib.decompressobj(_ZLIB_OR_GZIP).decompress(body, max_bytes)
    except zlib.error:
        return b""
