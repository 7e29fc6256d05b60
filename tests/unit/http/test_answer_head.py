"""Heads of answers: strict about framing, forgiving about fields; the same with and without `-X dev`."""

import asyncio
import subprocess
import sys

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.answer_head import CHUNKED, MAX_FIELDS, UNTIL_CLOSE, AnswerHead, read_answer_head


def read(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK", to_head: bool = False) -> AnswerHead:
    return read_answer_head(b"\r\n".join((status, *lines)), to_head=to_head)


def test_fields_stay_as_they_came() -> None:
    """Order, case and repeats; white space around values goes."""
    head = read(b"b: 1", b"A:2\t", b"b:  3 ", b"Empty:", b"Url: http://x")
    assert head.fields == ((b"b", b"1"), (b"A", b"2"), (b"b", b"3"), (b"Empty", b""), (b"Url", b"http://x"))


@pytest.mark.parametrize(
    ("lines", "status", "length", "keeps"),
    [
        ((b"Content-Length: 5",), b"HTTP/1.1 200 OK", 5, True),
        ((b"content-length:0",), b"HTTP/1.1 200 OK", 0, True),
        ((b"Content-Length: 5", b"Connection: close"), b"HTTP/1.1 200 OK", 5, False),
        ((b"Connection: keep-alive, Close", b"Content-Length: 5"), b"HTTP/1.1 200 OK", 5, False),
        ((b"Content-Length: 5",), b"HTTP/1.0 200 OK", 5, False),
        ((b"Content-Length: 5", b"Connection: Keep-Alive"), b"HTTP/1.0 200 OK", 5, True),
        ((b"Transfer-Encoding: Chunked",), b"HTTP/1.1 200 OK", CHUNKED, True),
        ((), b"HTTP/1.1 200 OK", UNTIL_CLOSE, False),
        ((b"Connection: keep-alive",), b"HTTP/1.0 200 OK", UNTIL_CLOSE, False),
        ((), b"HTTP/1.1 204 No Content", 0, True),
        ((b"Content-Length: 9",), b"HTTP/1.1 304 Not Modified", 0, True),
        ((b"Connection: close",), b"HTTP/1.1 204 No Content", 0, False),
        ((), b"HTTP/1.1 100 Continue", 0, True),
    ],
)
def test_framing(lines: tuple[bytes, ...], status: bytes, length: int, keeps: bool) -> None:
    head = read(*lines, status=status)
    assert (head.length, head.keep_alive) == (length, keeps)


ODD_FRAMING = [
    (b"Content-Length: 5", b"Content-Length: 5"),
    (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    (b"Transfer-Encoding: gzip, chunked",),
    (b"Transfer-Encoding: gzip",),
    (b"Transfer-Encoding: identity",),
    (b"Transfer-Encoding: x-own",),
    (b"Content-Length: +5",),
    (b"Content-Length: 5, 5",),
    (b"Content-Length:",),
    (b"Content-Length: 0x5",),
    (b"Content-Length: " + b"9" * 19,),
    (b"Content-Length : 5",),
    (b"Transfer-Encoding\t: chunked",),
    (b"Content-Length: 5\x0b",),
    (b"Transfer-Encoding: chunked\x01",),
]


@pytest.mark.parametrize("lines", ODD_FRAMING, ids=repr)
def test_b5_framing_that_was_not_understood_is_refused(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match=r"framing|Content-Length"):
        read(*lines)


@pytest.mark.parametrize("lines", ODD_FRAMING, ids=repr)
@pytest.mark.parametrize("status", [b"HTTP/1.1 204 No", b"HTTP/1.1 304 No", b"HTTP/1.1 200 OK"])
def test_a7_without_a_body_odd_framing_costs_the_connection_only(
    lines: tuple[bytes, ...], status: bytes
) -> None:
    """No framing field of such an answer goes on; the answer does."""
    head = read(*lines, b"X-A: 1", status=status, to_head=status.endswith(b"OK"))
    assert (head.length, head.keep_alive, head.fields) == (0, False, ((b"X-A", b"1"),))


def test_chunks_are_not_for_http_1_0() -> None:
    with pytest.raises(ValueError, match="framing"):
        read(b"Transfer-Encoding: chunked", status=b"HTTP/1.0 200 OK")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"X-A : 1", (b"X-A", b"1")),
        (b"X-A\t : 1", (b"X-A", b"1")),
        (b"Connection : x", (b"Connection", b"x")),
        (b"X A: 1", None),
        (b"X(A): 1", None),
        (b"X\xe9: 1", None),
        (b": 1", None),
        (b"no colon", None),
        (b"nocolon", None),
        (b"X-A: 1\x01", None),
        (b"X-A: 1\x7f", None),
        (b"X-A: caf\xe9", (b"X-A", b"caf\xe9")),
    ],
)
def test_b5_a_field_that_is_none_is_dropped(line: bytes, kept: tuple[bytes, bytes] | None) -> None:
    """White space before the colon is removed (RFC 9112 5.1); what is no token or holds controls goes."""
    head = read(line, b"Content-Length: 2")
    assert head.fields == ((*((kept,) if kept else ()), (b"Content-Length", b"2")))
    assert head.length == 2


