"""The proxy of `gateway run` on real sockets: what goes to the gateway, what past it, who may use it."""

import asyncio
import base64
import os
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.client_relay.former_proxies import FormerProxies, FormerProxy
from gateway.client_relay.peer_uid import find_peer_uid
from gateway.client_relay.relay import GatewayRoute, Relay
from tests.support.caller import MESSAGES, RawCaller
from tests.support.running import KEY, Running, running_gateway
from tests.support.tls import Authority
from tests.support.upstream import RawUpstream

NO_PROXIES = FormerProxies(None, None, ())
LOGIN = "Basic " + base64.b64encode(f"app:{KEY}".encode()).decode()
OTHERS = "Basic " + base64.b64encode(b"ops:of-another-proxy").decode()

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of this machine."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def relaying(
    port: int, former: FormerProxies = NO_PROXIES, failures: list[str] | None = None
) -> AsyncIterator[Relay]:
    """A relay in front of a gateway on `port`."""
    told = failures if failures is not None else []
    route = GatewayRoute("127.0.0.1", port, None, LOGIN, lambda host: host.endswith(".twilio.com"))
    relay = Relay(route, former, told.append)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()


@asynccontextmanager
async def asking(relay: Relay, data: bytes) -> AsyncIterator[RawCaller]:
    """A program that has asked the relay for something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    try:
        writer.write(data)
        yield RawCaller(reader, writer)
    finally:
        writer.close()


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    async with running_gateway(upstream.url) as running:
        yield running


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything back until the end, and then the end."""
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


async def test_absolute_urls_of_twilio_go_to_the_gateway_as_the_consumer(
    gateway: Running, upstream: RawUpstream
) -> None:
    """The program's own Authorization counts for nothing, and the connection ends behind the answer."""
    async with relaying(gateway.port) as relay:
        data = f"GET http://api.twilio.com{MESSAGES} HTTP/1.1\r\nHost: api.twilio.com\r\n"
        placeholder = "Authorization: Basic QUMwOjA=\r\nProxy-Authorization: Basic Zm9vOmJhcg==\r\n\r\n"
        async with asking(relay, (data + placeholder).encode()) as program:
            answer = await program.answer()
            assert answer.status == 200
            assert await program.rest() == b""
    (line,) = await gateway.exchange_logged(1)
    assert line["consumer"] == "app"
    assert len(upstream.received) == 1


async def test_a_body_goes_along(gateway: Running, upstream: RawUpstream) -> None:
    async with relaying(gateway.port) as relay:
        body = b"To=%2B15005550006&Body=" + b"x" * 200_000
        data = (
            f"POST http://api.twilio.com{MESSAGES} HTTP/1.1\r\nHost: api.twilio.com\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        async with asking(relay, data.encode() + body) as program:
            assert (await program.answer()).status == 200
    assert upstream.received[0].body == body


async def test_a_tunnel_to_another_host_is_not_touched() -> None:
    """TLS from end to end: the program sees the server's own certificate."""
    authority = Authority()
    async with (
        serving(echo, authority.serving("localhost")) as port,
        relaying(1) as relay,
        asking(relay, f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode()) as program,
    ):
        assert await program.until(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        await program.writer.start_tls(authority.trusting(), server_hostname="localhost")
        program.writer.write(b"ping" * 50_000)
        assert await program.reader.readexactly(200_000) == b"ping" * 50_000


async def test_an_end_of_input_passes_through_a_tunnel() -> None:
    async with (
        serving(echo) as port,
        relaying(1) as relay,
        asking(relay, f"CONNECT localhost:{port} HTTP/1.0\r\n\r\nfirst".encode()) as program,
    ):
        await program.until(b"\r\n\r\n")
        program.writer.write_eof()
        assert await program.rest() == b"first"


async def test_plain_http_to_another_host_becomes_a_path() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with serving(answer) as port, relaying(1) as relay:
        data = (
            f"GET http://localhost:{port}/a?b=1 HTTP/1.1\r\nHost: localhost\r\nProxy-Authorization: x\r\n\r\n"
        )
        async with asking(relay, data.encode()) as program:
            assert (await program.answer()).status == 204
    assert seen == [b"GET /a?b=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]


@pytest.mark.parametrize("tunnel", [True, False], ids=["CONNECT", "absolute URL"])
async def test_other_hosts_go_through_the_proxy_that_was_there(tunnel: bool) -> None:
    """With the key of that proxy, not with the gateway's."""
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n" + b"body" * (not tunnel))
        await writer.drain()
        writer.close()

    async with serving(proxy) as port:
        former = FormerProxy("127.0.0.1", port, False, OTHERS)
        async with relaying(1, FormerProxies(former, former, ("intra.example",))) as relay:
            target = "CONNECT example.org:443" if tunnel else "GET http://example.org/"
            async with asking(relay, f"{target} HTTP/1.1\r\nHost: example.org\r\n\r\n".encode()) as program:
                head = await program.until(b"\r\n\r\n")
    assert f"Proxy-Authorization: {OTHERS}".encode() in seen[0]
    assert LOGIN.encode() not in seen[0]
    assert seen[0].startswith(target.encode())
    assert head.startswith(b"HTTP/1.1 200 Connection established" if tunnel else b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("target", ["CONNECT api.twilio.com:443", "GET http://api.twilio.com/"])
async def test_a_gateway_that_is_away(target: str) -> None:
    """The program is answered, and who runs it is told."""
    failures: list[str] = []
    data = f"{target} HTTP/1.1\r\n\r\n".encode()
    async with relaying(1, failures=failures) as relay, asking(relay, data) as program:
        answer = await program.answer()
    assert answer.status == 502
    assert (
        b"The Twilio gateway is not there. 127.0.0.1:1 cannot be reached: Connection refused." in answer.body
    )
    assert failures == ["127.0.0.1:1 cannot be reached: Connection refused."]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET http://a/" + b"x" * 70_000 + b"\r\n\r\n", 431),
    ],
    ids=["a path", "nothing", "too long"],
)
async def test_what_is_no_request_to_a_proxy(data: bytes, status: int) -> None:
    async with relaying(1) as relay, asking(relay, data) as program:
        assert (await program.answer()).status == status


_CONNECT = """
import os, socket, sys
os.setuid(65534)
with socket.socket({family}) as sock:
    sock.connect(({host!r}, int(sys.argv[1])))
    sock.sendall(b"CONNECT api.twilio.com:443 HTTP/1.1\\r\\n\\r\\n")
    print(sock.recv(1000).decode())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("family", "host"), [("socket.AF_INET", "127.0.0.1"), ("socket.AF_INET6", "::ffff:127.0.0.1")]
)
async def test_another_user_may_not_use_it(family: str, host: str, gateway: Running) -> None:
    async with relaying(gateway.port) as relay:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CONNECT.format(family=family, host=host), str(relay.port),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
    assert output.startswith(b"HTTP/1.1 403 Forbidden")
    assert b"another user" in output


async def test_peers_are_found_in_both_tables() -> None:
    """IPv4 sockets, and IPv6 sockets that were connected to an IPv4 address, as Java's are."""
    async with serving(echo) as port:
        for host in ("127.0.0.1", "::ffff:127.0.0.1"):
            _, writer = await asyncio.open_connection(host, port)
            peer = ("127.0.0.1", writer.get_extra_info("sockname")[1])
            assert find_peer_uid(peer, ("127.0.0.1", port)) == os.getuid()
            assert find_peer_uid(peer, ("127.0.0.1", 1)) is None
            writer.close()
