"""What is a head of the same template, and what has to be parsed."""

import pytest

from gateway.http.head_template import HeadTemplate, cut_head

START = b"POST /a HTTP/1.1\r\nHost: x\r\n"
HEAD = START + b"X-Request-Id:\tone\r\nAccept: */*\r\ncontent-length: 10\r\n\r\n"


def template(head: bytes = HEAD, max_bytes: int = 4096) -> HeadTemplate:
    found = cut_head(head, max_bytes)
    assert found is not None
    return found


def test_it_is_cut_where_individual_values_stand() -> None:
    found = template()
    assert found.names == (b"x-request-id", b"content-length")
    assert found.positions == (1, 3)
    assert found.values == [b"one", b"10"]
    assert (found.length_at, found.end) == (1, len(HEAD))


def test_values_are_read_and_what_follows_is_left() -> None:
    found = template()
    head = HEAD.replace(b"one", b"another.one").replace(b"10", b"7")
    assert found.read(head + b"a=1&b=2" + HEAD)
    assert (found.values, found.end) == ([b"another.one", b"7"], len(head))


def test_a_head_without_individual_values_is_its_own_template() -> None:
    found = template(START + b"\r\n")
    assert found.read(START + b"\r\nbody")
    assert (found.values, found.end, found.length_at) == ([], len(START) + 2, -1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"/a", b"/b"),
        (b"Host: x", b"Host: y"),
        (b"*/*", b"text/html"),
        (b"Accept", b"accept"),
        (b"one", b""),
        (b"one", b"two words"),
        (b"one", b"\xc3\xa9"),
        (b"one", b"a\x00b"),
        (b"one", b"a\rb"),
        (b"one", b"a\nb"),
        (b"one", b"a\r\nX-Any: 1"),
        (b"one", b"a" * 257),
        (b"10", b"010"),
        (b"10", b"1_0"),
        (b"10", b"+1"),
        (b"10", b"-1"),
        (b"10", b"1" * 13),
        (b"\r\n\r\n", b"\r\nX-Any: 1\r\n\r\n"),
        (b"\r\n\r\n", b"\r\n"),
        (b"\r\n\r\n", b""),
    ],
)
def test_another_head_is_not_read(old: bytes, new: bytes) -> None:
    found = template()
    assert not found.read(HEAD.replace(old, new))
    assert found.values == [b"one", b"10"]


def test_no_head_is_read_that_is_longer_than_the_bound() -> None:
    found = template(max_bytes=len(HEAD) + 2)
    assert found.read(HEAD.replace(b"one", b"three"))
    assert not found.read(HEAD.replace(b"one", b"sixteen"))


@pytest.mark.parametrize(
    "head",
    [
        START,
        START + b"\r\n" + b"\r\n",
        b"\r\n" + HEAD,
        START + b"a line\r\n\r\n",
        START + b" folded: 1\r\n\r\n",
        START + b"X-Any: 1\nX-Other: 2\r\n\r\n",
        START + b"X-Request-Id: trailing \r\n\r\n",
        START + b"X-Request-Id: two words\r\n\r\n",
        START + b"X-Request-Id:\r\n\r\n",
        START + b"traceparent: \xff\r\n\r\n",
        START + b"Content-Length: 01\r\n\r\n",
        START + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        START + b"b3: 1\r\n" * 9 + b"\r\n",
        START + b"X-Any: " + b"a" * 4096 + b"\r\n\r\n",
    ],
)
def test_an_unusual_head_is_no_template(head: bytes) -> None:
    assert cut_head(head, 4096) is None
