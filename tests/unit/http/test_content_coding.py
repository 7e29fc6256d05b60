"""Codings are undone in small steps, to the byte, and never beyond a bound."""

import gzip
import random
import zlib

import pytest

from gateway.http.content_coding import decode, decode_at_once, peek

TEXTS = [b"", b"{}", b"a" * 5_000_000, bytes(random.Random(1).randbytes(300_000)), b"ab" * 700_000 + b"!"]


@pytest.mark.parametrize("text", TEXTS, ids=len)
@pytest.mark.parametrize("coding", [b"gzip", b"x-gzip", b"deflate"])
def test_what_was_encoded_comes_back_in_small_pieces(text: bytes, coding: bytes) -> None:
    body = zlib.compress(text) if coding == b"deflate" else gzip.compress(text, mtime=0)
    pieces = list(decode(body, coding, len(text)))
    assert b"".join(pieces) == text
    assert max(map(len, pieces), default=0) <= 32_768
    assert decode_at_once(body, coding, len(text)) == text


@pytest.mark.parametrize("cut", [1, 8, 20])
def test_what_is_cut_off_is_no_content(cut: int) -> None:
    body = gzip.compress(TEXTS[3], mtime=0)
    with pytest.raises(ValueError, match="cut off"):
        list(decode(body[:-cut], b"gzip", 1 << 24))


@pytest.mark.parametrize(
    ("body", "coding", "most"),
    [(b"{}", b"gzip", 9), (b"{}", b"br", 9), (gzip.compress(b"a" * 99), b"gzip", 98)],
)
def test_what_cannot_be_undone(body: bytes, coding: bytes, most: int) -> None:
    assert decode_at_once(body, coding, most) is None


def test_a_beginning() -> None:
    assert peek(gzip.compress(b"abcdef"), 3) == b"abc"
    assert peek(b"abcdef", 3) == b"abcdef"
