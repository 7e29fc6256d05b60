"""Bodies and their absence over real sockets: HEAD, 204, 304, chunks both ways, trailers, HTTP/1.0, gzip."""

import asyncio
import gzip

import pytest

from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.running import Running
from tests.support.upstream import RawUpstream, gated, raw, reply

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
BIG = bytes(range(256)) * 1024


async def test_head_keeps_the_length_of_a_body_that_does_not_follow(
    gateway: Running, upstream: RawUpstream
) -> None:
    """And the connection stays in step."""
    upstream.then(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nContent-Type: text/xml\r\n\r\n"))
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"HEAD {MESSAGES}"))
        answer = await caller.answer("HEAD")
        assert answer.value("Content-Length") == "1234"
        await caller.send(request(f"GET {MESSAGES}"))
        assert (await caller.answer()).body == b"{}"
    assert upstream.received[0].line.startswith("HEAD ")
    assert upstream.connections == 1


async def test_204_and_304_have_no_body(gateway: Running, upstream: RawUpstream) -> None:
    """304 keeps the length of what was not sent (RFC 9110 15.4.5); 204 has none."""
    upstream.then(
        raw(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
        raw(b'HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\nETag: "x"\r\n\r\n'),
    )
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"DELETE {MESSAGES[:-5]}/SM0.json"))
        empty = await caller.answer()
        assert (empty.status, empty.values("content-length")) == (204, [])
        await caller.send(request(f"GET {MESSAGES}", 'If-None-Match: "x"'))
        same = await caller.answer()
        assert (same.status, same.value("Content-Length"), same.value("ETag")) == (304, "999", '"x"')
        await caller.send(request(f"GET {MESSAGES}"))
        assert (await caller.answer()).body == b"{}"
    assert upstream.received[1].values("if-none-match") == ['"x"']
    assert upstream.connections == 1


async def test_small_chunked_answer_gets_a_length(gateway: Running, upstream: RawUpstream) -> None:
    """It goes back in one piece; trailers are dropped cleanly and the next answer is in step."""
    upstream.then(raw(CHUNKED + b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"))
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}", "TE: trailers"))
        answer = await caller.answer()
        assert answer.body == b"abcde"
        assert answer.value("Content-Length") == "5"
        await caller.send(request(f"GET {MESSAGES}"))
        following = await caller.answer()
        assert following.body == b"{}"
        assert not {"x-sum", "x-more"} & {name.lower() for name, _ in answer.fields + following.fields}
    assert upstream.connections == 1


async def test_large_chunked_answer_is_streamed_as_chunks(gateway: Running, upstream: RawUpstream) -> None:
    """Its first part reaches the caller while the upstream still holds the rest."""
    gate = asyncio.Event()
    first = b"%x\r\n%b\r\n" % (len(BIG), BIG)
    upstream.then(gated(CHUNKED + first, gate, b"3\r\nend\r\n0\r\nX-Sum: 1\r\n\r\n"))
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}"))
        head = await caller.until(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in head
        assert await caller.reader.readexactly(1)
        gate.set()
        rest = await caller.until(b"\r\n0\r\n\r\n")
        assert rest.endswith(b"end\r\n0\r\n\r\n")
        await caller.send(request(f"GET {MESSAGES}"))
        assert (await caller.answer()).body == b"{}"


@pytest.mark.parametrize("size", [65_536, 65_537, 1_000_000])
async def test_sized_answers_around_the_buffer_limit(
    gateway: Running, upstream: RawUpstream, size: int
) -> None:
    """Whole or streamed, the bytes and the length are the same."""
    body = (BIG * 4)[:size]
    upstream.then(reply(body))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}"))
    assert answer.value("Content-Length") == str(size)
    assert answer.body == body


async def test_answer_without_a_length_ends_with_the_connection(
    gateway: Running, upstream: RawUpstream
) -> None:
    """HTTP/1.0 style upstream: read to its end, and given a length."""
    upstream.then(raw(b"HTTP/1.0 200 OK\r\n\r\nto the end", ends="close"))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}"))
    assert (answer.body, answer.value("Content-Length")) == (b"to the end", "10")


