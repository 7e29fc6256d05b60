"""Why a connection could not be made, and what TLS of one must be."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from functools import partial

import pytest
import trustme
import uvloop
from yarl import URL

from gateway.errors import UpstreamFailure
from gateway.upstream.connection_opener import TransportOptions, make_tls_context
from gateway.upstream.connection_pool import ConnectionPool
from tests.support.loops import Run, on_both_loops
from tests.support.opened_pool import read_all, send
from tests.support.unreachable import answering, listening, reason, say_nothing, soon, tls_server


@on_both_loops
def test_d4_why_nothing_can_be_reached(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("ca")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    async def scenario() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{closed.getsockname()[1]}"
            assert await reason(f"http://{nobody}") == "refused"
            assert await reason("https://x.test", proxy=URL(f"http://{nobody}")) == "proxy_unreachable"
        assert await reason("https://no-such-name.invalid") == "dns"
        for line, said in (
            (b"407 Proxy Authentication Required", "proxy_authentication"),
            (b"403 Forbidden", "proxy_forbidden"),
            (b"502 Bad Gateway", "proxy_refused"),
        ):
            async with listening(answering(line)) as proxy:
                assert await reason("https://x.test", proxy=URL(f"http://{proxy}")) == said

    run(scenario())


@on_both_loops
def test_d4_certificates(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also B10: a common name is no name."""
    ca, other = trustme.CA(), trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))

    async def scenario() -> None:
        async def refuse(context: ssl.SSLContext) -> str:
            async with listening(say_nothing, context) as host:
                return await reason(f"https://{host}", ca_file=str(file))

        assert await refuse(tls_server(other, "localhost")) == "certificate_untrusted"
        assert await refuse(tls_server(ca, "other.test")) == "certificate_name"
        assert await refuse(tls_server(ca, "other.test", common_name="localhost")) == "certificate_name"
        expired = tls_server(ca, "localhost", expires=datetime(2020, 1, 2, tzinfo=UTC))
        assert await refuse(expired) == "certificate_expired"
        async with listening(answering(b"400 Not TLS")) as host:
            assert await reason(f"https://{host}", ca_file=str(file), connect_seconds=0.2) in (
                "tls",
                "timeout",
            )

    run(scenario())


def test_b10_a_common_name_is_no_name() -> None:
    assert make_tls_context(None).hostname_checks_common_name is False


@on_both_loops
def test_a_connection_that_does_not_come_is_a_timeout(run: Run) -> None:
    """`connect_seconds` bounds it, and the attempt's deadline where that is sooner."""

    async def scenario() -> None:
        async with listening(say_nothing) as host:
            url = f"https://{host.replace('localhost', '127.0.0.1')}"  # a name may be looked up for too long
            for connect_seconds, within in ((0.1, 3600), (3600, 0.1)):
                pool = ConnectionPool(TransportOptions(connect_seconds=connect_seconds))
                with pytest.raises(UpstreamFailure) as failed:
                    async with asyncio.timeout(30):
                        await pool.acquire(url, soon(within))
                assert failed.value.reason == "timeout"
                await pool.close()

    run(scenario())


async def answer_without_length(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, notify: bool
) -> None:
    """One answer; with `notify` it ends as TLS asks for it."""
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(3)
    writer.transport.set_write_buffer_limits(0)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    await writer.drain()
    if not notify:
        writer.transport.abort()  # the end of TCP, and nothing of TLS


@pytest.mark.parametrize(
    ("loop", "notify"),
    [(asyncio.run, True), (uvloop.run, True), (uvloop.run, False)],
    ids=["asyncio", "uvloop", "cut"],
)
def test_b10_a_tls_answer_without_length_ends_by_close_notify(
    loop: Run, notify: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """uvloop tells a bare end of TCP from it; asyncio cannot, as documented."""
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))

    async def scenario() -> None:
        serve = partial(answer_without_length, notify=notify)
        async with listening(serve, tls_server(ca, "localhost")) as host:
            pool = ConnectionPool(TransportOptions(ca_file=str(file)))
            if notify:
                assert await read_all(await send(pool, f"https://{host}", whole=True)) == b"all of it"
            else:
                with pytest.raises(UpstreamFailure, match="upstream_unreadable"):
                    await send(pool, f"https://{host}", whole=True)
            assert pool.size == 0
            await pool.close()

    loop(scenario())


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_giving_up_waits_for_no_close_notify(loop: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A peer that is silent confirms none; its connection ends all the same, and what it holds is freed."""
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))

    def serve(listening_socket: socket.socket) -> bool:
        """Take a request and say nothing, not even by TLS; whether the connection ends."""
        accepted, _ = listening_socket.accept()
        encrypted = tls_server(ca, "localhost").wrap_socket(accepted, server_side=True)
        encrypted.recv(4096)
        with socket.socket(fileno=encrypted.detach()) as silent:
            silent.settimeout(20)
            try:
                while silent.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            except TimeoutError:
                return False
            return True

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            serving = asyncio.create_task(asyncio.to_thread(serve, server))
            pool = ConnectionPool(TransportOptions(ca_file=str(file)))
            with pytest.raises(UpstreamFailure, match="upstream_timeout"):
                await send(pool, f"https://localhost:{server.getsockname()[1]}", within=0.1)
            assert await serving
            await pool.close()

    loop(scenario())
