"""The one pooled `ClientSession` to Twilio, and what is switched off or hardened in it."""

import ssl
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from yarl import URL

from gateway.upstream.request_writer import RelayRequest, Wire
from gateway.upstream.upstream_response import Reply, read_head

_NO_TIMER = TimerNoop()
_KEEPALIVE_SECONDS = 15.0
_MAX_ANSWER_FIELD_BYTES = 65_536
_READ_AHEAD_BYTES = 65_536  # of a streamed answer; by default aiohttp holds 0.7 MB for each slow reader


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """Times in seconds. `connect_to` sends every Twilio host to one origin (tests, simulator)."""

    connect_to: URL | None = None
    proxy: URL | None = None
    ca_file: str | None = None
    ca_digest: bytes = b""
    """Of what `ca_file` holds: with another content, other options, and so another session."""
    connections: int = 1000
    connect_seconds: float = 5.0
    deadline_seconds: float = 25.0
    idle_seconds: float = 10.0


class CleanConnector(TCPConnector):
    """Never reuses a connection that received bytes while idle.

    The stock pool would hand those bytes to the next request as its answer. Overrides a private method;
    `tests/unit/upstream/test_request_writer.py` guards it, `test_transport.py` what `is_busy` relies on.
    """

    @property
    def is_busy(self) -> bool:
        """Whether a connection is in use, being made or waited for."""
        return bool(self._acquired or self._waiters)

    async def _get(self, key: ConnectionKey, traces: list[Any]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                return connection
            connection.close()
        return None


async def send_buffered(session: ClientSession, method: str, url: URL, wire: Wire) -> Reply:
    """What `session.request` does for a body in one piece, up to the answer's head, and no more.

    It spares a tenth of an exchange (docs/performance.md). No time-out runs on reading the head: the caller
    holds a `Deadline`. `tests/unit/upstream/test_session.py` guards what it relies on.
    """
    connector, proxy = session.connector, session._default_proxy
    assert connector is not None
    request = RelayRequest(
        method,
        url,
        data=wire,
        loop=session._loop,
        response_class=ClientResponse,
        session=session,
        timer=_NO_TIMER,
        proxy=None if proxy is None else URL(proxy),
    )
    connection = await connector.connect(request, [], session.timeout)
    protocol = connection.protocol
    assert protocol is not None
    protocol.set_response_params(
        skip_payload=method == "HEAD",
        read_until_eof=True,
        auto_decompress=False,
        max_line_size=_MAX_ANSWER_FIELD_BYTES,
        max_field_size=_MAX_ANSWER_FIELD_BYTES,
        read_bufsize=_READ_AHEAD_BYTES,
    )
    try:
        request.write_whole(protocol)
        return await read_head(protocol, method, connection)
    except BaseException:
        connection.close()
        raise


def require_c_parser() -> None:
    """Refuse to run on aiohttp's pure-Python parser, which is laxer and much slower.

    Raises `RuntimeError`.
    """
    from aiohttp import http_parser

    if http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError(
            "aiohttp was installed without its C parser; install a wheel for this platform "
            "(pip install --only-binary=aiohttp aiohttp) and unset AIOHTTP_NO_EXTENSIONS."
        )


def open_session(options: TransportOptions) -> ClientSession:
    """A session that follows nothing, remembers nothing, retries nothing and decodes nothing."""
    context: ssl.SSLContext | bool = True
    if options.ca_file is not None:
        context = ssl.create_default_context(cafile=options.ca_file)
    connector = CleanConnector(
        limit=options.connections, keepalive_timeout=_KEEPALIVE_SECONDS, ttl_dns_cache=10, ssl=context
    )
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        request_class=RelayRequest,
        auto_decompress=False,
        trust_env=False,
        proxy=options.proxy,
        max_line_size=_MAX_ANSWER_FIELD_BYTES,
        max_field_size=_MAX_ANSWER_FIELD_BYTES,
        read_bufsize=_READ_AHEAD_BYTES,
        timeout=ClientTimeout(
            total=None,
            connect=options.connect_seconds,
            sock_connect=options.connect_seconds,
            sock_read=options.deadline_seconds,
        ),
    )
    # aiohttp would send GET, HEAD, PUT and DELETE a second time by itself when a pooled connection breaks;
    # attempts are ours to decide and to count (tests/unit/upstream/test_request_writer.py).
    session._retry_connection = False
    return session
