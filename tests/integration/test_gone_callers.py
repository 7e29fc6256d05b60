"""Nothing is sent for a caller that has gone, wherever its request waits; what is in flight goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.attempts import GET, POST, coded, until, with_field
from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.running import ENVIRON, Running, consumer, running_gateway
from tests.support.upstream import RawUpstream, answer, gated

LATER = "Retry-After: 8"
REFUSED = b'{"code": 20003, "message": "Authenticate"}'
SIGNALLED = b'{"code": 20429, "message": "Too many"}'
TWO_KEYS = {
    "main": {
        "account_sid": {"env": "TWILIO_ACCOUNT_SID"},
        "keys": [{"sid": {"env": name}, "secret": {"env": "TWILIO_API_SECRET"}} for name in ("ONE", "TWO")],
    }
}
KEYS = {**ENVIRON, "ONE": "SK" + "1" * 32, "TWO": "SK" + "2" * 32}


def in_flight(gateway: Running) -> int:
    """How many attempts have their permit."""
    return sum(limiter.in_flight for _, limiter in gateway.gateway.components.forwarder.limiters)


def waiting(gateway: Running) -> int:
    """How many wait for one."""
    return sum(limiter.waiting for _, limiter in gateway.gateway.components.forwarder.limiters)


async def left(gateway: Running, exchanges: int) -> dict[str, Any]:
    """The record of the exchange whose caller left; so many have ended by then."""
    records = await gateway.exchange_logged(exchanges)
    (gone,) = [record for record in records if record.get("ending") == "hung_up"]
    return gone


@asynccontextmanager
async def leaving(gateway: Running, given: bytes) -> AsyncIterator[None]:
    """A caller that sends `given`, and hangs up once the block says that it waits."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(given)
        yield
        caller.hang_up()


async def test_in_the_queue(upstream: RawUpstream) -> None:
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}")))
    one = {"floor": 1, "initial": 1, "ceiling": 1}
    async with running_gateway(upstream.url, concurrency=one) as gateway:
        first = asyncio.create_task(ask(gateway.port, POST))
        await upstream.arrived()
        async with leaving(gateway, POST):
            await until(lambda: waiting(gateway) == 1)
        gone = await left(gateway, 1)
        gate.set()
        assert (await first).status == 200
        assert (gone["attempts"], gone["status"], "outcome" in gone) == (0, 0, False)
        assert (await ask(gateway.port, GET)).status == 200
    assert [each.line.split()[0] for each in upstream.received] == ["POST", "GET"]


async def test_behind_a_rate_limit(upstream: RawUpstream) -> None:
    limits = [{"rate": "6/m", "burst": 1, "max_wait_seconds": 20, "route": "messages:send"}]
    async with running_gateway(upstream.url, consumers={"app": consumer(limits=limits)}) as gateway:
        assert (await ask(gateway.port, POST)).status == 200
        async with leaving(gateway, POST):
            await until(lambda: gateway.gateway._handler.in_flight == 1)
            assert (await ask(gateway.port, GET)).status == 200  # by now the other one waits
            assert gateway.gateway._handler.in_flight == 1
        gone = await left(gateway, 3)
        assert (gone["method"], gone["attempts"], "outcome" in gone) == ("POST", 0, False)
    assert [each.line.split()[0] for each in upstream.received] == ["POST", "GET"]


