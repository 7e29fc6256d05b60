"""Undoing gzip and deflate, up to a bound (RFC 9110 8.4.1). Pure."""

import zlib

_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS  # told apart by their heads
_GZIP_START = b"\x1f\x8b"
_CODINGS = frozenset({b"gzip", b"x-gzip", b"deflate"})


def decode(body: bytes, coding: bytes, max_bytes: int) -> bytes | None:
    """The content behind a coding (in lower case); None if it is another one, malformed, or too long."""
    if coding not in _CODINGS:
        return None
    decoder = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        content = decoder.decompress(body, max_bytes)
    except zlib.error:
        return None
    return None if not decoder.eof or decoder.unconsumed_tail else content


def peek(body: bytes, max_bytes: int) -> bytes:
    """The beginning of a body that may be gzip, which its own first bytes say; b'' if that is malformed."""
    if not body.startswith(_GZIP_START):
        return body
    try:
        return zlib.decompressobj(_ZLIB_OR_GZIP).decompress(body, max_bytes)
    except zlib.error:
        return b""
