"""Heads are read one at a time and each for itself, however bytes arrive; bodies never reach the parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.listener.request_parser import CHUNKED, UNREADABLE, HeadLimits, RequestParser, read_framing

HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: next\r\nX-Own: 1\r\n\r\n"
LIMITS = HeadLimits(8192, 64)


def parser(limits: HeadLimits = LIMITS) -> RequestParser:
    return RequestParser(limits)


def head(*fields: str, line: str = "POST /a HTTP/1.1") -> bytes:
    return "".join(f"{each}\r\n" for each in (line, "Host: a", *fields, "")).encode("latin-1")


def feed_all(reader: RequestParser, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])


def test_a_head_ends_where_it_ends() -> None:
    message, end = parser().feed(HEAD + b"abc" + NEXT)
    assert message is not None
    assert (message.method, message.path, end) == ("POST", "/a", len(HEAD))


@pytest.mark.parametrize("cut", range(1, len(HEAD)))
def test_a_head_may_come_in_two_pieces(cut: int) -> None:
    reader = parser()
    assert reader.feed(HEAD[:cut]) == (None, cut)
    assert reader.begun
    message, end = reader.feed(HEAD[cut:] + b"abc")
    assert message is not None
    assert message.raw_headers == ((b"Host", b"a"), (b"Content-Length", b"3"))
    assert (end, reader.begun) == (len(HEAD) - cut, False)


def test_a_head_may_come_byte_by_byte() -> None:
    reader = parser()
    for byte in HEAD[:-1]:
        assert reader.feed(bytes([byte]))[0] is None
    assert reader.feed(HEAD[-1:])[0] is not None


def test_nothing_of_a_message_is_left_for_the_next() -> None:
    reader = parser()
    reader.feed(head("Transfer-Encoding: chunked", "X-First: 1"))
    message, _ = reader.feed(NEXT)
    assert message is not None
    assert message.raw_headers == ((b"Host", b"next"), (b"X-Own", b"1"))
    assert not message.chunked


def test_each_head_has_the_whole_bound() -> None:
    """However many came before it on the connection."""
    reader = parser(HeadLimits(64, 64))
    for _ in range(2 * 4 * 64 // len(NEXT)):
        assert reader.feed(NEXT)[0] is not None


def test_how_a_head_was_cut_says_nothing_of_the_next() -> None:
    """Three bytes of an empty line were kept of the first one; a line end comes before the second."""
    reader = parser()
    reader.feed(HEAD[:-1])
    assert reader.feed(HEAD[-1:])[0] is not None
    message, end = reader.feed(b"\n" + NEXT)
    assert message is not None
    assert (message.path, end) == ("/next", 1 + len(NEXT))


def test_empty_lines_before_a_head_are_skipped_and_are_no_beginning() -> None:
    reader = parser()
    assert reader.feed(b"\r\n\r\n\n") == (None, 5)
    assert not reader.begun
    message, end = reader.feed(b"\r\n\r\n" + NEXT + b"\r\n")
    assert message is not None
    assert end == 4 + len(NEXT)


@pytest.mark.parametrize("offer", ["h2c", "websocket", "tcp", "x"])
@pytest.mark.parametrize("more", [(), ("Content-Length: 3",), ("Transfer-Encoding: chunked",)])
def test_an_upgrade_that_is_offered_takes_no_byte_and_leaves_no_state(
    offer: str, more: tuple[str, ...]
) -> None:
    reader = parser()
    for _ in range(3):
        given = head("Connection: Upgrade", f"Upgrade: {offer}", *more)
        message, end = reader.feed(given + NEXT)
        assert message is not None
        assert end == len(given)
        assert reader._parser is None  # llhttp's goes on in another protocol, or does not, as it is built
        following, _ = reader.feed(NEXT)
        assert following is not None
        assert (following.path, following.upgrade) == ("/next", False)


@pytest.mark.parametrize(
    "given",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_what_is_no_head_is_refused_as_soon_as_it_is_seen(given: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parser().feed(given)
    assert (refused.value.slug, refused.value.closes) == ("malformed_request", True)


class Parser:
    """Stands in for aiohttp's: whatever it does with half a head."""

    def __init__(self, outcome: Exception | None) -> None:
        self._outcome = outcome

    def feed_data(self, data: bytes) -> tuple[list[object], bool, bytes]:
        if self._outcome is not None:
            raise self._outcome
        return [object()], False, b""


