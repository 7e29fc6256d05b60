"""An upstream that breaks: by phase, and never taken for a whole answer, a retry or another's answer."""

import asyncio
import json

import pytest

from tests.support.caller import FORM, MESSAGES, ask, raw_caller, request
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.running import Running, running_gateway
from tests.support.upstream import (
    RawUpstream,
    ScriptedConnection,
    Step,
    answer,
    early,
    gated,
    hang,
    raw,
    reply,
)

GET = request(f"GET {MESSAGES}")
POST = request(f"POST {MESSAGES}", FORM, body=b"To=%2B1")
DELETE = request(f"DELETE {MESSAGES[:-5]}/SM0.json")
BIG = b"0123456789abcdef" * 16_384

UNREADABLE = "upstream_unreadable"
BROKEN: dict[str, tuple[Step, str]] = {
    "closes": (raw(ends="close"), "upstream_lost"),
    "resets": (raw(ends="reset"), "upstream_lost"),
    "garbage": (raw(b"SSH-2.0-OpenSSH\r\n\r\n"), UNREADABLE),
    "half a head": (raw(b"HTTP/1.1 200 OK\r\nContent-Le", ends="close"), "upstream_lost"),
    "half a small body": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ends="close"),
        UNREADABLE,
    ),
    "no last chunk": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", ends="close"),
        UNREADABLE,
    ),
    "two lengths": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        UNREADABLE,
    ),
    "length and chunks": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        UNREADABLE,
    ),
    "unknown coding": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: foobar\r\n\r\n{}", ends="close"),
        UNREADABLE,
    ),
    "coding before chunked": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        UNREADABLE,
    ),
    "chunks in HTTP/1.0": (
        raw(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ends="close"),
        UNREADABLE,
    ),
    "101 unasked": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw"), UNREADABLE),
    "HTTP/3.7": (raw(b"HTTP/3.7 200 OK\r\nContent-Length: 2\r\n\r\n{}"), UNREADABLE),
}  # fmt: skip


