"""Where attempts wait and leave: a full queue, a deadline in it, callers that go, and the next key."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import handler
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter
from gateway.http.response import Response
from gateway.listener import response_relay
from gateway.upstream.sending import Sending
from gateway.upstream.upstream_connection import UpstreamConnection
from tests.support.attempts import DELETE, GET, OK, POST, SIGNAL, SOON, coded, until, with_field
from tests.support.caller import ask, raw_caller
from tests.support.running import ENVIRON, Running, running_gateway
from tests.support.upstream import RawUpstream, ScriptedConnection, answer, gated, hang, reply

ONE_AT_ONCE = {"initial": 1, "ceiling": 1, "queue": 2}


@pytest.fixture
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    """One request at once, and two that wait."""
    async with running_gateway(
        upstream.url, retry=SOON, concurrency=ONE_AT_ONCE, upstream={"deadline_seconds": 30}
    ) as gateway:
        yield gateway


@pytest.fixture
def opens() -> asyncio.Event:
    """Lets the upstream's first answer go."""
    return asyncio.Event()


def gate_of(running: Running) -> ConcurrencyLimiter:
    """The only limiter."""
    ((_, limiter),) = running.gateway.components.forwarder.limiters
    return limiter


async def _occupied(gateway: Running, upstream: RawUpstream, step: Any) -> "asyncio.Task[Any]":
    upstream.then(step)
    first = asyncio.create_task(ask(gateway.port, POST))
    await upstream.arrived()
    return first


async def test_a_full_queue_refuses(gateway: Running, upstream: RawUpstream, opens: asyncio.Event) -> None:
    """The newest, if all are of one consumer; the others have their turn."""
    first = await _occupied(gateway, upstream, gated(b"", opens, answer(b"{}")))
    waiting = [asyncio.create_task(ask(gateway.port, POST)) for _ in range(2)]
    await until(lambda: gate_of(gateway).waiting == 2)
    refused = await ask(gateway.port, POST)
    assert (refused.status, refused.slug) == (429, "queue_full")
    assert int(refused.value("Retry-After")) >= 1
    assert (refused.value("Gateway-Attempts"), refused.value("Gateway-Outcome")) == ("0", "")
    assert b"20429" in refused.body
    opens.set()
    assert [(await each).status for each in (first, *waiting)] == [200] * 3
    assert len(upstream.received) == 3
    assert gate_of(gateway).in_flight == 0


async def test_a_deadline_in_the_queue_refuses(
    gateway: Running, upstream: RawUpstream, opens: asyncio.Event
) -> None:
    """Nothing was sent."""
    first = await _occupied(gateway, upstream, gated(b"", opens, answer(b"{}")))
    refused = await ask(gateway.port, with_field(POST, "Gateway-Timeout: 0.2"))
    assert (refused.status, refused.slug) == (429, "queue_timeout")
    assert int(refused.value("Retry-After")) >= 1
    assert (refused.value("Gateway-Attempts"), refused.value("Gateway-Outcome")) == ("0", "")
    opens.set()
    assert (await first).status == 200
    assert len(upstream.received) == 1


async def test_a_slot_that_comes_too_late_opens_no_breaker(gateway: Running, upstream: RawUpstream) -> None:
    """All wait for one that is silent until their common deadline: the host is not to blame."""
    for _ in range(4):
        upstream.then(hang())
        given = with_field(POST, "Gateway-Timeout: 0.15")
        got = await asyncio.gather(*(ask(gateway.port, given) for _ in range(3)))
        slugs = {each.slug for each in got} - {""}  # one that has a moment left when its turn comes is served
        assert slugs <= {"upstream_timeout", "queue_timeout", "upstream_unreachable"}
        upstream.script.clear()
    breakers = gateway.gateway.components.forwarder.breakers
    assert all(circuit.failures == 0 for circuit in breakers._circuits.values())


@pytest.mark.parametrize("abrupt", [True, False], ids=["reset", "close"])
async def test_who_leaves_the_queue_is_never_sent(
    gateway: Running, upstream: RawUpstream, opens: asyncio.Event, abrupt: bool
) -> None:
    """A POST, too: its place is free at once."""
    first = await _occupied(gateway, upstream, gated(b"", opens, answer(b"{}")))
    async with raw_caller(gateway.port) as caller:
        await caller.send(POST)
        await until(lambda: gate_of(gateway).waiting == 1)
        if abrupt:
            caller.hang_up()
    await until(lambda: gate_of(gateway).waiting == 0)
    logged = (await gateway.exchange_logged(1))[0]
    assert (logged["ending"], logged["attempts"]) == ("hung_up", 0)
    assert "outcome" not in logged
    opens.set()
    assert (await first).status == 200
    assert (await ask(gateway.port, GET)).status == 200
    assert len(upstream.received) == 2


