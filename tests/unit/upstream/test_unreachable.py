"""Row D4: more ways in which no connection can be made, and the reason given for each."""

import asyncio
import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp.abc import ResolveResult
from yarl import URL

from gateway.errors import UpstreamFailure
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.connection_pool import ConnectionPool
from gateway.upstream.upstream_failures import REASONS, reason_of
from tests.support.loops import Run, on_both_loops
from tests.support.unreachable import answering, listening, reason, say_nothing, soon, tls_server

FAR = 30.0


def closed_port() -> Iterator[int]:
    """A port at which nobody listens while it is held."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "a..test"], ids=["long-label", "empty-label"])
@on_both_loops
def test_d4_what_can_be_no_name_is_one_that_is_not_found(run: Run, host: str) -> None:
    async def scenario() -> None:
        assert await reason(f"https://{host}") == "dns"
        assert await reason("https://x.test", proxy=URL(f"http://{host}:3128")) == "dns"

    run(scenario())


@on_both_loops
def test_d4_a_name_server_that_does_not_answer(run: Run) -> None:
    """Also before the resolver itself gives up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        given = {"nameservers": (server,), "connect_seconds": 0.1}
        run(_is_dns("https://api.test", **given))
        run(_is_dns("https://api.test", proxy=URL("http://proxy.test:3128"), **given))


async def _is_dns(url: str, **options: object) -> None:
    assert await reason(url, **options) == "dns"


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 20", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"],
    ids=["closed", "cut-off", "no-http", "503"],
)
@on_both_loops
def test_d4_a_proxy_that_gives_no_tunnel(run: Run, said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async def scenario() -> None:
        async with listening(serve) as proxy:
            assert await reason("https://x.test", proxy=URL(f"http://{proxy}")) == "proxy_refused"

    run(scenario())


@pytest.mark.parametrize("other", ["224.0.0.1", "127.0.0.2"], ids=["no-route", "refused-too"])
@on_both_loops
def test_d4_of_several_addresses_the_one_that_got_furthest_counts(
    run: Run, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    async def scenario(port: int) -> None:
        def found(host: str) -> ResolveResult:
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            return ResolveResult(
                hostname="api.test", host=host, port=port, family=socket.AF_INET, proto=0, flags=flags
            )

        async def resolve(*_: object) -> list[ResolveResult]:
            return [found(other), found("127.0.0.1")]

        pool = ConnectionPool(TransportOptions(connect_seconds=FAR))
        monkeypatch.setattr(pool._opener._resolver, "resolve", resolve)
        with pytest.raises(UpstreamFailure) as failed:
            await pool.acquire(f"http://api.test:{port}", soon(FAR))
        assert failed.value.reason == "refused"
        await pool.close()

    for port in closed_port():
        run(scenario(port))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EPERM, "not_permitted"),
        (errno.EACCES, "not_permitted"),
        (errno.EHOSTDOWN, "no_route"),
        (errno.ENETDOWN, "no_route"),
        (errno.EMFILE, "no_descriptors"),
        (errno.EINVAL, "network"),
    ],
)
def test_d4_what_the_system_says(number: int, expected: str) -> None:
    assert reason_of(OSError(number, "text")) == expected
    assert expected in REASONS


def no_cipher_in_common(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")


def another_name(context: ssl.SSLContext) -> None:
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def a_certificate_is_wanted(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # by 1.3 it is wanted behind the handshake
    context.verify_mode = ssl.CERT_REQUIRED


@contextmanager
def blocking_tls_server(context: ssl.SSLContext) -> Iterator[str]:
    """One handshake, by OpenSSL alone, which sends its alert before it closes; 'host:port'."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, pytest.raises(OSError):  # noqa: PT011 - which one depends on what was refused
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"localhost:{server.getsockname()[1]}"
        thread.join(60)


@pytest.mark.parametrize("change", [no_cipher_in_common, another_name, a_certificate_is_wanted])
@on_both_loops
def test_d4_an_alert_of_tls(run: Run, tmp_path: Path, change: Callable[[ssl.SSLContext], None]) -> None:
    ca = trustme.CA()
    file = str(tmp_path / "ca.pem")
    ca.cert_pem.write_to_path(file)
    context = tls_server(ca, "localhost")
    change(context)

    async def scenario(host: str) -> None:
        assert await reason(f"https://{host}", ca_file=file, connect_seconds=FAR) == "tls"

    with blocking_tls_server(context) as host:
        run(scenario(host))


@on_both_loops
def test_d4_more_certificates(run: Run, tmp_path: Path) -> None:
    """One that signs itself, one whose issuer is not sent along, and a port that speaks HTTP without TLS."""
    ca = trustme.CA()
    file = str(tmp_path / "ca.pem")
    ca.cert_pem.write_to_path(file)
    itself = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("localhost").configure_cert(itself)
    without = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = ca.create_child_ca().issue_cert("localhost")
    (tmp_path / "leaf.pem").write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
    without.load_cert_chain(tmp_path / "leaf.pem")

    async def scenario() -> None:
        for context in (itself, without):
            async with listening(say_nothing, context) as host:
                assert await reason(f"https://{host}", ca_file=file) == "certificate_untrusted"
        async with listening(answering(b"400 Plain"), tls_server(ca, "localhost")) as host:
            port = host.partition(":")[2]
            assert await reason(f"https://127.0.0.1:{port}", ca_file=file) == "certificate_name"

        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

        async with listening(plain) as host:
            assert await reason(f"https://{host}", ca_file=file, connect_seconds=FAR) == "tls"

    run(scenario())