@pytest.mark.parametrize("given", [GET, POST, DELETE], ids=["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", BROKEN)
async def test_broken_answers_are_502(
    gateway: Running, upstream: RawUpstream, name: str, given: bytes
) -> None:
    """By phase; a POST is sent once and its outcome is unknown. The next caller notices nothing."""
    step, slug = BROKEN[name]
    upstream.otherwise = step
    got = await ask(gateway.port, given)
    assert (got.status, got.slug) == (502, slug)
    assert got.value("Gateway-Outcome") == ("unknown" if given is POST else "")
    attempts = len(upstream.received)
    assert got.value("Gateway-Attempts") == str(attempts)
    assert attempts == 1 or given is not POST
    upstream.otherwise = reply(b"{}")
    assert (await ask(gateway.port, GET)).body == b"{}"
    assert len(upstream.received) == attempts + 1
    logged = (await gateway.exchange_logged(2))[0]
    assert (logged["gateway_error"], logged["attempts"]) == (slug, attempts)
    assert logged.get("outcome", "") == got.value("Gateway-Outcome")


async def test_no_idempotent_request_is_sent_again_in_secret(gateway: Running, upstream: RawUpstream) -> None:
    """aiohttp would re-send GET and DELETE once when a *pooled* connection breaks."""
    for given in (GET, DELETE, request(f"PUT {MESSAGES}", FORM, body=b"a=1"), request(f"HEAD {MESSAGES}")):
        upstream.otherwise = reply(b"{}")
        await ask(gateway.port, GET)
        upstream.received.clear()
        upstream.otherwise = raw(ends="close")
        got = await ask(gateway.port, given, "HEAD" if given.startswith(b"HEAD") else "GET")
        assert got.slug == "upstream_lost"
        assert str(len(upstream.received)) == got.value("Gateway-Attempts")  # every one is ours, and counted


async def test_nobody_listens() -> None:
    """Nothing was sent, so nothing is unknown."""
    async with running_gateway("http://127.0.0.1:9", upstream={"connect_seconds": 2}) as gateway:
        got = await ask(gateway.port, POST)
    assert (got.status, got.slug, got.value("Gateway-Outcome")) == (502, "upstream_unreachable", "")


async def test_d4_why_twilio_cannot_be_reached_is_told_everywhere() -> None:
    """In the log, the timeline, the metric, and what makes the gateway not well."""
    once = {"max_attempts": 1}
    async with running_gateway("http://127.0.0.1:9", retry=once) as gateway:
        for _ in range(5):
            await ask(gateway.port, POST)
        logged = (await gateway.exchange_logged(5))[-1]
        assert (logged["gateway_error"], logged["unreachable"]) == ("upstream_unreachable", "refused")
        admin = int(gateway.admin_url.rpartition(":")[2])
        head = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        exchanges = json.loads((await ask(admin, b"GET /api/exchanges" + head)).body)
        assert b"refused" in json.dumps(exchanges).encode()
        metrics = (await ask(admin, b"GET /metrics" + head)).body
        assert b'gateway_connect_failures_total{reason="refused"} 5.0' in metrics
        assert b'gateway_connect_failures_total{reason="dns"} 0.0' in metrics
        assert (
            b"breaker open for api.twilio.com: refused" in (await ask(admin, b"GET /api/state" + head)).body
        )


@pytest.mark.parametrize(("given", "outcome"), [(GET, ""), (POST, "unknown")], ids=["GET", "POST"])
async def test_a_silent_upstream_is_504(
    clock: MovedClock, upstream: RawUpstream, given: bytes, outcome: str
) -> None:
    """After the deadline; the connection is not used again."""
    upstream.then(hang())  # once: the deadline holds for all attempts together
    async with running_gateway(upstream.url, upstream={"deadline_seconds": 15}) as gateway:
        asked = asyncio.create_task(ask(gateway.port, given))
        await upstream.arrived()
        clock.advance(15)
        got = await asked
        assert (got.status, got.slug, got.value("Gateway-Outcome")) == (504, "upstream_timeout", outcome)
        await upstream.hung_up()
        assert (await ask(gateway.port, GET)).status == 200


async def test_a_body_that_stalls_is_given_up_after_idle_seconds(
    clock: MovedClock, upstream: RawUpstream
) -> None:
    """Of an answer that is needed whole, as an error is; the deadline is far away."""
    upstream.then(gated(b"HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\n{", asyncio.Event()))
    limits = {"deadline_seconds": 600, "idle_seconds": 30}
    async with running_gateway(upstream.url, upstream=limits) as gateway:
        asked = asyncio.create_task(ask(gateway.port, POST))
        await upstream.arrived()
        async with passing_time(clock):
            got = await asked
    assert (got.status, got.value("Gateway-Outcome")) == (504, "unknown")


async def test_a_streamed_body_that_stalls_breaks_off_after_idle_seconds(
    clock: MovedClock, upstream: RawUpstream
) -> None:
    """What was passed on cannot pass for all of it."""
    upstream.then(gated(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", asyncio.Event()))
    limits = {"deadline_seconds": 600, "idle_seconds": 30}
    async with running_gateway(upstream.url, upstream=limits) as gateway:
        async with raw_caller(gateway.port) as caller:
            await caller.send(GET)
            await caller.until(b"\r\n\r\n")
            clock.advance(30)
            assert await caller.rest() == b"{"
        assert (await gateway.exchange_logged(1))[0]["ending"] == "aborted"


@pytest.mark.parametrize(
    ("framing", "first"),
    [
        (b"Content-Length: 999999999\r\n", BIG),
        (b"Transfer-Encoding: chunked\r\n", b"40000\r\n" + BIG + b"\r\n"),
    ],
    ids=["sized", "chunked"],
)  # fmt: skip
@pytest.mark.parametrize("ends", ["close", "reset"])
async def test_a_streamed_answer_that_breaks_off_aborts_the_caller(
    gateway: Running, upstream: RawUpstream, framing: bytes, first: bytes, ends: str
) -> None:
    """What was sent cannot pass for all of it: fewer bytes than promised, or no last chunk."""
    started = asyncio.Event()

    async def act(connection: ScriptedConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + first)
        await started.wait()
        await raw(ends=ends)(connection)

    upstream.then(act)
    async with raw_caller(gateway.port) as caller:
        await caller.send(GET)
        head = await caller.until(b"\r\n\r\n")
        started.set()
        rest = await caller.rest()
    assert head.startswith(b"HTTP/1.1 200")
    assert len(rest) < 999_999
    assert not rest.endswith(b"0\r\n\r\n")
    logged = (await gateway.exchange_logged(1))[0]
    assert (logged["status"], logged["ending"]) == (200, "aborted")
    assert (await ask(gateway.port, GET)).body == b"{}"


async def surplus_noticed(gateway: Running) -> None:
    """Wait until a pooled connection that received something while it was idle has been closed."""
    pool = gateway.gateway.components.forwarder.pool
    async with asyncio.timeout(120):
        while pool.size:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_surplus_bytes_reach_nobody(gateway: Running, upstream: RawUpstream) -> None:
    """With the answer, or later while the connection is idle: it is dropped before it is used again."""
    poison = answer(b"POISON")
    idle = asyncio.Event()
    upstream.then(raw(answer(b"one") + poison), gated(answer(b"two"), idle, poison))
    assert (await ask(gateway.port, GET)).body == b"one"
    assert (await ask(gateway.port, GET)).body == b"two"
    idle.set()
    await surplus_noticed(gateway)
    for _ in range(3):
        got = await ask(gateway.port, GET)
        assert got.body == b"{}"
    assert upstream.connections >= 3


@pytest.mark.parametrize(
    ("method", "step", "status", "body"),
    [
        ("GET", raw(b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nPOISON"), 204, b""),
        ("POST", raw(b"HTTP/1.1 204 No Content\r\n\r\n0\r\n\r\n"), 204, b""),
        ("POST", raw(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\n{}POISON"), 201, b"{}"),
        ("HEAD", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"), 200, b""),
        ("GET", raw(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nPOISON"), 304, b""),
    ],
)
async def test_a7_an_answer_is_relayed_and_what_follows_it_is_nobodys(
    gateway: Running, upstream: RawUpstream, method: str, step: Step, status: int, body: bytes
) -> None:
    """RFC 9112 6.3: the connection is dropped, and nothing is unknown."""
    upstream.then(step)
    if method == "HEAD":
        got = await ask(gateway.port, request(f"HEAD {MESSAGES}"), "HEAD")
    else:
        got = await ask(gateway.port, POST if method == "POST" else GET)
    assert (got.status, got.body, got.slug, got.value("Gateway-Outcome")) == (status, body, "", "")
    assert (await ask(gateway.port, GET)).body == b"{}"
    assert upstream.connections == 2


async def test_interim_answers_are_passed_over(gateway: Running, upstream: RawUpstream) -> None:
    """103 and an unasked 100 are no answers."""
    upstream.then(
        raw(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + b"HTTP/1.1 100 Continue\r\n\r\n",
            answer(b"x"),
        )
    )
    assert (await ask(gateway.port, GET)).body == b"x"


async def test_an_answer_before_the_whole_upload_leaves_no_half_request(
    gateway: Running, upstream: RawUpstream
) -> None:
    """The connection whose upload was cut short is never used again."""
    upstream.then(early(reply(b"no", status="413 Too Large")))
    given = request("POST /mcs/v1/Services/IS0/Media", "Content-Type: x/y", "Content-Length: 400000")
    async with raw_caller(gateway.port) as caller:
        await caller.send(given + b"x" * 1000)
        assert (await caller.answer()).status == 413
    await upstream.hung_up()
    assert (await ask(gateway.port, GET)).body == b"{}"
    assert [received.line.split()[0] for received in upstream.received] == ["POST", "GET"]
