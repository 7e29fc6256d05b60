"""Faults as bytes on the socket, under asyncio and uvloop alike: who closes, how, and what was created."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvloop
from yarl import URL

from tests.unit.twilio_simulator.conftest import ACCOUNTS, MAIN, MESSAGE, NOW, account_path, basic
from twilio_simulator import Simulator

LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]
MESSAGES = account_path("/Messages.json")


def post_bytes(fault: str = "") -> bytes:
    """One message as bytes, on a connection that may be kept alive."""
    body = urlencode(MESSAGE)
    return (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: api.twilio.com\r\n"
        f"Authorization: {basic(MAIN, 'main-token')}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        + (f"X-Sim-Fault: {fault}\r\n" if fault else "")
        + f"\r\n{body}"
    ).encode()


async def talk(simulator: Simulator, sent: bytes) -> tuple[bytes, str]:
    """Send, and read to the end; the end is `closed` or `reset`."""
    url = URL(simulator.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    received, end = b"", "closed"
    try:
        writer.write(sent)
        async with asyncio.timeout(60):
            while piece := await reader.read(65536):
                received += piece
    except ConnectionResetError:
        end = "reset"
    finally:
        writer.transport.abort()
    return received, end


def run(loop_factory: LoopFactory, scenario: Callable[[Simulator], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario against a fresh simulator on a loop of this kind."""

    async def main() -> None:
        async with Simulator(ACCOUNTS, now=lambda: NOW) as simulator:
            await scenario(simulator)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def split(received: bytes) -> tuple[bytes, bytes]:
    """Head and body."""
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def declared_length(head: bytes) -> int:
    """The value of Content-Length."""
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


ROWS = [
    # fault, end, first bytes, created
    ("reset-before", "reset", b"", 0),
    ("reset-after", "reset", b"", 1),
    ("garbage", "closed", b"\x00\x01", 1),
    ("truncate", "closed", b"HTTP/1.1 201 Created\r\n", 1),
    ("truncate-chunked", "closed", b"HTTP/1.1 201 Created\r\n", 1),
    ("close-after", "closed", b"HTTP/1.1 201 Created\r\n", 1),
    ("delay=0, reset-before", "reset", b"", 0),
]


@pytest.mark.parametrize("loop_factory", LOOPS)
@pytest.mark.parametrize(("fault", "end", "start", "created"), ROWS)
def test_how_a_connection_ends(
    loop_factory: LoopFactory, fault: str, end: str, start: bytes, created: int
) -> None:
    async def scenario(simulator: Simulator) -> None:
        received, how = await talk(simulator, post_bytes(fault))
        assert (how, received[: len(start)]) == (end, start)
        assert received or end == "reset"
        assert simulator.store.created["messages"] == created
        assert b"aiohttp" not in received

    run(loop_factory, scenario)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_truncated_bodies(loop_factory: LoopFactory) -> None:
    async def scenario(simulator: Simulator) -> None:
        head, body = split((await talk(simulator, post_bytes("truncate")))[0])
        assert 0 < len(body) < declared_length(head)
        head, body = split((await talk(simulator, post_bytes("truncate-chunked")))[0])
        assert b"Transfer-Encoding: chunked" in head
        assert b"Content-Length" not in head
        assert not body.endswith(b"0\r\n\r\n")
        head, body = split((await talk(simulator, post_bytes("close-after")))[0])
        assert len(body) == declared_length(head)
        assert b"Connection" not in head

    run(loop_factory, scenario)


@pytest.mark.parametrize("loop_factory", LOOPS)
@pytest.mark.parametrize(("fault", "created"), [("hang", 0), ("hang-after", 1)])
def test_hanging_ends_when_the_caller_goes(loop_factory: LoopFactory, fault: str, created: int) -> None:
    async def scenario(simulator: Simulator) -> None:
        url = URL(simulator.url)
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(post_bytes(fault))
        async with asyncio.timeout(60):
            await simulator.gate.settled(MAIN, 1)
            writer.transport.abort()
            await simulator.gate.settled(MAIN, 0)
        assert simulator.store.created["messages"] == created
        assert [(entry.status, entry.outcome) for entry in simulator.journal] == [(None, "hang")]

    run(loop_factory, scenario)


@pytest.mark.parametrize("loop_factory", LOOPS)
@pytest.mark.parametrize("fault", ["hang", "delay=60", "slow-body=60"])
def test_stopping_does_not_wait_for_faults(loop_factory: LoopFactory, fault: str) -> None:
    async def main() -> None:
        simulator = Simulator(ACCOUNTS)
        await simulator.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(talk(simulator, post_bytes(fault)))
            await simulator.journal.arrived()
            async with asyncio.timeout(60):
                await simulator.stop()
                await simulator.stop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_a_request_that_is_no_http(loop_factory: LoopFactory) -> None:
    async def scenario(simulator: Simulator) -> None:
        received, end = await talk(simulator, b"NONSENSE\r\n\r\n")
        assert received.startswith(b"HTTP/1.0 400 Bad Request\r\n")
        assert b"Server: TwilioSim\r\n" in received
        assert end == "closed"

    run(loop_factory, scenario)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_continue_is_said_before_the_body(loop_factory: LoopFactory) -> None:
    async def scenario(simulator: Simulator) -> None:
        sent = post_bytes().replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        received, _ = await talk(simulator, sent)
        assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")

    run(loop_factory, scenario)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_a_caller_that_leaves_in_the_middle_of_its_body(loop_factory: LoopFactory) -> None:
    async def scenario(simulator: Simulator) -> None:
        url = URL(simulator.url)
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(post_bytes()[:-10])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await simulator.journal.arrived()
        assert simulator.store.created["messages"] == 0
        assert [entry.outcome for entry in simulator.journal] == ["aborted"]

    run(loop_factory, scenario)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_absolute_form_names_the_host(loop_factory: LoopFactory) -> None:
    async def scenario(simulator: Simulator) -> None:
        head = (
            "GET http://messaging.twilio.com/v1/Services HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: {basic(MAIN, 'main-token')}\r\n\r\n"
        )
        received, _ = await talk(simulator, head.encode())
        assert b"https://messaging.twilio.com/v1/Services?PageSize=50&Page=0" in received

    run(loop_factory, scenario)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
@pytest.mark.parametrize("loop_factory", LOOPS)
def test_tls(loop_factory: LoopFactory, tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*made.split(), *files], check=True, capture_output=True)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate, key)

    async def main() -> None:
        simulator = Simulator(ACCOUNTS)
        await simulator.start(tls=server_side)
        url = URL(simulator.url)
        assert url.scheme == "https"
        trusting = ssl.create_default_context(cafile=certificate)
        for fault, created in (("", 1), ("reset-before", 1)):
            reader, writer = await asyncio.open_connection(url.host, url.port, ssl=trusting)
            writer.write(post_bytes(fault).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            if fault:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            else:
                assert (await reader.read()).startswith(b"HTTP/1.1 201 Created")
            writer.transport.abort()
            assert simulator.store.created["messages"] == created
        await simulator.stop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
