"""Chunked requests are read as if each were alone on its connection: no trailer outlives its request."""

import asyncio
import inspect
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.listener.chunk_guard import StrictFraming, cut_pieces
from gateway.listener.connections import ConnectionLimits
from gateway.listener.data_server import DataServer
from gateway.listener.raw_response import RawResponse

HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"3\r\nabc\r\n4\r\n\r\n\r\n\r\n0\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: next\r\nX-Own: 1\r\n\r\n"
NEXT_FIELDS = ((b"Host", b"next"), (b"X-Own", b"1"))


class Sink(asyncio.Transport):
    """A transport that takes everything and is never paused."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Dropped."""

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nothing to pause."""

    def resume_reading(self) -> None:
        """Nothing to resume."""


class Witness:
    """A data server whose handler writes down what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[tuple[bytes, bytes], ...], bytes]] = []
        self.refused = asyncio.Event()
        self._wanted = 0
        self._enough = asyncio.Event()
        server = DataServer(
            self._handle, self._refuse, header_bytes=8192, headers_max=64, limits=ConnectionLimits()
        )
        self.transport = Sink()
        self.protocol = server()
        self.protocol.connection_made(self.transport)

    async def _handle(self, request: web.BaseRequest) -> RawResponse:
        try:
            body = await request.content.read()
        except RequestPayloadError:
            self.refused.set()
            return RawResponse(400, "No", b"Content-Length: 0\r\n", closes=True)
        self.seen.append((request.raw_path, request.raw_headers, body))
        if len(self.seen) >= self._wanted:
            self._enough.set()
        return RawResponse(200, "OK", b"Content-Length: 0\r\n")

    def _refuse(self, error: GatewayError, request: web.BaseRequest) -> RawResponse:
        self.refused.set()
        return RawResponse(error.status, "No", b"Content-Length: 0\r\n", closes=True)

    async def requests(self, count: int) -> None:
        """Wait for so many requests to be handled."""
        self._wanted = count
        if len(self.seen) < count:
            self._enough.clear()
            await asyncio.wait_for(self._enough.wait(), 10)

    def end(self) -> None:
        """The caller goes."""
        self.protocol.connection_lost(None)


@pytest.fixture
async def witness() -> AsyncIterator[Witness]:
    """A fresh connection."""
    made = Witness()
    yield made
    made.end()


def parsed_by_stock(data: bytes) -> list[tuple[tuple[bytes, bytes], ...]]:
    """The header fields that aiohttp's own protocol hands out."""

    class Deaf(RequestHandler):
        def __init__(self) -> None:
            """Nothing but what the parser asks for."""
            self._reading_paused = self._buffer_paused = self._upgraded = False
            self.transport = None
            self._parser = None

    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(Deaf(), loop, 1 << 16, max_line_size=8190, max_field_size=8190, max_headers=64)
    messages, _, _ = parser.feed_data(data)
    return [message.raw_headers for message, _ in messages]


async def test_aiohttp_still_needs_this() -> None:
    """If this fails, aiohttp drops trailers itself: the replacing of parsers in framing.py can go."""
    _, second = parsed_by_stock(HEAD + CHUNKS + b"X-Trailer: 1\r\n\r\n" + NEXT)
    assert second == ((b"X-Trailer", b"1"), *NEXT_FIELDS)


@pytest.mark.parametrize("trailers", [b"", b"X-Trailer: 1\r\n", b"X-A: 1\r\nAuthorization: Basic eDp5\r\n"])
async def test_no_trailer_reaches_the_next_request_wherever_reads_end(trailers: bytes) -> None:
    """The stream of bytes is the same however TCP cuts it."""
    data = HEAD + CHUNKS + trailers + b"\r\n" + NEXT + HEAD + CHUNKS + trailers + b"\r\n" + NEXT
    for cut in range(len(data)):
        witness = Witness()
        witness.protocol.data_received(data[:cut])
        witness.protocol.data_received(data[cut:])
        await witness.requests(4)
        assert [body for _, _, body in witness.seen] == [b"abc\r\n\r\n", b"", b"abc\r\n\r\n", b""]
        assert witness.seen[1][1] == witness.seen[3][1] == NEXT_FIELDS
        witness.end()


