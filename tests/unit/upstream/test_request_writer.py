"""Guards for the private parts of aiohttp's client that we lean on: they fail if aiohttp changes."""

import asyncio
import inspect
import weakref
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientRequest, ClientSession, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter
from yarl import URL

from gateway.upstream.request_writer import RelayRequest, Wire
from gateway.upstream.session import CleanConnector, TransportOptions, open_session
from tests.support.upstream import RawUpstream, Received, answer, raw, raw_upstream

FIELDS = {
    "User-Agent": "old/1",
    "Content-Type": "application/x-www-form-urlencoded",
    "Authorization": "Basic eDp5",
}
TARGET = "/2010-04-01/Accounts/AC0/Messages.json?To=%2B1&DateSent<=1"


def head_of(method: str, upstream: RawUpstream, framing: str, fields: dict[str, str]) -> bytes:
    """The head as the stock class writes it."""
    lines = [f"{method} {TARGET} HTTP/1.1", f"Host: {upstream.url.removeprefix('http://')}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, framing] if framing else lines).encode() + b"\r\n\r\n"


async def send_stock(upstream: RawUpstream, method: str, data: Any, headers: dict[str, str]) -> None:
    """One request through aiohttp as it comes, told to add nothing of its own."""
    skip = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
    async with (
        ClientSession(skip_auto_headers=skip) as session,
        session.request(
            method, URL(upstream.url + TARGET, encoded=True), data=data, headers=headers
        ) as response,
    ):
        assert await response.read() == b"{}"


async def send_lean(upstream: RawUpstream, method: str, wire: Wire) -> None:
    """The same through our session."""
    session = open_session(TransportOptions())
    try:
        response = await session.request(method, URL(upstream.url), data=wire, allow_redirects=False)
        assert await response.content.read() == b"{}"
        response.release()
    finally:
        await session.close()


async def chunks() -> Any:
    """A body in three parts."""
    for part in (b"abc", b"d" * 70_000, b"e"):
        yield part


async def both(method: str, body: bytes | None, *, chunked: bool = False) -> tuple[Received, Received]:
    """What reached the upstream by the stock class, and by ours."""
    fields = FIELDS if body or chunked else {"User-Agent": "old/1"}
    framing = (
        "Transfer-Encoding: chunked"
        if chunked
        else f"Content-Length: {len(body)}"
        if body is not None
        else ""
    )
    async with raw_upstream() as upstream:
        await send_stock(upstream, method, chunks() if chunked else body, fields)
        head = head_of(method, upstream, framing, fields)
        wire = Wire(head, body or b"", chunks() if chunked else None, None)
        await send_lean(upstream, method, wire)
        stock, lean = upstream.received
        return stock, lean


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("GET", None), ("HEAD", None), ("DELETE", None),
        ("POST", b"To=%2B1&Body=x"), ("PUT", b"a=1"), ("POST", b"x" * 300_000),
    ],
    ids=["GET", "HEAD", "DELETE", "POST", "PUT", "large POST"],
)  # fmt: skip
async def test_relay_request_writes_what_the_stock_class_writes(method: str, body: bytes | None) -> None:
    """The same bytes but for the order of fields, and `Content-Length: 0`, which the stock DELETE has."""
    if method == "HEAD":
        stock, lean = await both_head()
    else:
        stock, lean = await both(method, body)
    assert lean.line == stock.line
    assert sorted(lean.fields) == sorted(field for field in stock.fields if field != ("Content-Length", "0"))
    assert lean.raw_body == stock.raw_body


