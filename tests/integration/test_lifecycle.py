"""Start, health and a clean stop: SIGTERM finishes what is in flight; the admin port is for admins only."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from gateway.admin.request_guard import is_own_host
from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, ask_admin, raw_caller, request
from tests.support.running import Running, spawned_gateway
from tests.support.upstream import RawUpstream, answer, gated


def port_of(url: str) -> int:
    """The port of http://host:port."""
    return int(url.rpartition(":")[2])


async def admin(url: str, path: str, host: str = "localhost") -> RawAnswer:
    """One GET at the admin port."""
    return await ask_admin(port_of(url), path, host=host)


async def test_sigterm_finishes_what_is_in_flight(tmp_path: Path, upstream: RawUpstream) -> None:
    """A POST gets its answer and is told to close; readiness goes first; the process ends with 0."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}", status="201 Created")))
    async with spawned_gateway(tmp_path, upstream.url) as gateway:
        port = port_of(gateway.url)
        async with raw_caller(port) as caller, raw_caller(port) as idle:
            await idle.send(request(f"GET {MESSAGES}/x.json"))
            await caller.send(request(f"POST {MESSAGES}", FORM, body=b"To=1"))
            await upstream.arrived(2)
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.capture.until(lambda lines: any(line["event"] == "draining" for line in lines))
            ready = await admin(gateway.admin_url, "/readyz")
            assert (ready.status, b'"draining"' in ready.body) == (503, True)
            gate.set()
            statuses = {(await caller.answer()).status, (await idle.answer()).status}
            assert statuses == {200, 201}
            assert await caller.rest() == await idle.rest() == b""
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 0
    events = [line["event"] for line in gateway.capture.lines]
    assert events[0] == "serving"
    assert events[-1] == "stopped"
    assert events.count("exchange") == 2
    assert not [line for line in gateway.capture.lines if line.get("level") == "error"]


async def test_a_second_sigterm_ends_at_once(tmp_path: Path, upstream: RawUpstream) -> None:
    """What is in flight is cut: told that nobody knows what became of it, if there is time to tell."""
    upstream.then(gated(b"", asyncio.Event()))
    async with (
        spawned_gateway(tmp_path, upstream.url, drain_seconds=600) as gateway,
        raw_caller(port_of(gateway.url)) as caller,
    ):
        await caller.send(request(f"POST {MESSAGES}", FORM, body=b"To=1"))
        await upstream.arrived()
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.capture.until(lambda lines: any(line["event"] == "draining" for line in lines))
        gateway.process.send_signal(signal.SIGTERM)
        told = await caller.rest()
        assert told == b"" or b"\r\nGateway-Outcome: unknown\r\n" in told
        assert await asyncio.wait_for(gateway.process.wait(), 180) == 1


async def test_health_and_metrics(gateway: Running) -> None:
    """Live, ready, and counted."""
    assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
    assert (await admin(gateway.admin_url, "/livez")).body == b"ok\n"
    ready = await admin(gateway.admin_url, "/readyz")
    assert (ready.status, b'"serving"' in ready.body) == (200, True)
    metrics = (await admin(gateway.admin_url, "/metrics")).body
    assert (
        b'gateway_requests_total{method="GET",product="api",'
        b'route="/2010-04-01/Accounts/{AccountSid}/Messages",status_class="2xx"} 1.0' in metrics
    )


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/nothing"])
@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:80", "localhost.evil.test", "127.0.0.1.evil.test", ""]
)
async def test_a_rebound_name_reads_nothing(gateway: Running, path: str, host: str) -> None:
    """DNS rebinding: the page's own name is in Host. A probe gets one word."""
    answer = await admin(gateway.admin_url, path, host)
    if path in ("/livez", "/readyz"):
        assert (answer.status, answer.body) == (200, b"ok\n")
    else:
        assert answer.status == 403


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True), ("LOCALHOST:9090", True), ("127.0.0.1:9090", True), ("[::1]:9090", True),
        ("[::1]", True), ("10.1.2.3:9090", True), ("[fd00::1]:9090", True), ("admin.internal:9090", True),
        ("", False), (":9090", False),
        ("evil.test", False), ("127.0.0.1@evil.test", False), ("127.1.evil.test", False), ("[evil]", False),
        ("localhost:9090:1", False), ("localhost.", False),
    ],
)  # fmt: skip
def test_hosts_of_the_admin_port(host: str, own: bool) -> None:
    """Names that could be rebound are refused; addresses are not names."""
    assert is_own_host(host, {"admin.internal"}) is own


async def test_no_consumer_key_opens_the_admin_port_and_no_admin_path_the_data_port(gateway: Running) -> None:
    """Two ports, two publics."""
    assert (await ask(gateway.port, request("GET /metrics"))).slug == "unknown_address"
    assert (await admin(gateway.admin_url, MESSAGES)).status == 404


async def test_a_stuck_data_loop_is_not_alive(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin port has a loop of its own, and would answer for ever."""
    assert (await admin(gateway.admin_url, "/livez")).status == 200
    gateway.gateway.heartbeat.close()
    monkeypatch.setattr(gateway.gateway.heartbeat, "_at", time.monotonic() - 21)
    stuck = await admin(gateway.admin_url, "/livez")
    assert (stuck.status, b"has not moved for 21 s" in stuck.body) == (503, True)
    gateway.gateway.heartbeat.start(asyncio.get_running_loop())
    assert (await admin(gateway.admin_url, "/livez")).status == 200