async def test_no_trailer_reaches_a_request_that_comes_later(witness: Witness) -> None:
    """Kept alive, not pipelined; byte by byte."""
    for byte in HEAD + CHUNKS + b"X-Trailer: 1\r\n\r\n":
        witness.protocol.data_received(bytes([byte]))
    await witness.requests(1)
    witness.protocol.data_received(NEXT)
    await witness.requests(2)
    assert witness.seen[1][1] == NEXT_FIELDS


async def test_many_pipelined_chunked_requests_all_arrive(witness: Witness) -> None:
    """More than aiohttp queues at a time."""
    one = HEAD + CHUNKS + b"X-Trailer: 1\r\n\r\n" + NEXT
    witness.protocol.data_received(one * 100)
    await witness.requests(200)
    assert {fields for path, fields, _ in witness.seen if path == "/next"} == {NEXT_FIELDS}
    assert len(witness.seen) == 200


async def test_a_large_chunked_body_arrives_whole(witness: Witness) -> None:
    """Through pauses of the parser, in long reads, with the next request behind it."""
    chunk = b"\r\n\r\nabcd" * 8192
    body = b"%x\r\n%b\r\n" % (len(chunk), chunk) * 40
    witness.protocol.data_received(HEAD + body + b"0\r\nX-Trailer: 1\r\n\r\n" + NEXT)
    await witness.requests(2)
    assert witness.seen[0][2] == chunk * 40
    assert witness.seen[1][1] == NEXT_FIELDS


@pytest.mark.parametrize("size", [10_000, 65_536, 1_000_000])
@pytest.mark.parametrize("step", [1 << 20, 3000, 700])
async def test_endless_extensions_are_cut_off(witness: Witness, size: int, step: int) -> None:
    """In one read or in many."""
    data = HEAD + b"3;" + b"e" * size + b"\r\nabc\r\n0\r\n\r\n"
    for at in range(0, len(data), step):
        witness.protocol.data_received(data[at : at + step])
        await asyncio.sleep(0)
    await asyncio.wait_for(witness.refused.wait(), 10)
    assert witness.seen == []


async def test_small_extensions_and_tiny_chunks_pass(witness: Witness) -> None:
    """RFC 9112 7.1.1: an extension that is not known is ignored."""
    witness.protocol.data_received(HEAD + b"1;a=b\r\nx\r\n" * 5000 + b"0\r\n\r\n")
    await witness.requests(1)
    assert witness.seen[0][2] == b"x" * 5000


@given(st.binary(max_size=20_000), st.lists(st.sampled_from([b"\r\n\r\n", b"\r\n", b"\n"])), st.data())
def test_pieces_are_the_bytes_and_end_with_empty_lines(
    noise: bytes, ends: list[bytes], data: st.DataObject
) -> None:
    """Nothing is lost, and no piece goes on behind an empty line."""
    known = noise + b"x".join(ends) + noise[:50]
    start = data.draw(st.integers(0, min(3, len(known))))
    pieces = list(cut_pieces(known, start))
    assert b"".join(pieces) == known[start:]
    at = start
    for piece in pieces:
        assert 0 < len(piece) <= 4096
        at += len(piece)
        behind = known.find(b"\r\n\r\n", max(0, at - len(piece) - 3), at)
        assert behind in (-1, at - 4) or behind + 4 <= start


def test_a_renewed_parser_is_made_as_aiohttp_makes_its_own() -> None:
    """The same class and options as in `RequestHandler.__init__`; a new option there must be looked at."""
    source = inspect.getsource(RequestHandler.__init__)
    call = source[source.index("HttpRequestParser(") :].split("super()")[0]
    options = {line.strip().split("=")[0] for line in call.splitlines() if "=" in line}
    assert options == {
        "max_line_size", "max_field_size", "max_headers", "payload_exception", "auto_decompress",
        "max_msg_queue_size",
    }  # fmt: skip
    assert "_parser" in inspect.getsource(RequestHandler.data_received)
    assert issubclass(StrictFraming, RequestHandler)
