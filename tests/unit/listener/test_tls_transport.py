"""TLS of a caller, by itself: what the connection inside learns, and what it does not."""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from gateway.http.tunnel import Tunnel
from gateway.listener.tls_transport import TlsTransport
from gateway.listener.tunnels import OpenTunnel, TunnelBounds
from tests.support.tls import Authority


class Outer(asyncio.Transport):
    """The connection around it."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = False

    def write(self, data: Any) -> None:
        self.written += data

    def take(self) -> bytes:
        taken, self.written = self.written, b""
        return taken

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return f"the outer {name}"


class Inner:
    """The connection inside."""

    def __init__(self) -> None:
        self.is_secure = False
        self.received: list[bytes] = []

    def handshake_done(self, server_name: str | None) -> None:
        self.is_secure = True

    def receive(self, data: bytes) -> None:
        self.received.append(data)


def test_behind_our_end_it_learns_that_bytes_came_and_no_more() -> None:
    """So that a caller that still sends is not taken for silent (RFC 9112 9.6)."""
    authority, inner, outer = Authority(), Inner(), Outer()
    bounds = TunnelBounds()
    opened = OpenTunnel(bounds, "", Tunnel("localhost"), authority.serving(), 0.0, identified=True)
    transport = TlsTransport(outer, opened.context, inner, opened.failed)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.trusting().wrap_bio(to_client, to_server, server_hostname="localhost")
    while not inner.is_secure:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        transport.decrypt(to_server.read())
        to_client.write(outer.take())
    client.write(b"before")
    transport.decrypt(to_server.read())
    transport.write_eof()
    assert (inner.received, outer.ended, transport.is_closing()) == ([b"before"], True, True)
    client.write(b"behind")
    transport.decrypt(to_server.read())
    assert inner.received == [b"before", b""]
    transport.close()
    transport.decrypt(b"more")
    assert inner.received == [b"before", b""]
    for _ in range(2):
        opened.end()
    assert (bounds.open, bounds.opened) == (0, 1)


def test_what_was_shown_outside_is_not_shown_inside() -> None:
    context = Authority().serving()
    opened = OpenTunnel(TunnelBounds(), "", Tunnel("localhost"), context, 0.0, identified=True)
    transport = TlsTransport(Outer(), opened.context, Inner(), opened.failed)
    for name in ("peercert", "cipher", "compression"):
        assert transport.get_extra_info(name) is None
    assert transport.get_extra_info("sslcontext") is context
    assert transport.get_extra_info("peername") == "the outer peername"