@pytest.mark.parametrize("outcome", [None, ValueError("of a URL")], ids=["a message", "ValueError"])
def test_what_no_parser_should_do_is_a_refusal(outcome: Exception | None) -> None:
    """Where a head ends we say; and its URL class may raise what its own errors do not cover."""
    reader = parser()
    reader._parser = Parser(outcome)
    with pytest.raises(Refusal, match="malformed_request"):
        reader.feed(HEAD[:-2])


@pytest.mark.parametrize(
    "given",
    [
        head(line=f"GET /{'a' * 9000} HTTP/1.1"),
        head(f"X-A: {'a' * 9000}"),
        head(*["X-A: 1"] * 70),
        head(*[f"X-A: {'a' * 8000}"] * 5),
        head(*[f"X-A: {'a' * 8000}"] * 5, line="CONNECT a:1 HTTP/1.1"),
    ],
    ids=["line", "field", "number of fields", "whole head", "whole head of CONNECT"],
)
@pytest.mark.parametrize("step", [1 << 20, 1000])
def test_heads_are_bounded(given: bytes, step: int) -> None:
    with pytest.raises(Refusal) as refused:
        feed_all(parser(), given, step)
    assert refused.value.slug == "header_too_large"


def test_a_head_that_never_ends_is_bounded() -> None:
    with pytest.raises(Refusal) as refused:
        feed_all(parser(HeadLimits(1024, 10_000)), b"GET / HTTP/1.1\r\n" + b"X-A: 123456\r\n" * 1000, 14)
    assert refused.value.slug == "header_too_large"


@pytest.mark.parametrize(
    ("given", "framing"),
    [
        (head(), 0),
        (head("Content-Length: 0"), 0),
        (head("Content-Length: 17"), 17),
        (head("Transfer-Encoding: chunked"), CHUNKED),
        (head("Transfer-Encoding: CHUNKED"), CHUNKED),
        (head("Transfer-Encoding: gzip, chunked"), UNREADABLE),
        (head("Transfer-Encoding: gzip"), UNREADABLE),
        (head("Transfer-Encoding: chunked;q=1"), UNREADABLE),
        (head("Transfer-Encoding: xchunked"), UNREADABLE),
        (head("Transfer-Encoding: chunked", line="POST /a HTTP/1.0"), UNREADABLE),
        (head(line="CONNECT a:1 HTTP/1.1"), 0),
        (head("Content-Length: 0", line="CONNECT a:1 HTTP/1.1"), 0),
        (head("Content-Length: 1", line="CONNECT a:1 HTTP/1.1"), UNREADABLE),
        (head("Transfer-Encoding: chunked", line="CONNECT a:1 HTTP/1.1"), UNREADABLE),
    ],
)
def test_framing_is_plain_or_unreadable(given: bytes, framing: int) -> None:
    message, _ = parser().feed(given)
    assert message is not None
    assert read_framing(message) == framing


@given(
    st.lists(st.sampled_from([HEAD, NEXT, head("Upgrade: h2c", "Connection: upgrade")]), max_size=5),
    st.data(),
)
def test_heads_are_the_same_however_reads_end(heads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(heads)
    reader, seen, held = parser(), [], b""
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        held, stream = held + stream[:size], stream[size:]
        while held:
            message, end = reader.feed(held)
            held = held[end:]
            if message is not None:
                seen.append(message.path)
    assert seen == ["/next" if each is NEXT else "/a" for each in heads]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_head_or_a_refusal(data: bytes) -> None:
    slug = "malformed_request"
    try:
        parser().feed(data)
    except Refusal as refusal:
        slug = refusal.slug
    assert slug in ("malformed_request", "header_too_large")
