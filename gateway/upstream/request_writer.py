"""How a request is written to an upstream connection: `RelayRequest`, a lean `aiohttp.ClientRequest`.

The stock class builds cookies, netrc, payload objects and a body-writer task that a relay has no use for, and
would rewrite fields. This one writes the head it was given, byte for byte, and a `bytes` body in the same
segment. It leans on private parts of aiohttp 3.14; `tests/unit/upstream/test_request_writer.py` guards them.
"""

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any

from aiohttp import ClientRequest, ClientResponse, RequestInfo, hdrs, payload
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from gateway.consumers.credentials import ApiKey
from gateway.policy.outbound import Outbound

_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Wire:
    """What one attempt puts on the wire: the whole head, and the body as bytes or as a stream.

    `length` in bytes of a streamed body, None for a chunked one. The head holds the credential; no `repr`.
    """

    __slots__ = ("body", "head", "length", "on_send", "sent", "stream")

    def __init__(
        self,
        head: bytes,
        body: bytes,
        stream: AsyncIterable[bytes] | None = None,
        length: int | None = None,
    ) -> None:
        self.head = head
        self.body = body
        self.stream = stream
        self.length = length
        self.sent = False
        """Whether a byte may have left: from then on the outcome is the upstream's."""
        self.on_send: Callable[[], None] | None = None

    def begin(self) -> None:
        """The first byte is written now."""
        self.sent = True
        on_send, self.on_send = self.on_send, None  # it holds what holds this: no cycle may be left
        if on_send is not None:
            on_send()


class NotSentError(ConnectionResetError):
    """The connection was already closing, so that nothing was written to it."""


class _Sent:
    """The part of a StreamWriter that a response asks for once the request is out."""

    __slots__ = ("output_size",)

    def __init__(self, output_size: int) -> None:
        self.output_size = output_size


class RelayRequest(ClientRequest):
    """`data` is a `Wire`; headers, cookies and auth of the session are not used at all."""

    def __init__(
        self,
        method: str,
        url: URL,
        *,
        data: Wire,
        loop: asyncio.AbstractEventLoop,
        response_class: type[ClientResponse],
        session: Any,
        timer: Any,
        ssl: Any = True,
        server_hostname: str | None = None,
        proxy: URL | None = None,
        proxy_auth: Any = None,
        proxy_headers: Any = None,
        traces: Any = None,
        **_: Any,
    ) -> None:
        # Deliberately not super().__init__(): that is what this class saves.
        self.method = method
        self.url = self.original_url = url
        self.wire = data
        self.loop = loop
        self.response_class = response_class
        self.chunked = None
        self.compress = None
        self.proxy = proxy
        self.proxy_auth = proxy_auth
        self.proxy_headers = proxy_headers
        self.server_hostname = server_hostname
        # A proxied connection's CONNECT takes its Host from here; nothing else reads it.
        self.headers = CIMultiDict({hdrs.HOST: url.host_port_subcomponent or ""}) if proxy else CIMultiDict()
        self._session = session
        self._timer = timer
        self._ssl = ssl
        self._traces = traces or []

    def write_whole(self, protocol: ResponseHandler) -> int:
        """Write head and buffered body in one piece; its size in bytes. Raises `NotSentError`."""
        wire = self.wire
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise NotSentError("the pooled connection is closing")
        data = wire.head + wire.body
        wire.begin()
        transport.write(data)
        protocol.start_timeout()
        return len(data)

    async def send(self, conn: Connection) -> ClientResponse:
        """Write head and body, and hand out the response to wait for."""
        wire = self.wire
        protocol = conn.protocol
        assert protocol is not None
        task: asyncio.Task[None] | None = None
        if wire.stream is None:
            writer: Any = _Sent(self.write_whole(protocol))
        else:
            writer = StreamWriter(protocol, self.loop)
            wire.begin()
            writer._write(wire.head)
            writer.length = wire.length
            writer.chunked = wire.length is None
            self._body = payload.AsyncIterablePayload(wire.stream)
            task = asyncio.create_task(self.write_bytes(writer, conn, wire.length))
            self._writer = task
        return self.response_class(
            self.method,
            self.url,
            writer=task,
            continue100=None,
            timer=self._timer,
            request_info=tuple.__new__(RequestInfo, (self.url, self.method, _NO_HEADERS, self.url)),
            traces=self._traces,
            loop=self.loop,
            session=self._session,
            stream_writer=writer,
        )


def build_wire(outbound: Outbound, key: ApiKey, stream: AsyncIterable[bytes] | None) -> Wire:
    """The bytes of one attempt: what was judged, with the credential set last."""
    head = b"%b %b HTTP/1.1\r\nHost: %b\r\n%bAuthorization: %b\r\n%b\r\n" % (
        outbound.method.encode("ascii"),
        outbound.target.encode("ascii"),
        outbound.host.encode("ascii"),
        outbound.fields,
        key.authorization,
        _framing(outbound.length),
    )
    return Wire(head, outbound.body, stream, outbound.length)


def _framing(length: int | None) -> bytes:
    if length is None:
        return b"Transfer-Encoding: chunked\r\n"
    return b"" if length < 0 else b"Content-Length: %d\r\n" % length
