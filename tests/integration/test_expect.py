"""`Expect: 100-continue`: asked for once the request is granted, never forwarded, refused without reading."""

import asyncio

import pytest

from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, ask, raw_caller, request
from tests.support.moved_clock import MovedClock
from tests.support.running import Running
from tests.support.upstream import RawUpstream

EXPECT = "Expect: 100-continue"
UPLOAD = "/mcs/v1/Services/IS00112233445566778899aabbccddeeff/Media"


async def test_continue_is_sent_after_the_key_was_checked(gateway: Running, upstream: RawUpstream) -> None:
    """Then the body is read, and Expect goes no further."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"POST {MESSAGES}", FORM, EXPECT, "Content-Length: 7"))
        assert (await caller.answer()).head == b"HTTP/1.1 100 Continue\r\n\r\n"
        await caller.send(b"To=%2B1")
        assert (await caller.answer()).status == 200
    assert upstream.received[0].body == b"To=%2B1"
    assert upstream.received[0].values("expect") == []


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (request(f"POST {MESSAGES}", FORM, EXPECT, "Content-Length: 7", auth=None), 401),
        (request(f"POST {MESSAGES}", FORM, EXPECT, "Content-Length: 7", auth=AUTHORIZATION[:-4]), 401),
        (request("POST /2010-04-01/Accounts.json", FORM, EXPECT, "Content-Length: 7"), 403),
        (request(f"POST {MESSAGES}", "Content-Type: text/plain", EXPECT, "Content-Length: 7"), 415),
        (request(f"POST {MESSAGES}", FORM, EXPECT, "Content-Length: 99999999"), 413),
        (request(f"POST {MESSAGES}", FORM, "Expect: 102-processing", "Content-Length: 7"), 417),
        (request("POST /nothing/here", FORM, EXPECT, "Transfer-Encoding: chunked"), 404),
    ],
    ids=["no key", "wrong key", "management", "type", "length", "other expectation", "address"],
)
async def test_a_refusal_comes_without_100_and_ends_the_connection(
    gateway: Running, upstream: RawUpstream, given: bytes, status: int
) -> None:
    """The body was never asked for, and what comes instead of it is not read as a request."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(given)
        answer = await caller.answer()
        assert (answer.status, answer.value("Connection")) == (status, "close")
        assert await caller.rest() == b""
    assert upstream.connections == 0


async def test_after_a_413_the_next_request_is_not_swallowed(gateway: Running, upstream: RawUpstream) -> None:
    """A pipelined request is neither taken for the body nor answered on a connection that is at its end."""
    async with raw_caller(gateway.port) as caller:
        refused = request(f"POST {MESSAGES}", FORM, EXPECT, "Content-Length: 99999999")
        await caller.send(refused + request(f"GET {MESSAGES}?second"))
        assert (await caller.answer()).status == 413
        assert await caller.rest() == b""
    assert (await ask(gateway.port, request(f"GET {MESSAGES}?next"))).status == 200
    assert [received.line for received in upstream.received] == [f"GET {MESSAGES}?next HTTP/1.1"]


async def test_no_100_for_http_1_0_and_none_without_a_body(gateway: Running, upstream: RawUpstream) -> None:
    """RFC 9110 10.1.1. The body comes only once the head was read."""
    old = request(f"POST {MESSAGES}", FORM, EXPECT, version="1.0", body=b"To=%2B1")
    async with raw_caller(gateway.port) as caller:
        await caller.send(old[:-7])
        assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
        await caller.send(old[-7:])
        assert (await caller.answer()).status == 200
    for target in (MESSAGES, UPLOAD):
        bare = request(f"POST {target}", FORM, EXPECT, "Content-Length: 0")
        assert (await ask(gateway.port, bare)).status == 200
    assert {tuple(received.values("expect")) for received in upstream.received} == {()}


@pytest.mark.parametrize("line", [f"POST {MESSAGES}", f"POST {UPLOAD}", f"GET {MESSAGES}"])
async def test_no_100_when_the_body_came_along(gateway: Running, line: str) -> None:
    """A caller that does not wait gets the final answer only, whatever is done with its body."""
    answer = await ask(gateway.port, request(line, FORM, EXPECT, body=b"To=%2B1"))
    assert answer.status == 200


async def test_a_chunked_body_is_asked_for_too(gateway: Running, upstream: RawUpstream) -> None:
    """Framing makes no difference."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"POST {MESSAGES}", FORM, EXPECT, "Transfer-Encoding: chunked"))
        assert (await caller.answer()).status == 100
        await caller.send(b"7\r\nTo=%2B1\r\n0\r\n\r\n")
        assert (await caller.answer()).status == 200
    assert upstream.received[0].body == b"To=%2B1"


async def test_a_body_that_never_comes_is_given_up(
    clock: MovedClock, gateway: Running, upstream: RawUpstream
) -> None:
    """408 after `body_seconds`, and the connection ends."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"POST {MESSAGES}", FORM, EXPECT, "Content-Length: 7"))
        assert (await caller.answer()).status == 100
        clock.advance(30)
        answer = await caller.answer()
        assert (answer.status, answer.slug) == (408, "body_timeout")
        assert await asyncio.wait_for(caller.rest(), 30) == b""
    assert upstream.connections == 0
