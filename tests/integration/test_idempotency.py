"""Keyed requests over HTTP, in front of the simulator: it counts the messages, and none is there twice."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, nullcontext
from typing import Any

import pytest

from tests.support.caller import AUTHORIZATION, FORM, MESSAGES, RawAnswer, ask, raw_caller, request
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.redis import RedisServer, redis_server
from tests.support.running import Running, consumer, running_gateway
from tests.support.upstream import RawUpstream, answer, gated
from twilio_simulator import Simulator

BODY = b"To=%2B15551112222&From=%2B15553334444&Body=hello"
OTHER_KEY = "gw_test-key-of-the-consumer-called-billing-0"
UPSTREAM = {"deadline_seconds": 30, "idle_seconds": 30}


def create(key: str = "abc", *fields: str, body: bytes = BODY, auth: str = AUTHORIZATION) -> bytes:
    """A message with an Idempotency-Key."""
    return request(f"POST {MESSAGES}", FORM, f"Idempotency-Key: {key}", *fields, body=body, auth=auth)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
async def front(simulator: Simulator) -> AsyncIterator[Running]:
    """A gateway with two consumers."""
    consumers = {"app": consumer(), "billing": consumer(OTHER_KEY)}
    async with running_gateway(simulator.url, upstream=UPSTREAM, consumers=consumers) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def test_a_resend_gives_one_message(simulator: Simulator, front: Running) -> None:
    first = await ask(front.port, create(), "POST")
    again = await ask(front.port, create('"abc"'), "POST")
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert (first.value("Idempotent-Replayed"), again.value("Idempotent-Replayed")) == ("", "true")
    assert (first.value("Gateway-Attempts"), again.value("Gateway-Attempts")) == ("1", "0")
    assert again.value("Twilio-Request-Id") == first.value("Twilio-Request-Id")
    assert simulator.store.created["messages"] == 1
    assert (await ask(front.port, create("abd"), "POST")).status == 201
    assert simulator.store.created["messages"] == 2


async def test_the_key_does_not_go_upstream_undeclared(simulator: Simulator, front: Running) -> None:
    await ask(front.port, create("order-4711"), "POST")
    sent = [value for entry in simulator.journal.entries for _, value in entry.raw_headers]
    assert sent
    assert not any(b"order-4711" in value for value in sent)
    assert "order-4711" not in str(front.log())


async def test_concurrent_duplicates_give_one_message(simulator: Simulator, front: Running) -> None:
    simulator.faults.service_seconds = 0.05
    answers = await asyncio.gather(*(ask(front.port, create(), "POST") for _ in range(20)))
    assert {each.status for each in answers} == {201}
    assert len({each.body for each in answers}) == 1
    assert sorted(each.value("Idempotent-Replayed") for each in answers) == [""] + ["true"] * 19
    assert simulator.store.created["messages"] == simulator.journal.requests == 1


UNKNOWN = [
    ("reset-after", 502, 1),
    ("reset-before", 502, 0),
    ("hang-after", 504, 1),
    ("hang", 504, 0),
    ("truncate", 502, 1),
    ("garbage", 502, 1),
    ("status-after=500", 500, 1),
    ("status=500", 500, 0),
    ("status-after=503", 503, 1),
    ("status=502", 502, 0),
]


@pytest.mark.parametrize(("fault", "status", "created"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
async def test_unknown_outcomes_are_never_sent_again(
    simulator: Simulator, front: Running, fault: str, status: int, created: int
) -> None:
    simulator.faults.add(fault, count=1)
    late = passing_time(MovedClock(asyncio.get_running_loop())) if status == 504 else nullcontext()
    async with late:
        assert (await ask(front.port, create(), "POST")).status == status
    for _ in range(2):
        again = await ask(front.port, create(), "POST")
        assert (again.status, again.slug) == (502, "idempotency_unknown")
        assert again.value("Gateway-Outcome") == "unknown"
    assert simulator.store.created["messages"] == created
    assert simulator.journal.requests == 1


@pytest.mark.parametrize("fault", ["429=60203", "status=403", "status=408"])
async def test_what_was_not_processed_may_be_sent_again(
    simulator: Simulator, front: Running, fault: str
) -> None:
    simulator.faults.add(fault, count=1)
    assert (await ask(front.port, create(), "POST")).status in (403, 408, 429)
    assert (await ask(front.port, create(), "POST")).status == 201
    assert simulator.store.created["messages"] == 1


async def test_a_twilio_no_is_kept(simulator: Simulator, front: Running) -> None:
    for replayed in ("", "true"):
        refused = await ask(front.port, create(body=b"To=%2B1"), "POST")
        assert (refused.status, refused.slug, refused.value("Idempotent-Replayed")) == (400, "", replayed)
    assert simulator.journal.requests == 1


async def test_another_body_is_refused(simulator: Simulator, front: Running) -> None:
    await ask(front.port, create(), "POST")
    refused = await ask(front.port, create(body=BODY + b"!"), "POST")
    assert (refused.status, refused.slug) == (422, "idempotency_conflict")
    assert simulator.store.created["messages"] == 1


async def test_our_refusals_leave_the_key_free(simulator: Simulator, front: Running) -> None:
    refused = await ask(front.port, create("abc", "Content-Encoding: gzip"), "POST")
    assert refused.status == 415
    assert (await ask(front.port, create(), "POST")).status == 201


async def test_what_was_never_sent_leaves_the_key_free() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with running_gateway(
            f"http://127.0.0.1:{closed.getsockname()[1]}", upstream=UPSTREAM
        ) as gateway:
            for _ in range(2):
                assert (await ask(gateway.port, create(), "POST")).slug == "upstream_unreachable"


@pytest.mark.parametrize("key", ["", "a b", '"abc', "k" * 256])
async def test_what_is_no_key(simulator: Simulator, front: Running, key: str) -> None:
    refused = await ask(front.port, create(key), "POST")
    assert (refused.status, refused.slug) == (400, "bad_header")
    assert simulator.journal.requests == 0


async def test_consumers_do_not_share_keys(simulator: Simulator, front: Running) -> None:
    first = await ask(front.port, create(), "POST")
    other = await ask(front.port, create(auth=f"Bearer {OTHER_KEY}"), "POST")
    assert (first.status, other.status, other.value("Idempotent-Replayed")) == (201, 201, "")
    assert simulator.store.created["messages"] == 2


async def test_a_caller_that_hangs_up_finds_its_answer(upstream: RawUpstream, gateway: Running) -> None:
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b'{"sid": "SM1"}', status="201 Created")))
    async with raw_caller(gateway.port) as caller:
        await caller.send(create())
        await upstream.arrived()
        caller.hang_up()
    again = asyncio.create_task(ask(gateway.port, create(), "POST"))
    assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == 200
    gate.set()
    found = await again
    assert (found.status, found.body, found.value("Idempotent-Replayed")) == (201, b'{"sid": "SM1"}', "true")


async def test_a_duplicate_waits_no_longer_than_its_deadline(upstream: RawUpstream, gateway: Running) -> None:
    gate = asyncio.Event()
    upstream.then(gated(b"", gate, answer(b"{}", status="201 Created")))
    first = asyncio.create_task(ask(gateway.port, create(), "POST"))
    await upstream.arrived()
    impatient = await ask(gateway.port, create("abc", "Gateway-Timeout: 1"), "POST")
    assert (impatient.status, impatient.slug) == (409, "idempotency_in_flight")
    assert impatient.value("Retry-After") == "1"
    gate.set()
    assert (await first).status == 201
    waited = min(await gateway.exchange_logged(2), key=lambda line: line["attempts"])
    assert waited["seconds"] > 0.9
    assert waited["overhead_seconds"] < 0.5  # waiting for another request is not the gateway's own time


async def test_two_replicas_share_keys_through_redis(simulator: Simulator, redis: RedisServer) -> None:
    simulator.faults.service_seconds = 0.05
    settings: dict[str, Any] = {"upstream": UPSTREAM, "store": redis.url}
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(running_gateway(simulator.url, **settings)) for _ in range(2)
        ]
        answers: list[RawAnswer] = await asyncio.gather(
            *(ask(replicas[index % 2].port, create("order-4711"), "POST") for index in range(20))
        )
        assert {(each.status, each.body) for each in answers} == {(201, answers[0].body)}
        assert simulator.store.created["messages"] == 1
        (name,) = (name for name in redis.names() if "idempotency" in name)
        assert re.fullmatch(r"gateway:idempotency:\{[0-9a-f]{64}\}", name)
        assert redis.client.pttl(name) > 0
