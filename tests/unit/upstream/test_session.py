"""`send_buffered` does what `session.request` does: the same bytes, answers, errors and ends."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientConnectorError, ClientError, ClientSession
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from gateway.upstream.attempt_deadline import Deadline
from gateway.upstream.request_writer import Wire
from gateway.upstream.session import TransportOptions, open_session, send_buffered
from gateway.upstream.upstream_response import AnyReply
from tests.support.upstream import hang, raw, raw_upstream

HEAD = b"POST /x HTTP/1.1\r\nHost: api.twilio.com\r\nContent-Length: 3\r\n\r\n"


@asynccontextmanager
async def opened() -> AsyncIterator[ClientSession]:
    """Our session."""
    session = open_session(TransportOptions())
    try:
        yield session
    finally:
        await session.close()


async def read(response: AnyReply) -> tuple[int, str | None, object, bytes]:
    """Everything of an answer that is looked at."""
    return response.status, response.reason, response.raw_headers, await response.content.read()


async def test_it_is_what_the_session_does() -> None:
    answers = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}"
    async with raw_upstream(raw(answers), raw(answers)) as upstream, opened() as session:
        url = URL(upstream.url)
        stock = await read(await session.request("POST", url, data=Wire(HEAD, b"a=b"), allow_redirects=False))
        lean = await read(await send_buffered(session, "POST", url, Wire(HEAD, b"a=b")))
        assert lean == stock
        assert upstream.received[0].head == upstream.received[1].head == HEAD
        assert upstream.received[0].raw_body == upstream.received[1].raw_body == b"a=b"
        assert upstream.connections == 1  # the connection went back to the pool, twice


async def test_a_head_answer_has_no_body() -> None:
    head = b"HEAD /x HTTP/1.1\r\nHost: api.twilio.com\r\n\r\n"
    async with (
        raw_upstream(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")) as upstream,
        opened() as session,
    ):
        response = await send_buffered(session, "HEAD", URL(upstream.url), Wire(head, b""))
        assert await response.content.read() == b""


async def test_a_deadline_closes_the_connection() -> None:
    async with raw_upstream(hang()) as upstream, opened() as session:
        wire = Wire(HEAD, b"a=b")
        with pytest.raises(TimeoutError), Deadline(asyncio.get_running_loop().time() + 0.05):
            await send_buffered(session, "POST", URL(upstream.url), wire)
        assert wire.sent
        assert session.connector is not None
        assert not session.connector._acquired
        assert not session.connector._conns


@pytest.mark.parametrize("bytes_sent", [b"", b"HTTP/1.1 2", b"SSH-2.0\r\n"], ids=["none", "half", "another"])
async def test_no_answer_is_an_error_of_the_client_library(bytes_sent: bytes) -> None:
    async with raw_upstream(raw(bytes_sent, ends="close")) as upstream, opened() as session:
        with pytest.raises(ClientError):
            await send_buffered(session, "POST", URL(upstream.url), Wire(HEAD, b"a=b"))
        assert session.connector is not None
        assert not session.connector._acquired


async def test_nobody_listens() -> None:
    async with raw_upstream() as upstream:
        url = URL(upstream.url)
    wire = Wire(HEAD, b"a=b")
    async with opened() as session:
        with pytest.raises(ClientConnectorError):
            await send_buffered(session, "POST", url, wire)
    assert not wire.sent


def test_the_session_sends_as_we_do() -> None:
    """What `ClientSession._request` calls to send, we call; should it change, so must we."""
    source = inspect.getsource(ClientSession._request)
    for call in (
        "self._connector.connect(",
        "set_response_params(",
        "await req.send(conn)",
        "await resp.start(conn)",
    ):
        assert source.count(call) == 1
    parameters = inspect.signature(ResponseHandler.set_response_params).parameters
    assert list(parameters) == [
        "self", "timer", "skip_payload", "read_until_eof", "auto_decompress", "read_timeout", "read_bufsize",
        "timeout_ceil_threshold", "max_line_size", "max_field_size", "max_headers",
    ]  # fmt: skip
