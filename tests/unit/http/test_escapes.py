"""Percent-decoding gives what the standard library gives, to the byte, whatever is broken in it."""

from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.escapes import unescape

PIECES = (
    b"%",
    b"%%",
    b"=",
    b"%3",
    b"%3D",
    b"%25",
    b"%0A",
    b"\n",
    b"\r",
    b"\r\n",
    b"a",
    b"4",
    b"_",
    b" ",
    b"\xc3\xbc",
    b"\xff",
    b"\0",
)


def _ours(text: bytes) -> str | None:
    try:
        return unescape(text)
    except ValueError:
        return None


def _theirs(text: bytes) -> str | None:
    try:
        return unquote_to_bytes(text).decode()
    except ValueError:
        return None


@pytest.mark.parametrize("first", PIECES)
def test_every_short_text(first: bytes) -> None:
    for rest in product(PIECES, repeat=3):
        text = first + b"".join(rest)
        assert _ours(text) == _theirs(text)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
def test_texts_of_odd_pieces(text: bytes) -> None:
    assert _ours(text) == _theirs(text)


@given(st.binary(max_size=200))
def test_any_bytes(text: bytes) -> None:
    assert _ours(text) == _theirs(text)


@pytest.mark.parametrize("broken", [b"%", b"%a", b"%zz"])
def test_c5_broken_escapes_are_bounded(broken: bytes) -> None:
    few = broken * 9_000
    assert _ours(few) == _theirs(few)
    assert _ours(broken * 25_000) is None
