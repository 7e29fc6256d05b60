"""Chunks are read strictly, bounded, and the same however the bytes arrive; trailers are dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.listener.chunk_decoder import ChunkDecoder, MalformedChunkError

BODY = b'3\r\nabc\r\n4;x=y;q="a b"\r\n\r\n\r\n\r\n0\r\n'


def decode(data: bytes, step: int = 1 << 20) -> tuple[bytes, bytes, bool]:
    """(content, what is left, whether the body is complete), with reads of `step` bytes."""
    decoder = ChunkDecoder()
    content, held = b"", b""
    for at in range(0, len(data), step):
        held += data[at : at + step]
        end = -1
        while held and end and not decoder.complete:
            piece, end = decoder.feed(held)
            content += piece
            held = held[end:]
    return content, held, decoder.complete


@pytest.mark.parametrize("trailers", [b"", b"X-Sum: 1\r\n", b"X-A: 1\r\nX-B:\r\n"])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1 << 20])
def test_content_is_the_same_wherever_reads_end(trailers: bytes, step: int) -> None:
    data = BODY + trailers + b"\r\n"
    assert decode(data, step) == (b"abc\r\n\r\n", b"", True)


def test_what_comes_behind_is_left() -> None:
    assert decode(BODY + b"\r\nGET / HTTP/1.1\r\n") == (b"abc\r\n\r\n", b"GET / HTTP/1.1\r\n", True)


@pytest.mark.parametrize(
    "data",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"-1\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"\r\n3\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcX0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc\r\n0\n\r\n",
        b"3\r\nabc\r\n0\r\n\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3;\r\nabc\r\n0\r\n\r\n",
        b"3;a b\r\nabc\r\n0\r\n\r\n",
        b'3;a="b\r\nabc\r\n0\r\n\r\n',
        b"3;a=\x00\r\nabc\r\n0\r\n\r\n",
        b"11112222333344445\r\nabc\r\n0\r\n\r\n",
        b"0\r\nno field\r\n\r\n",
        b"0\r\nX-A: 1\r\n folded\r\n\r\n",
        b"0\r\nX-A : 1\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\ntransfer-encoding: chunked\r\n\r\n",
        b"0\r\nX-A: \x00\r\n\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_what_two_readers_could_read_differently_is_refused(data: bytes, step: int) -> None:
    with pytest.raises(MalformedChunkError):
        decode(data, step)


@pytest.mark.parametrize("beginning", [b"z", b"-", b"3\r\nabcX", b"3\r\nabc\n", b";"])
def test_a_line_that_cannot_become_right_is_refused_before_its_end(beginning: bytes) -> None:
    with pytest.raises(MalformedChunkError):
        decode(beginning)


@pytest.mark.parametrize("size", [10_000, 65_536, 1_000_000])
@pytest.mark.parametrize("step", [1 << 20, 3000, 700])
def test_endless_extensions_are_refused(size: int, step: int) -> None:
    with pytest.raises(MalformedChunkError):
        decode(b"3;" + b"e" * size + b"\r\nabc\r\n0\r\n\r\n", step)


def test_endless_trailers_are_refused() -> None:
    with pytest.raises(MalformedChunkError):
        decode(b"3\r\nabc\r\n0\r\n" + b"X-A: 1\r\n" * 10_000)


def test_small_extensions_and_tiny_chunks_pass() -> None:
    """RFC 9112 7.1.1: an extension that is not known is ignored."""
    assert decode(b"1;a=b\r\nx\r\n" * 5000 + b"0\r\n\r\n") == (b"x" * 5000, b"", True)


def test_very_many_chunks_are_decoded_in_steps() -> None:
    """So that one read of them does not hold the loop up."""
    data = b"1\r\nx\r\n" * 40_000
    decoder = ChunkDecoder()
    content, end = decoder.feed(data)
    assert 0 < end < len(data)
    assert len(content) <= 1024


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(1, 40))
def test_what_was_put_into_chunks_comes_out(pieces: list[bytes], step: int) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert decode(data + b"rest", step)[0] == b"".join(pieces)


@given(st.binary(max_size=300))
def test_any_bytes_are_content_or_refused(data: bytes) -> None:
    """Nothing but our own error, and no content that was not sent."""
    try:
        content, _, _ = decode(data)
    except MalformedChunkError:
        return
    assert len(content) <= len(data)
