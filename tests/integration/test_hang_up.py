"""A caller that goes away: its GET is broken off, its POST awaited; one record whatever happens."""

import asyncio
import socket

import pytest

from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, ScriptedConnection, answer, early, gated, hang, raw

GET = request(f"GET {MESSAGES}")
POST = request(f"POST {MESSAGES}", FORM, body=b"To=%2B1")
UPLOAD = "POST /mcs/v1/Services/IS0/Media"
SIZE = 64 * 1024 * 1024


@pytest.mark.parametrize("abrupt", [True, False], ids=["reset", "close"])
async def test_a_get_in_flight_is_cancelled_upstream(
    gateway: Running, upstream: RawUpstream, abrupt: bool
) -> None:
    """Its connection is closed, which is all that HTTP/1.1 has to say so."""
    upstream.then(hang())
    async with raw_caller(gateway.port) as caller:
        await caller.send(GET)
        await upstream.arrived()
        if abrupt:
            caller.hang_up()
    await upstream.hung_up()
    logged = (await gateway.exchange_logged(1))[0]
    assert (logged["ending"], logged["status"], logged["attempts"]) == ("hung_up", 0, 1)
    assert "outcome" not in logged


async def test_half_close_counts_as_hanging_up(gateway: Running, upstream: RawUpstream) -> None:
    """Documented: aiohttp closes when the caller's sending side ends."""
    upstream.then(hang())
    async with raw_caller(gateway.port) as caller:
        await caller.send(GET)
        await upstream.arrived()
        caller.writer.write_eof()
        await upstream.hung_up()
        assert await caller.rest() == b""
    assert (await gateway.exchange_logged(1))[0]["ending"] == "hung_up"


async def test_a_post_in_flight_is_awaited_and_logged(gateway: Running, upstream: RawUpstream) -> None:
    """It may have been done: what became of it is in the log, and its connection is used again."""
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}", status="201 Created")))
    async with raw_caller(gateway.port) as caller:
        await caller.send(POST)
        await upstream.arrived()
        caller.hang_up()
    assert (await ask(gateway.port, GET)).status == 200  # the gateway has seen the reset by now, and goes on
    assert len(gateway.exchanges()) <= 1
    gate.set()
    logged = {line["method"]: line for line in await gateway.exchange_logged(2)}
    assert (logged["POST"]["status"], logged["POST"]["ending"]) == (201, "hung_up")
    assert logged["POST"]["upstream_seconds"] > 0
    assert upstream.gone == 0


@pytest.mark.parametrize("field", ["Accept: */*", "Idempotency-Key: 1", "Gateway-Repeat: allow"])
async def test_a_post_of_a_caller_that_has_left_is_not_sent(
    gateway: Running, upstream: RawUpstream, field: str
) -> None:
    """A busy loop gets a request before it hears that its caller has left, which the kernel knows by then."""
    await ask(gateway.port, GET)  # a connection to the upstream is open: nothing else is waited for
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:  # the loop stands still meanwhile
        client.sendall(request(f"POST {MESSAGES}", FORM, field, body=b"To=%2B1"))
    logged = (await gateway.exchange_logged(2))[-1]
    assert (logged["ending"], logged["status"], logged["attempts"]) == ("hung_up", 0, 0)
    assert "outcome" not in logged
    assert (await ask(gateway.port, POST)).status == 200  # nothing of it is left: this one is sent
    assert len(upstream.received) == 2


async def test_a_caller_that_leaves_during_a_streamed_answer(gateway: Running, upstream: RawUpstream) -> None:
    """The upstream connection is closed, whatever the method was."""

    async def endless(connection: ScriptedConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        while True:
            await connection.send(b"x" * 65_536)

    upstream.then(endless, endless)
    for number, given in enumerate((GET, POST), start=1):
        async with raw_caller(gateway.port) as caller:
            await caller.send(given)
            await caller.until(b"\r\n\r\n")
            caller.hang_up()
        await upstream.hung_up(number)
        logged = (await gateway.exchange_logged(number))[-1]
        assert (logged["status"], logged["ending"]) == (200, "hung_up")
        assert logged["bytes_out"] < SIZE


async def test_a_caller_that_leaves_in_its_body(gateway: Running, upstream: RawUpstream) -> None:
    """Nothing of a buffered body is sent."""
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(f"POST {MESSAGES}", FORM, "Content-Length: 100") + b"To=")
        await ask(gateway.port, GET)
        caller.hang_up()
    logged = (await gateway.exchange_logged(2))[-1]
    assert (logged["ending"], logged["status"], logged["attempts"]) == ("hung_up", 0, 0)
    assert len(upstream.received) == 1


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
async def test_a_caller_that_leaves_in_its_upload(
    gateway: Running, upstream: RawUpstream, framing: str
) -> None:
    """The upstream sees a body that breaks off, not a shorter one; the record blames the caller."""
    seen = asyncio.Event()

    async def read(connection: ScriptedConnection) -> None:
        await connection.reader.readuntil(b"abc")
        seen.set()
        await connection.reader.readuntil(b"\r\n0\r\n\r\n")

    upstream.then(early(read))
    async with raw_caller(gateway.port) as caller:
        await caller.send(request(UPLOAD, "Content-Type: a/b", framing) + b"3\r\nabc\r\n")
        await seen.wait()
        caller.hang_up()
    await upstream.hung_up()
    logged = (await gateway.exchange_logged(1))[0]
    assert logged["ending"] == "hung_up"
    assert "gateway_error" not in logged


async def test_pipelined_callers_that_leave_have_one_record_each(
    gateway: Running, upstream: RawUpstream
) -> None:
    """Requests that were never begun have none."""
    upstream.then(hang())
    async with raw_caller(gateway.port) as caller:
        await caller.send(GET * 3)
        await upstream.arrived()
        caller.hang_up()
    await upstream.hung_up()
    assert (await ask(gateway.port, GET)).status == 200
    endings = [line.get("ending", "answered") for line in await gateway.exchange_logged(2)]
    assert endings == ["hung_up", "answered"]


async def test_an_unforeseen_fault_after_the_answer_began_aborts(
    gateway: Running, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second head in the middle of a body would be the worst answer of all."""
    from gateway.listener.request import Request

    def fail(self: Request, data: bytes) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(Request, "write", fail)
    upstream.then(raw(answer(b"x" * 200_000)))
    async with raw_caller(gateway.port) as caller:
        await caller.send(GET)
        everything = await caller.rest()
    assert everything.count(b"HTTP/1.1") == 1 or everything == b""
    logged = (await gateway.exchange_logged(1))[0]
    assert (logged["gateway_error"], logged["ending"]) == ("internal_error", "aborted")


async def test_a_gateway_that_is_drained_cuts_what_is_too_slow(upstream: RawUpstream) -> None:
    """After `drain_seconds`; the record says that it was us, and that nobody knows what became of a POST."""
    upstream.then(hang())
    async with (
        running_gateway(upstream.url, drain_seconds=0.1) as gateway,
        raw_caller(gateway.port) as caller,
    ):
        await caller.send(POST)
        await upstream.arrived()
        await gateway.gateway.drain()
        assert await caller.rest() == b""
        logged = (await gateway.exchange_logged(1))[0]
        assert (logged["ending"], logged["outcome"]) == ("aborted", "unknown")