async def both_head() -> tuple[Received, Received]:
    """The same for HEAD, whose answer ends with its head."""
    fields = {"User-Agent": "old/1"}
    async with raw_upstream(*[raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")] * 2) as upstream:
        url = URL(upstream.url + TARGET, encoded=True)
        skip = ("Accept", "Accept-Encoding")
        async with ClientSession(skip_auto_headers=skip) as session, session.head(url, headers=fields):
            pass
        ours = open_session(TransportOptions())
        wire = Wire(head_of("HEAD", upstream, "", fields), b"")
        response = await ours.request("HEAD", URL(upstream.url), data=wire)
        assert response.content.is_eof()
        response.release()
        await ours.close()
        stock, lean = upstream.received
        return stock, lean


async def test_a_chunked_stream_has_the_same_bytes() -> None:
    """Head and chunks."""
    stock, lean = await both("POST", None, chunked=True)
    assert sorted(lean.fields) == sorted(stock.fields)
    assert lean.body == stock.body == b"abc" + b"d" * 70_000 + b"e"
    assert lean.raw_body == stock.raw_body


def test_client_request_is_built_as_we_override_it() -> None:
    """`ClientSession` makes requests with these arguments, and reads these attributes."""
    theirs = inspect.signature(ClientRequest.__init__).parameters
    ours = inspect.signature(RelayRequest.__init__).parameters
    known = {
        "self", "method", "url", "params", "headers", "skip_auto_headers", "data", "cookies", "auth",
        "version",
        "compress", "chunked", "expect100", "loop", "response_class", "proxy", "proxy_auth", "timer",
        "session",
        "ssl", "server_hostname", "proxy_headers", "traces", "trust_env",
    }  # fmt: skip
    assert set(theirs) == known
    assert set(ours) - {"_"} <= known
    source = inspect.getsource(ClientSession._request)
    assert "req.send(conn)" in source
    assert "conn.protocol.set_response_params(" in source
    assert "resp.start(conn)" in source


def test_the_response_class_is_built_as_we_build_it() -> None:
    """Keyword by keyword as `ClientRequest.send` does."""
    call = inspect.getsource(ClientRequest.send).split("response_class(")[1]
    for keyword in (
        "writer=",
        "continue100=",
        "timer=",
        "request_info=",
        "traces=",
        "loop=",
        "session=",
        "stream_writer=",
    ):
        assert keyword in call
    assert set(inspect.signature(aiohttp.ClientResponse.__init__).parameters) >= {
        "stream_writer",
        "request_info",
    }


def test_write_bytes_closes_a_connection_whose_body_broke_off() -> None:
    """Half a request must never go back to the pool."""
    source = inspect.getsource(ClientRequest.write_bytes)
    assert "conn.close()" in source.split("except BaseException")[1]


def test_a_stream_writer_is_written_through() -> None:
    """`_write`, `length`, `chunked` and `output_size` are what both sides use."""
    assert list(inspect.signature(StreamWriter._write).parameters) == ["self", "chunk"]
    assert "transport.write(chunk)" in inspect.getsource(StreamWriter._write)
    assert {"length", "chunked", "output_size", "buffer_size"} <= set(dir(StreamWriter))


async def test_the_hidden_re_send_is_switched_off() -> None:
    """aiohttp repeats idempotent requests by itself unless this private switch says no."""
    source = inspect.getsource(ClientSession._request)
    assert "self._retry_connection and method in IDEMPOTENT_METHODS" in source
    stock = ClientSession()
    ours = open_session(TransportOptions())
    assert stock._retry_connection is True
    assert ours._retry_connection is False
    await stock.close()
    await ours.close()


async def test_the_stock_session_does_re_send() -> None:
    """The witness: if this stops, the switch means something else now."""
    async with raw_upstream(raw(answer(b"{}")), raw(ends="close")) as upstream, ClientSession() as session:
        session._retry_connection = True  # pytest-aiohttp and others turn it off
        for _ in range(2):
            async with session.get(upstream.url) as response:
                assert await response.read() == b"{}"
        assert len(upstream.received) == 3


async def test_the_pool_is_looked_into_as_we_override_it() -> None:
    """`_get(key, traces)` over `_conns[key]`, of (protocol, time); `should_close` knows of surplus."""
    assert list(inspect.signature(TCPConnector._get).parameters) == ["self", "key", "traces"]
    assert "self._get(key, traces)" in inspect.getsource(TCPConnector.connect)
    async with raw_upstream() as upstream:
        session = open_session(TransportOptions())
        wire = Wire(head_of("GET", upstream, "", {}), b"")
        response = await session.request("GET", URL(upstream.url), data=wire)
        await response.content.read()
        response.release()
        connector = session.connector
        assert isinstance(connector, CleanConnector)
        [(key, pool)] = connector._conns.items()
        [(protocol, _)] = pool
        assert not protocol.should_close
        protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON")
        assert protocol.should_close
        assert await connector._get(key, []) is None
        assert key not in connector._conns
        await session.close()


async def test_the_stock_pool_hands_surplus_bytes_on() -> None:
    """The witness: if this stops, the override can go."""
    async with raw_upstream() as upstream, ClientSession() as session:
        async with session.get(upstream.url) as response:
            await response.read()
        assert session.connector is not None
        [pool] = session.connector._conns.values()
        pool[0][0].data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON")
        async with session.get(upstream.url) as response:
            assert await response.read() == b"POISON"


async def test_read_timeouts_are_those_of_the_protocol() -> None:
    """`read_timeout` and `start_timeout` end a stalled body."""
    assert isinstance(ResponseHandler.read_timeout, property)
    protocol = ResponseHandler(asyncio.get_running_loop())
    protocol.read_timeout = 30
    protocol.start_timeout()
    assert protocol._read_timeout_handle is not None
    protocol._drop_timeout()


class _Waiting:
    """What an exchange does at the first byte; it holds the wire, as an attempt does."""

    def __init__(self) -> None:
        self.wire = Wire(b"", b"")
        self.wire.on_send = self.note
        self.times = 0

    def note(self) -> None:
        self.times += 1


def test_what_follows_the_first_byte_is_called_once_and_let_go() -> None:
    """It holds the exchange, which holds the wire: together they would be left to the collector."""
    waiting = _Waiting()
    waiting.wire.begin()
    waiting.wire.begin()
    assert (waiting.times, waiting.wire.sent) == (1, True)
    known = weakref.ref(waiting)
    del waiting
    assert known() is None
