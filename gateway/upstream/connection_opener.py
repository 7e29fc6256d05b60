"""How a connection to Twilio is made: by aiohttp's connector, which then hands it over.

The connector resolves names, races addresses (RFC 8305) and talks to an egress proxy, TLS through it
included. It pools nothing: a connection that was made is taken from it and belongs to `ConnectionPool`.
Without a proxy TLS is begun here, so that it can be kept from reading far ahead.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import (
    AsyncResolver,
    ClientError,
    ClientRequest,
    ClientTimeout,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.background.server_trust import make_server_trust
from gateway.upstream.tls_client import Opened, read_less, start_tls
from gateway.upstream.upstream_failures import unreachable

_DNS_SECONDS = 10
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """Times in seconds. `connect_to` sends every Twilio host to one origin (tests, simulator)."""

    connect_to: URL | None = None
    proxy: URL | None = None
    ca_file: str | None = None
    ca_digest: bytes = b""
    """Of what `ca_file` holds: with another content, other options, and so another pool."""
    nameservers: tuple[str, ...] = ()
    """Resolvers (IP address, or address:port) instead of the system's."""
    connections: int = 1000
    connect_seconds: float = 5.0
    deadline_seconds: float = 25.0
    idle_seconds: float = 10.0


class ConnectionOpener:
    """Of one pool. Addresses are remembered for ten seconds, so that a change of DNS is soon seen."""

    def __init__(self, options: TransportOptions) -> None:
        self._proxy = options.proxy
        self._seconds = options.connect_seconds
        self._loop = asyncio.get_running_loop()
        self._context = make_tls_context(options.ca_file)
        self._resolver = make_resolver(options.nameservers)
        self._lookups = _Lookups(self._resolver)
        self._connector = TCPConnector(
            limit=0, force_close=True, ttl_dns_cache=_DNS_SECONDS, ssl=self._context, resolver=self._lookups
        )

    async def open(self, origin: URL, deadline: float) -> Opened:
        """A connection to `origin`, TLS and proxy done. `deadline` is the loop's clock.

        Raises `UpstreamFailure` (upstream_unreachable) with a reason.
        """
        until = min(self._loop.time() + self._seconds, deadline)
        tls = origin.scheme == "https" and self._proxy is None
        try:
            reached = origin.with_scheme("http").with_port(origin.port) if tls else origin
            transport = await self._connect(reached, self._left(until))
            if tls:
                host = (origin.raw_host or "").rstrip(".")
                return await start_tls(transport, self._context, host, self._left(until))
        except (ClientError, OSError, UnicodeError) as error:  # TimeoutError is one
            asked = (self._proxy or origin).raw_host
            raise unreachable(error, is_looked_up=asked in self._lookups.pending) from None
        return read_less(transport) if origin.scheme == "https" else Opened(transport)

    def _left(self, until: float) -> float:
        return max(0.001, until - self._loop.time())

    async def _connect(self, origin: URL, seconds: float) -> asyncio.Transport:
        """What the connector makes of `origin`. Raises `ClientError`, `OSError`, or `UnicodeError` for what
        cannot be a host's name."""
        request = ClientRequest("GET", origin, loop=self._loop, proxy=self._proxy)
        timeout = ClientTimeout(connect=seconds, sock_connect=seconds, ceil_threshold=seconds + 1)
        connection = await self._connector.connect(request, [], timeout)
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise ConnectionResetError
        _forget_unsent_on_close(transport)
        # The connector's own protocol learns that it has no connection any more; only then does closing what
        # the connector handed out take it off the connector's books without closing the transport.
        protocol.connection_lost(None)
        connection.close()
        return transport

    async def close(self) -> None:
        """Let go of the resolver, and of connections that are being made."""
        await self._connector.close()
        await self._resolver.close()


class _Lookups(AbstractResolver):
    """Knows which names are being looked up: a time-out meanwhile is that of the name server."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver
        self.pending: set[str] = set()
        """The connector asks for a name once at a time, and goes on when its caller gives up."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As the resolver does."""
        self.pending.add(host)
        try:
            return await self._resolver.resolve(host, port, family)
        finally:
            self.pending.discard(host)

    async def close(self) -> None:
        """The resolver is closed by its owner."""


def _forget_unsent_on_close(transport: asyncio.Transport) -> None:
    """Have the kernel drop what the peer has not taken when the connection closes, even by SIGKILL.

    It would go on sending for a minute or two: a create that was given up while the network was silent would
    arrive after looks have shown that it is absent, and was sent again (docs/design.md 4.7).
    """
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def make_resolver(nameservers: Sequence[str]) -> AsyncResolver | ThreadedResolver:
    """Asks these servers only, and no hosts file, which may name us as Twilio; without any, the system's way.

    aiohttp would leave the system's way for aiodns as soon as that is installed.
    """
    if not nameservers:
        return ThreadedResolver()
    return AsyncResolver(nameservers=list(nameservers), lookups="b", timeout=2, tries=2)


def make_tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Trust of `make_server_trust`, for HTTP/1.1. Blocks while it reads certificates."""
    context = make_server_trust(ca_file)
    context.set_alpn_protocols(("http/1.1",))
    return context