async def test_a_signal_to_a_post_whose_caller_left_ends_it(
    gateway: Running, upstream: RawUpstream, opens: asyncio.Event
) -> None:
    """It was awaited, as it was in flight; that it was not processed needs no second try."""
    upstream.then(gated(b"", opens, answer(b'{"code": 20429}', status="429 No")))
    async with raw_caller(gateway.port) as caller:
        await caller.send(POST)
        await upstream.arrived()
        caller.hang_up()
    assert (await ask(gateway.port, with_field(GET, "Gateway-Timeout: 0.1"))).slug == "queue_timeout"
    opens.set()
    logged = next(line for line in await gateway.exchange_logged(2) if line["method"] == "POST")
    assert (logged["ending"], logged["attempts"]) == ("hung_up", 1)
    assert "outcome" not in logged
    assert (await ask(gateway.port, GET)).status == 200
    assert [each.line.split()[0] for each in upstream.received] == ["POST", "GET"]


async def test_who_leaves_between_tries_is_not_sent_again(gateway: Running, upstream: RawUpstream) -> None:
    """While Twilio's Retry-After is waited for, which holds no permit."""
    upstream.then(coded(20429, "429 No", "Retry-After: 5"))
    async with raw_caller(gateway.port) as caller:
        await caller.send(POST)
        await upstream.arrived()
        assert (await ask(gateway.port, GET)).status == 200
    logged = (await gateway.exchange_logged(2))[1]
    assert (logged["ending"], logged["attempts"]) == ("hung_up", 1)
    assert "outcome" not in logged
    assert [each.line.split()[0] for each in upstream.received] == ["POST", "GET"]


async def test_a_requeued_post_goes_before_those_that_wait(
    gateway: Running, upstream: RawUpstream, opens: asyncio.Event
) -> None:
    """It was admitted before them."""
    first = await _occupied(gateway, upstream, gated(b"", opens, answer(b'{"code": 20429}', status="429 No")))
    second = asyncio.create_task(ask(gateway.port, DELETE))
    await until(lambda: gate_of(gateway).waiting == 1)
    opens.set()
    assert [(await each).value("Gateway-Attempts") for each in (first, second)] == ["2", "1"]
    assert [each.line.split()[0] for each in upstream.received] == ["POST", "POST", "DELETE"]


def _two_keys() -> dict[str, Any]:
    secret = {"env": "TWILIO_API_SECRET"}
    keys = [{"sid": {"env": "TWILIO_API_KEY"}, "secret": secret}, {"sid": {"env": "NEXT"}, "secret": secret}]
    return {"main": {"account_sid": {"env": "TWILIO_ACCOUNT_SID"}, "keys": keys}}


@pytest.mark.parametrize("given", [GET, POST], ids=["GET", "POST"])
@pytest.mark.parametrize("first", ["503", "429", ""])
async def test_the_next_key_inside_tries(upstream: RawUpstream, given: bytes, first: str) -> None:
    """A 401 is not processed: the next key is tried, also after another try; then it stays with that key."""
    if first == "503" and given is POST:
        return
    before = {"503": [coded(20503, "503 No")], "429": [SIGNAL], "": []}[first]
    after = {"503": [coded(20503, "503 No"), OK], "429": [SIGNAL, OK], "": [OK]}[first]
    script = [*before, coded(20003, "401 No"), *after]
    used: list[str] = []
    next_key = "SKffffffffffffffffffffffffffffffff"
    secret = ENVIRON["TWILIO_API_SECRET"]
    names = {
        "Basic " + b64encode(f"{sid}:{secret}".encode()).decode(): name
        for sid, name in ((ENVIRON["TWILIO_API_KEY"], "first"), (next_key, "second"))
    }

    async def act(connection: ScriptedConnection) -> None:
        if "PageSize=1" in connection.received.line:  # the test of the refused key, in the background
            await reply(b"{}")(connection)
            return
        used.append(names[connection.received.values("authorization")[0]])
        await script.pop(0)(connection)

    upstream.otherwise = act
    environ = {**ENVIRON, "NEXT": next_key}
    async with running_gateway(upstream.url, environ, retry=SOON, credentials=_two_keys()) as gateway:
        got = await ask(gateway.port, given)
    assert (got.status, script) == (200, [])
    assert used == ["first"] * (1 + len(before)) + ["second"] * len(after)
    assert got.value("Gateway-Attempts") == str(len(used))


async def test_answers_of_one_turn_are_relayed_after_the_next_requests(
    upstream: RawUpstream, opens: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the last of Twilio's slots would stay empty while the answers before its own are relayed."""
    order: list[str] = []

    async def send(connection: UpstreamConnection, sending: Sending) -> Response:
        order.append("sent")
        response = await exchange(connection, sending)
        order.append("answered")
        await opens.wait()
        return response

    def relay(*given: Any, **named: Any) -> Any:
        order.append("relayed")
        return relay_answer(*given, **named)

    exchange, relay_answer = UpstreamConnection.exchange, response_relay.relay_answer
    monkeypatch.setattr(UpstreamConnection, "exchange", send)
    monkeypatch.setattr(handler, "relay_answer", relay)
    async with running_gateway(upstream.url, concurrency={"initial": 3, "ceiling": 3}) as gateway:
        calls = [asyncio.create_task(ask(gateway.port, POST)) for _ in range(6)]
        await until(lambda: order.count("answered") == 3 and gate_of(gateway).waiting == 3)
        order.clear()
        opens.set()  # three answers in one turn of the loop
        assert [(await each).status for each in calls] == [200] * 6
    assert order[:6] == ["sent"] * 3 + ["relayed"] * 3