def test_folded_lines_are_joined() -> None:
    assert read(b"X-A: 1", b" 2", b"\t3", b"Content-Length: 0").fields[0] == (b"X-A", b"1 2 3")


@pytest.mark.parametrize(
    "head", [b"X-A: 1\nX-B: 2", b"X-A: 1\rX-B: 2", b"X-A: 1\x00", b"Content-Length: 1\r\n 2"]
)
def test_what_two_readers_would_read_differently_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"head|next line"):
        read(head, b"Content-Length: 0")


@pytest.mark.parametrize(
    "status",
    [
        b"HTTP/1.1 000 Zero", b"HTTP/1.1 099 Low", b"HTTP/1.1 600 High", b"HTTP/1.1 999 High",
        b"HTTP/1.1 20 Short", b"HTTP/1.1 2000 Long", b"HTTP/2 200 OK", b"HTTP/1.2 200 OK", b"HTTP/0.9 200 OK",
        b"http/1.1 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 2x0 OK", b"SSH-2.0-OpenSSH",
        b"", b" HTTP/1.1 200 OK",
    ],
)  # fmt: skip
def test_b6_a_status_that_is_none_is_refused(status: bytes) -> None:
    with pytest.raises(ValueError, match="status line"):
        read(b"Content-Length: 0", status=status)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"HTTP/1.1 200 All is well", "All is well"),
        (b"HTTP/1.1 200 ", ""),
        (b"HTTP/1.1 200", ""),
        (b"HTTP/1.1 200 caf\xe9", ""),
        (b"HTTP/1.1 200 O\x1bK", ""),
        (b"HTTP/1.1 200 O\tK", ""),
    ],
)
def test_b6_a_reason_of_other_than_visible_ascii_is_dropped(line: bytes, reason: str) -> None:
    assert read(b"Content-Length: 0", status=line).reason == reason


def test_b6_five_hundred_and_twelve_fields_are_the_bound() -> None:
    assert len(read(*[b"X: 1"] * (MAX_FIELDS - 1), b"Content-Length: 0").fields) == MAX_FIELDS
    with pytest.raises(ValueError, match="too many"):
        read(*[b"X: 1"] * MAX_FIELDS, b"Content-Length: 0")


def test_the_whole_head_is_bounded_beside_the_single_field() -> None:
    with pytest.raises(ValueError, match="too long"):
        read(*[b"X: " + b"a" * 1000] * 70, b"Content-Length: 0")


_NAMES = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name.lower() not in (b"content-length", b"transfer-encoding", b"connection", b"upgrade")
)
_VALUES = st.from_regex(rb"[!-~]([ !-~]{0,20}[!-~])?", fullmatch=True)


@given(
    fields=st.lists(st.tuples(_NAMES, _VALUES), max_size=8),
    status=st.integers(200, 599),
    size=st.integers(0, 9),
)
def test_plain_heads_are_read_as_the_c_parser_reads_them(
    fields: list[tuple[bytes, bytes]], status: int, size: int
) -> None:
    """The witness for everything that is in order."""
    lines = [b"HTTP/1.1 %d Some reason" % status, *(b"%b: %b" % field for field in fields)]
    data = b"\r\n".join([*lines, b"Content-Length: %d" % size])
    loop = asyncio.new_event_loop()
    try:
        parser = HttpResponseParser(BaseProtocol(loop), loop, 65_536, max_headers=600)
        ((message, _),) = parser.feed_data(data + b"\r\n\r\n")[0]
    finally:
        loop.close()
    head = read_answer_head(data, to_head=False)
    assert (head.status, head.reason, head.fields) == (message.code, message.reason, message.raw_headers)
    assert head.keep_alive is not message.should_close
    assert head.length == (size if status not in (204, 304) else 0)


def test_development_mode_changes_nothing() -> None:
    """aiohttp's own parser is stricter under `-X dev`."""
    script = (
        "from gateway.http.answer_head import read_answer_head as read\n"
        "for head in (b'X-A : 1', b'X-A: 1\\x01', b'Server: a\\r\\nServer: b'):\n"
        "    print(read(b'HTTP/1.1 200 OK\\r\\n' + head, to_head=True))\n"
    )
    told = [subprocess.check_output([sys.executable, *mode, "-c", script]) for mode in ((), ("-X", "dev"))]
    assert told[0] == told[1]
    assert told[0].count(b"AnswerHead") == 3
