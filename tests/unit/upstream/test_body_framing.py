"""Where bodies end: cut at any place, with surplus, malformed."""

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.body_framing import BodyFraming, ChunkedFraming, CloseFraming, SizedFraming


def feed(framing: BodyFraming, data: bytes, step: int) -> bytes:
    """Feed until it is complete, so many bytes at a time; the content."""
    content = b""
    for start in range(0, len(data), step):
        assert not framing.complete
        content += framing.feed(data[start : start + step])
        if framing.complete:
            framing.surplus |= start + step < len(data)
            break
    return content


@pytest.mark.parametrize("step", [1, 2, 3, 100])
@pytest.mark.parametrize("surplus", [b"", b"x", b"HTTP/1.1 200 OK\r\n"])
def test_so_many_bytes(step: int, surplus: bytes) -> None:
    framing = SizedFraming(5)
    assert feed(framing, b"hello" + surplus, step) == b"hello"
    assert (framing.complete, framing.surplus) == (True, bool(surplus))


def test_a_body_that_is_not_there_yet_is_missing() -> None:
    framing = SizedFraming(5)
    framing.feed(b"he")
    assert (framing.complete, framing.missing) == (False, 3)


def test_the_end_of_the_connection_is_not_seen_here() -> None:
    framing = CloseFraming()
    assert framing.feed(b"anything") == b"anything"
    assert (framing.complete, framing.ends_with_connection) == (False, True)


CHUNKED = [
    (b"4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n", b"Wikipedia"),
    (b"0\r\n\r\n", b""),
    (b"A;name=value\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (b'a ; quoted="\r"\r\n0123456789\r\n000;x\r\nTrailer: x\r\nOther: y\r\n\r\n', b"0123456789"),
    (b"2 \r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
]


@pytest.mark.parametrize(("data", "content"), CHUNKED)
@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize("surplus", [b"", b"\r\n", b"HTTP"])
def test_chunks_cut_anywhere(data: bytes, content: bytes, step: int, surplus: bytes) -> None:
    framing = ChunkedFraming()
    assert feed(framing, data + surplus, step) == content
    assert (framing.complete, framing.surplus) == (True, bool(surplus))


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n", b"\r\n", b"-1\r\n", b"0x1\r\n", b"1_0\r\n", b" 1\r\n", b"+1\r\n", b"1\n", b"1\r\nab\r\n",
        b"1\r\na\n\r\n", b"1\r\na\r\r\n", b"f" * 16 + b"\r\n", b"1;" + b"x" * 5000,
        b"0\r\n" + b"T: x\r\n" * 4000, b"1\r\na0\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 100_000])
def test_malformed_chunks_are_refused(data: bytes, step: int) -> None:
    with pytest.raises(ValueError, match=r"chunk|trailer"):
        feed(ChunkedFraming(), data + b"\r\nmore\r\n" * 10, step)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_chunks_are_read_as_the_c_parser_reads_them(chunks: list[bytes], cuts: list[int]) -> None:
    """The witness for everything that is in order."""
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    framing, ours, at = ChunkedFraming(), b"", 0
    loop = asyncio.new_event_loop()
    try:
        parser = HttpResponseParser(BaseProtocol(loop), loop, 1 << 20)
        ((_, payload),) = parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")[0]
        while at < len(data):
            cut = cuts[at % len(cuts)]
            ours += framing.feed(data[at : at + cut])
            parser.feed_data(data[at : at + cut])
            at += cut
        theirs = payload.read_nowait()
    finally:
        loop.close()
    assert ours == theirs == b"".join(chunks)
    assert framing.complete
    assert payload.is_eof()
