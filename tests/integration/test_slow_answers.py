"""Answers that take their time: passed on as they come, and what they hold meanwhile (A11, C1)."""

import asyncio
import json

import pytest

from tests.support.attempts import until
from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.moved_clock import MovedClock
from tests.support.running import ACCOUNT_SID, consumer, running_gateway
from tests.support.upstream import RawUpstream, ScriptedConnection, gated, raw, reply

GET = request(f"GET {MESSAGES}")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + bytes(300_000)


async def test_a11_a_slow_answer_reaches_its_caller_as_it_comes(upstream: RawUpstream) -> None:
    """And holds its permit until its end."""
    gate = asyncio.Event()
    upstream.then(gated(HEAD + b"{", gate, b'"":'[:2] + b"}"))
    async with running_gateway(upstream.url) as gateway, raw_caller(gateway.port) as caller:
        await caller.send(GET)
        assert b"200 OK" in await caller.until(b"\r\n\r\n")
        assert await caller.reader.readexactly(1) == b"{"
        ((_, limiter),) = gateway.gateway.components.forwarder.limiters
        assert limiter.in_flight == 1
        gate.set()
        assert await caller.reader.readexactly(3) == b'""}'
        await gateway.exchange_logged(1)
        assert limiter.in_flight == 0


@pytest.mark.parametrize(
    "get",
    [
        GET,
        request("GET /verify/v2/Services"),
        request(f"GET /api/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"),
    ],
    ids=["bare path", "prefix", "prefix of api"],
)
async def test_a11_events_are_passed_on_at_once_and_hold_no_permit(upstream: RawUpstream, get: bytes) -> None:
    """By a prefix, too: in events there are no links that must be rewritten."""
    gate = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    upstream.then(gated(head + b"data: 1\n\n", gate, b"data: 2\n\n"))
    async with running_gateway(upstream.url) as gateway, raw_caller(gateway.port) as caller:
        await caller.send(get)
        assert (await caller.until(b"data: 1\n\n\r\n")).startswith(b"HTTP/1.1 200")
        ((_, limiter),) = gateway.gateway.components.forwarder.limiters
        assert limiter.in_flight == 0
        gate.set()
        await caller.until(b"data: 2\n\n\r\n")


async def test_a11_a_slow_answer_without_links_is_streamed_to_callers_of_a_prefix(
    upstream: RawUpstream,
) -> None:
    gate = asyncio.Event()
    upstream.then(gated(HEAD.replace(b"json", b"csv") + b"a,", gate, b"b\n"))
    async with running_gateway(upstream.url) as gateway, raw_caller(gateway.port) as caller:
        await caller.send(request("GET /verify/v2/Services"))
        await caller.until(b"a,")
        gate.set()
        assert await caller.reader.readexactly(2) == b"b\n"


async def test_a11_a_slow_answer_is_kept_for_its_idempotency_key(upstream: RawUpstream) -> None:
    async def slow(connection: ScriptedConnection) -> None:
        await connection.send(HEAD.replace(b"200 OK", b"201 Created") + b"{")
        await asyncio.sleep(0.25)  # longer than an answer is waited for that is not needed whole
        await connection.send(b'""}')

    upstream.then(slow)
    given = request(f"POST {MESSAGES}", FORM, "Idempotency-Key: k-1", body=b"To=%2B1")
    async with running_gateway(upstream.url) as gateway:
        first = await ask(gateway.port, given)
        again = await ask(gateway.port, given)
    assert (first.status, first.body, again.status, again.body) == (201, b'{""}', 201, b'{""}')
    assert len(upstream.received) == 1


async def test_a11_a_slow_answer_with_a_token_is_concealed(upstream: RawUpstream) -> None:
    async def slow(connection: ScriptedConnection) -> None:
        body = b'{"auth_token": "s3cret"}'
        await connection.send(HEAD.replace(b": 4", b": %d" % len(body)) + body[:18])
        await asyncio.sleep(0.25)
        await connection.send(body[18:])

    upstream.then(slow)
    consumers = {"app": consumer(allow=["GET api /2010-04-01/Accounts/{Sid}"])}
    async with running_gateway(upstream.url, consumers=consumers) as gateway:
        got = await ask(gateway.port, request(f"GET /2010-04-01/Accounts/{ACCOUNT_SID}.json"))
    assert json.loads(got.body) == {"auth_token": None}


async def test_c1_unread_answers_leave_connections_to_the_others(
    upstream: RawUpstream,
) -> None:
    """They are refused behind their bound; a wait for a connection is no failure of Twilio's."""
    limits = {"connections": 3, "deadline_seconds": 30}
    async with (
        running_gateway(upstream.url, upstream=limits, callers={"streams": 2}) as gateway,
        raw_caller(gateway.port, receive_buffer=4096) as one,
        raw_caller(gateway.port, receive_buffer=4096) as two,
    ):
        for caller in (one, two):
            upstream.then(raw(BIG))
            await caller.send(GET)
            await caller.until(b"\r\n\r\n")
        refused = await ask(gateway.port, GET)
        assert (refused.status, refused.slug, refused.value("Retry-After")) == (429, "too_many_streams", "1")
        sent = await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"To=%2B1"))
        assert sent.status == 200
        one.hang_up()
        await gateway.exchange_logged(3)
        assert (await ask(gateway.port, GET)).status == 200


async def test_c1_a_wait_for_a_connection_is_queue_timeout(clock: MovedClock, upstream: RawUpstream) -> None:
    """Whatever holds them; the breaker stays closed, and the next caller is served."""
    limits = {"connections": 1, "deadline_seconds": 30, "idle_seconds": 600}
    async with (
        running_gateway(upstream.url, upstream=limits, callers={"write_seconds": 600}) as gateway,
        raw_caller(gateway.port, receive_buffer=4096) as holder,
    ):
        upstream.then(raw(BIG))
        await holder.send(GET)
        await holder.until(b"\r\n\r\n")
        for _ in range(6):
            asked = asyncio.create_task(ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"To=%2B1")))
            await until(lambda: gateway.gateway.components.forwarder.pool.waiting == 1)
            clock.advance(30)
            got = await asked
            assert (got.status, got.slug, got.value("Gateway-Outcome")) == (429, "queue_timeout", "")
        holder.hang_up()
        await upstream.hung_up()
        upstream.otherwise = reply(b"{}")
        assert (await ask(gateway.port, GET)).status == 200
