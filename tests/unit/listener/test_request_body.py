"""A body is received up to a bound, read as it comes, and fails once for its reader."""

import asyncio

import pytest

from gateway.errors import Refusal
from gateway.listener.body_receiver import BodyReceiver
from gateway.listener.chunk_decoder import MalformedChunkError
from gateway.listener.request_body import BUFFER_BYTES, NO_REQUEST_BODY, RequestBody, take_whole
from gateway.listener.request_parser import CHUNKED, UNREADABLE
from gateway.policy.bodies import BodyFormat, BodyPlan


def test_no_body_is_complete_and_empty_for_every_request() -> None:
    for _ in range(2):
        NO_REQUEST_BODY.fail(ConnectionResetError())
        assert NO_REQUEST_BODY.complete
        assert NO_REQUEST_BODY.take() == b""
        assert NO_REQUEST_BODY.total_bytes == 0


async def test_reading_waits_for_bytes_and_ends_with_the_body() -> None:
    body = RequestBody()
    reading = asyncio.create_task(body.read(10))
    await asyncio.sleep(0)
    body.feed(b"ab")
    assert await reading == b"ab"
    body.feed(b"c")
    body.end()
    assert [await body.read(10), await body.read(10)] == [b"c", b""]
    assert body.total_bytes == 3


async def test_a_reader_that_waits_too_long_is_told_so_and_may_go_on() -> None:
    body = RequestBody()
    with pytest.raises(TimeoutError):
        await body.read(0)
    body.feed(b"x")
    assert await body.read(10) == b"x"


async def test_the_first_failure_is_the_readers() -> None:
    body = RequestBody()
    reading = asyncio.create_task(body.read(10))
    await asyncio.sleep(0)
    body.fail(MalformedChunkError())
    body.fail(ConnectionResetError())
    with pytest.raises(MalformedChunkError):
        await reading


def test_reading_makes_room() -> None:
    asked: list[None] = []
    body = RequestBody(lambda: asked.append(None))
    body.feed(b"x" * BUFFER_BYTES)
    assert body.full
    body.take()
    assert not body.full
    assert asked == [None]
    assert body.take() == b""
    assert asked == [None]


@pytest.mark.parametrize("step", [1, 3, 100])
@pytest.mark.parametrize(
    ("framing", "data"), [(5, b"abcde"), (CHUNKED, b"2\r\nab\r\n3\r\ncde\r\n0\r\nX-A: 1\r\n\r\n")]
)
def test_a_body_ends_where_its_framing_says(framing: int, data: bytes, step: int) -> None:
    receiver = BodyReceiver(RequestBody(), framing)
    stream = data + b"GET /next"
    at = 0
    while not receiver.body.complete:
        receiver.receive(stream[at : at + step])
        at += step
    assert receiver.body.take() == b"abcde"
    assert receiver.rest + stream[at:] == b"GET /next"


def test_what_follows_an_unreadable_body_is_dropped() -> None:
    receiver = BodyReceiver(RequestBody(), UNREADABLE)
    receiver.receive(b"GET / HTTP/1.1\r\n\r\n")
    assert (receiver.body.total_bytes, receiver.body.complete, receiver.rest) == (0, False, b"")


def test_what_follows_a_malformed_chunk_is_dropped() -> None:
    receiver = BodyReceiver(RequestBody(), CHUNKED)
    receiver.receive(b"zz\r\n")
    receiver.receive(b"3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    with pytest.raises(MalformedChunkError):
        receiver.body.take()
    assert (receiver.body.complete, receiver.rest, receiver.pending) == (False, b"", False)


def test_chunks_wait_undecoded_while_the_body_is_full() -> None:
    receiver = BodyReceiver(RequestBody(), CHUNKED)
    chunk = b"%x\r\n%b\r\n" % (BUFFER_BYTES, b"x" * BUFFER_BYTES)
    receiver.receive(chunk)
    receiver.receive(chunk + b"0\r\n\r\nNEXT")
    assert receiver.pending
    assert receiver.body.total_bytes == BUFFER_BYTES
    assert receiver.body.take() == b"x" * BUFFER_BYTES
    receiver.decode()
    assert receiver.body.complete
    assert receiver.rest == b"NEXT"


def test_a_body_that_came_along_is_bounded_too() -> None:
    """In chunks its length was not announced."""
    plan = BodyPlan(BodyFormat.FORM, 10)
    held: list[int] = []
    assert take_whole(RequestBody.received(b"x" * 10), plan, held.append) == b"x" * 10
    with pytest.raises(Refusal, match="body_too_large"):
        take_whole(RequestBody.received(b"x" * 11), plan, held.append)
    assert held == [10]
    assert take_whole(RequestBody.received(b"x" * 11), BodyPlan(BodyFormat.NONE, 0), held.append) == b""