async def test_for_a_pooled_connection(upstream: RawUpstream) -> None:
    """Its permit and its attempt have begun; not a byte was sent, and nothing is in doubt."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}")))
    async with running_gateway(upstream.url, upstream={"connections": 1}) as gateway:
        first = asyncio.create_task(ask(gateway.port, GET))
        await upstream.arrived()
        async with leaving(gateway, POST):
            await until(lambda: in_flight(gateway) == 2)
        gone = await left(gateway, 1)
        assert (gone["method"], gone["status"], "outcome" in gone) == ("POST", 0, False)
        assert in_flight(gateway) == 1
        gate.set()
        assert (await first).status == 200
        assert (await ask(gateway.port, GET)).status == 200
    assert [each.line.split()[0] for each in upstream.received] == ["GET", "GET"]


async def test_while_a_connection_is_made() -> None:
    """The handshake with the upstream does not end before the caller leaves."""
    accepted = asyncio.Event()
    sent = bytearray()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        while block := await reader.read(65_536):
            sent.extend(block)
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running_gateway(f"https://127.0.0.1:{port}") as gateway:
        async with leaving(gateway, with_field(POST, "Idempotency-Key: k")):
            await accepted.wait()
        gone = await left(gateway, 1)
        assert (gone["method"], gone["status"], "outcome" in gone) == ("POST", 0, False)
        assert in_flight(gateway) == 0
        assert gateway.gateway.components.idempotency.entries == 0  # its key is free again
    assert b"POST" not in sent


@pytest.mark.parametrize(
    ("given", "step"),
    [
        (GET, coded(20503, "503 Unavailable", LATER)),
        (GET, coded(20429, "429 Too Many Requests", LATER)),
        (POST, coded(20429, "429 Too Many Requests", LATER)),
    ],
    ids=["retry", "signal-get", "signal-post"],
)
async def test_before_another_attempt(upstream: RawUpstream, given: bytes, step: Any) -> None:
    upstream.then(step)
    async with running_gateway(upstream.url) as gateway:
        async with leaving(gateway, given):
            await upstream.arrived()
            await until(lambda: in_flight(gateway) == 0)
        gone = await left(gateway, 1)
        assert (gone["attempts"], gone["status"], "outcome" in gone) == (1, 0, False)
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    ("status", "body"), [("401 No", REFUSED), ("429 No", SIGNALLED)], ids=["next-key", "signal"]
)
async def test_a_post_in_flight_is_not_followed_by_another(
    upstream: RawUpstream, status: str, body: bytes
) -> None:
    """Its caller left under way: another key, or another attempt, would send it for nobody. (The GETs are
    the other caller's, and the test of the refused key.)"""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(body, status=status)))
    async with running_gateway(upstream.url, KEYS, credentials=TWO_KEYS) as gateway:
        async with leaving(gateway, POST):
            await upstream.arrived()
        assert (await ask(gateway.port, GET)).status == 200  # the hang-up has been seen by now
        gate.set()
        gone = await left(gateway, 2)
        assert (gone["method"], gone["attempts"], "outcome" in gone) == ("POST", 1, False)
    assert [each.line.split()[0] for each in upstream.received].count("POST") == 1


async def test_behind_the_first_request_with_its_key(upstream: RawUpstream) -> None:
    """The first one's answer frees the key; the second, which waited for it, is not sent."""
    gate = asyncio.Event()
    keyed = with_field(POST, "Idempotency-Key: k")
    upstream.then(gated(b"", gate, answer(b'{"code": 60203}', status="429 Too Many Requests")))
    async with running_gateway(upstream.url) as gateway:
        first = asyncio.create_task(ask(gateway.port, keyed))
        await upstream.arrived()
        async with leaving(gateway, keyed):
            await until(lambda: gateway.gateway._handler.in_flight == 2)
            assert (await ask(gateway.port, GET)).status == 200  # by now it waits
        gone = await left(gateway, 2)
        gate.set()
        assert (await first).status == 429
        assert (gone["method"], gone["attempts"], "outcome" in gone) == ("POST", 0, False)
    assert [each.line.split()[0] for each in upstream.received] == ["POST", "GET"]


async def test_requests_pipelined_behind_one_in_flight(upstream: RawUpstream) -> None:
    """The first is awaited; those behind it are never begun."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}", status="201 Created")))
    async with running_gateway(upstream.url) as gateway:
        async with leaving(gateway, POST * 3):
            await upstream.arrived()
        assert (await ask(gateway.port, GET)).status == 200
        gate.set()
        gone = await left(gateway, 2)
        assert (gone["method"], gone["status"]) == ("POST", 201)
    assert [each.line.split()[0] for each in upstream.received] == ["POST", "GET"]


async def test_an_uploader_that_leaves_before_its_turn(upstream: RawUpstream) -> None:
    """A streamed body waits for a connection like any other request."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}")))
    upload = (
        b"POST /mcs/v1/Services/IS0/Media HTTP/1.1\r\n" + POST.partition(b"\r\n")[2].partition(b"\r\n\r\n")[0]
    )
    upload = upload.replace(b"x-www-form-urlencoded", b"octet-stream") + b"\r\n\r\n"
    async with running_gateway(upstream.url, upstream={"connections": 1}) as gateway:
        first = asyncio.create_task(ask(gateway.port, GET))
        await upstream.arrived()
        async with leaving(gateway, upload + POST.partition(b"\r\n\r\n")[2]):
            await until(lambda: in_flight(gateway) == 2)
        gone = await left(gateway, 1)
        assert (gone["method"], gone["status"], "outcome" in gone) == ("POST", 0, False)
        gate.set()
        assert (await first).status == 200
    assert [each.line.split()[0] for each in upstream.received] == ["GET"]


async def test_a_create_that_was_never_sent_holds_nobody_up(upstream: RawUpstream) -> None:
    """Its caller left while it waited for a connection: the same create by another caller is a first one."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}")))
    guarded = request(f"POST {MESSAGES}", FORM, body=b"To=%2B15558675310&Body=hello")
    async with running_gateway(upstream.url, upstream={"connections": 1}) as gateway:
        first = asyncio.create_task(ask(gateway.port, GET))
        await upstream.arrived()
        async with leaving(gateway, guarded):
            await until(lambda: in_flight(gateway) == 2)
        gone = await left(gateway, 1)
        assert (gone["method"], gone["status"], "outcome" in gone) == ("POST", 0, False)
        gate.set()
        assert (await first).status == 200
        sent = await ask(gateway.port, guarded)
        assert (sent.status, sent.value("Gateway-Outcome")) == (200, "")
    assert [each.line.split()[0] for each in upstream.received] == ["GET", "POST"]
