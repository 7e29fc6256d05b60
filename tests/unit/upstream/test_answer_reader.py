"""Answers as bytes arrive: cut anywhere, interim answers, surplus, and what is none."""

import pytest

from gateway.upstream.answer_reader import AnswerReader

HEAD = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"
ANSWERS = {
    "sized": (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "empty": (HEAD + b"Content-Length: 0\r\n\r\n", b""),
    "chunked": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 H\r\nLink: </a>\r\n\r\n" + HEAD
                + b"Content-Length: 5\r\n\r\nhello", b"hello"),
}  # fmt: skip


def read(data: bytes, step: int = 1 << 20, *, to_head: bool = False) -> AnswerReader:
    """Feed until it is complete, so many bytes at a time."""
    reader = AnswerReader(to_head=to_head)
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        if reader.complete:
            break
    return reader


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_cut_anywhere(name: str, step: int) -> None:
    data, content = ANSWERS[name]
    reader = read(data, step)
    assert reader.head is not None
    assert (reader.head.status, reader.take(), reader.complete, reader.reusable) == (200, content, True, True)


@pytest.mark.parametrize(
    ("data", "to_head", "content"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n0\r\n\r\n", False, b""),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nsix by", False, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}four", False, b"{}"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", True, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody", False, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHT", False, b"{}"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n", False, b"{}"),
    ],
)
def test_a7_what_follows_an_answer_costs_the_connection_not_the_answer(
    data: bytes, to_head: bool, content: bytes
) -> None:
    """RFC 9112 6.3; one answer is read for one request."""
    reader = read(data, to_head=to_head)
    assert (reader.complete, reader.reusable, reader.take()) == (True, False, content)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH",
        b"H2",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
    ],
)
@pytest.mark.parametrize("step", [1 << 20, 1000])
def test_what_is_no_answer_is_refused_at_once(data: bytes, step: int) -> None:
    with pytest.raises(ValueError, match=r"answer|status line"):
        read(data, step)


def test_only_an_answer_without_framing_ends_with_its_connection() -> None:
    """Any other that is cut short there is no answer at all."""
    reader = read(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert not reader.complete
    assert reader.end(clean=True)
    assert (reader.take(), reader.reusable) == (b"all of it", False)
    assert not read(b"HTTP/1.1 200 OK\r\n\r\npart").end(clean=False)
    assert not read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart").end(clean=True)
    assert not read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n").end(clean=True)
    assert not read(b"HTTP/1.1 200 OK\r\nContent-Le").end(clean=True)