async def test_chunked_request_is_sent_with_a_length(gateway: Running, upstream: RawUpstream) -> None:
    """One Content-Length, no chunks, no trailers."""
    body = b"4\r\nTo=%\r\n5;x=y\r\n2B1&B\r\n5\r\node=1\r\n0\r\nX-Trailer: 1\r\n\r\n"
    given = request(f"POST {MESSAGES}", FORM, "Transfer-Encoding: CHUNKED", "Trailer: X-Trailer", body=body)
    async with raw_caller(gateway.port) as caller:
        await caller.send(given + request(f"GET {MESSAGES}"))
        assert (await caller.answer()).status == 200
        assert (await caller.answer()).status == 200
    received = upstream.received[0]
    assert received.body == b"To=%2B1&Bode=1"
    assert received.values("content-length") == ["14"]
    assert received.values("transfer-encoding") == received.values("trailer") == []
    assert b"X-Trailer" not in received.head + upstream.received[1].head


@pytest.mark.parametrize("line", ["POST", "PUT", "PATCH"])
async def test_an_empty_body_has_length_0(gateway: Running, upstream: RawUpstream, line: str) -> None:
    """RFC 9110 8.6; GET and DELETE get no framing field at all."""
    await ask(gateway.port, request(f"{line} {MESSAGES}"))
    await ask(gateway.port, request(f"DELETE {MESSAGES}", "Content-Length: 0"))
    assert upstream.received[0].values("content-length") == ["0"]
    assert upstream.received[1].values("content-length") == []


async def test_http_1_0_caller_without_keep_alive(gateway: Running) -> None:
    """Answered in its own version, then closed."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}", version="1.0"))
        answer = await caller.answer()
        assert answer.head.startswith(b"HTTP/1.0 200 ")
        assert answer.values("connection") == []
        assert await caller.rest() == b""


async def test_http_1_0_caller_with_keep_alive(gateway: Running) -> None:
    """Told that it is granted, and served again."""
    async with raw_caller(gateway.port) as caller:
        for _ in range(2):
            await caller.send(request(f"GET {MESSAGES}", "Connection: keep-alive", version="1.0"))
            answer = await caller.answer()
            assert answer.value("Connection") == "keep-alive"
            assert answer.body == b"{}"


async def test_http_1_0_caller_and_an_answer_of_unknown_size(gateway: Running, upstream: RawUpstream) -> None:
    """No chunks; the end of the connection is the end of the body, keep-alive or not."""
    upstream.then(raw(CHUNKED, b"%x\r\n%b\r\n" % (len(BIG), BIG), b"0\r\n\r\n"))
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}", "Connection: keep-alive", version="1.0"))
        answer = await caller.answer()
        assert answer.values("transfer-encoding") == answer.values("connection") == []
        assert answer.values("content-length") == []
        assert answer.body == BIG


async def test_connection_close_is_honoured(gateway: Running) -> None:
    """The caller is told, and the connection ends."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"GET {MESSAGES}", "Connection: close"))
        assert (await caller.answer()).value("Connection") == "close"
        assert await caller.rest() == b""


async def test_an_upstream_that_closes_does_not_close_the_caller(
    gateway: Running, upstream: RawUpstream
) -> None:
    """`Connection: close` concerns one hop."""
    upstream.then(raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", ends="close"))
    async with raw_caller(gateway.port) as caller:
        for _ in range(2):
            await caller.send(request(f"GET {MESSAGES}"))
            answer = await caller.answer()
            assert (answer.body, answer.values("connection")) == (b"{}", [])
    assert upstream.connections == 2


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
async def test_encoded_answers_are_untouched(gateway: Running, upstream: RawUpstream, coding: str) -> None:
    """Not a byte is decoded or encoded, and the caller's wish is passed on."""
    body = gzip.compress(b'{"a":1}' * 1000) if coding == "gzip" else b"\x78\x9c no real " + BIG[:300]
    upstream.then(reply(body, fields=(f"Content-Encoding: {coding}", "Content-Type: application/json")))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}", "Accept-Encoding: br;q=1, gzip"))
    assert answer.body == body
    assert answer.value("Content-Encoding") == coding
    assert upstream.received[0].values("accept-encoding") == ["br;q=1, gzip"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(gateway: Running, upstream: RawUpstream, status: int) -> None:
    """They are the caller's to follow; our credential crosses to no other host."""
    upstream.then(reply(b"", status=f"{status} Moved", fields=("Location: https://evil.test/x",)))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}"))
    assert (answer.status, answer.value("Location")) == (status, "https://evil.test/x")
    assert len(upstream.received) == 1
