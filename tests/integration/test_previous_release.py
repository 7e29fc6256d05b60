"""Replicas of the previous release and of this one on one Redis: during a rollout, and after a roll-back.

The first tests read what the previous release wrote, from a recording. Where the repository has its history
(or `GATEWAY_PREVIOUS` names a checkout), the others run both builds.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.caller import RawAnswer, ask
from tests.support.previous_release import (
    FLIGHT,
    IS_AVAILABLE,
    KEPT,
    MULTIPART,
    UNKNOWN,
    keyed,
    load_recording,
    port_of,
    previous_release,
    restore,
    serving_previous,
)
from tests.support.redis import RedisServer, redis_server
from tests.support.running import Running, Spawned, running_gateway
from tests.support.upstream import RawUpstream, answer, gated, reply

RECORDED = load_recording()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def gateway(upstream: RawUpstream, redis: RedisServer) -> AsyncIterator[Running]:
    async with running_gateway(upstream.url, store=redis.url) as gateway:
        yield gateway


def outcome(given: RawAnswer) -> tuple[int, str, str]:
    """Status, slug, and whether it is a replay."""
    return given.status, given.slug, given.value("Idempotent-Replayed")


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        (KEPT, (), (201, "", "true")),
        (MULTIPART, (), (201, "", "true")),
        (UNKNOWN, (), (502, "idempotency_unknown", "")),
        (FLIGHT, ("Gateway-Timeout: 1",), (409, "idempotency_in_flight", "")),
    ],
)
async def test_records_of_the_previous_release_are_honoured(
    gateway: Running,
    upstream: RawUpstream,
    redis: RedisServer,
    name: str,
    fields: tuple[str, ...],
    expected: tuple[int, str, str],
) -> None:
    restore(redis.client, RECORDED[name])
    assert outcome(await ask(gateway.port, keyed(name, *fields), "POST")) == expected
    assert upstream.received == []


@pytest.mark.parametrize("name", [KEPT, UNKNOWN, FLIGHT])
async def test_another_body_conflicts_with_a_record_of_the_previous_release(
    gateway: Running, upstream: RawUpstream, redis: RedisServer, name: str
) -> None:
    restore(redis.client, RECORDED[name])
    given = await ask(gateway.port, keyed(name, body=b"To=%2B1&Body=other"), "POST")
    assert (given.status, given.slug) == (422, "idempotency_conflict")
    assert upstream.received == []


@pytest.mark.parametrize("name", [KEPT, MULTIPART])
async def test_the_previous_release_reads_what_this_one_writes(
    gateway: Running, upstream: RawUpstream, redis: RedisServer, name: str
) -> None:
    """Under the same key of Redis, with the same fields, and its fingerprint of the same body."""
    upstream.then(reply(b'{"sid": "SM1"}', status="201 Created"))
    assert (await ask(gateway.port, keyed(name), "POST")).status == 201
    recorded = RECORDED[name]
    written = {
        field.decode(): value.decode("latin-1")
        for field, value in redis.client.hgetall(recorded["key"]).items()
    }
    assert {field: written[field] for field in recorded["record"] if field != "owner"} == {
        field: value for field, value in recorded["record"].items() if field != "owner"
    }


if IS_AVAILABLE:

    @pytest.fixture
    async def previous(tmp_path: Path, upstream: RawUpstream, redis: RedisServer) -> AsyncIterator[Spawned]:
        with previous_release() as environ:
            async with serving_previous(tmp_path, upstream.url, environ, store=redis.url) as spawned:
                yield spawned

    @pytest.mark.parametrize("name", [KEPT, MULTIPART])
    @pytest.mark.parametrize("first", ["previous", "this"])
    async def test_either_replays_what_the_other_sent(
        gateway: Running, previous: Spawned, upstream: RawUpstream, name: str, first: str
    ) -> None:
        ports = [port_of(previous), gateway.port]
        if first == "this":
            ports.reverse()
        upstream.then(reply(b'{"sid": "SM1"}', status="201 Created"))
        answers = [await ask(port, keyed(name), "POST") for port in ports]
        assert [outcome(each) for each in answers] == [(201, "", ""), (201, "", "true")]
        conflict = await ask(ports[1], keyed(name, body=b"To=%2B1&Body=other"), "POST")
        assert conflict.slug in ("idempotency_conflict", "bad_body")
        assert len(upstream.received) == 1

    @pytest.mark.parametrize("first", ["previous", "this"])
    async def test_either_waits_for_what_the_other_sends(
        gateway: Running, previous: Spawned, upstream: RawUpstream, first: str
    ) -> None:
        ports = [port_of(previous), gateway.port]
        if first == "this":
            ports.reverse()
        gate = asyncio.Event()
        upstream.then(gated(b"", gate, answer(b'{"sid": "SM1"}', status="201 Created")))
        sending = asyncio.create_task(ask(ports[0], keyed(FLIGHT), "POST"))
        await upstream.arrived()
        short = await ask(ports[1], keyed(FLIGHT, "Gateway-Timeout: 1"), "POST")
        assert (short.status, short.slug) == (409, "idempotency_in_flight")
        waiting = asyncio.create_task(ask(ports[1], keyed(FLIGHT), "POST"))
        gate.set()
        assert outcome(await sending) == (201, "", "")
        assert outcome(await waiting) == (201, "", "true")
        assert len(upstream.received) == 1

    async def test_both_share_the_learned_limit(
        gateway: Running, previous: Spawned, upstream: RawUpstream, redis: RedisServer
    ) -> None:
        """Each sees the other's report, and neither is disturbed by it."""
        assert (await ask(port_of(previous), keyed(KEPT), "POST")).status == 200
        assert (await ask(gateway.port, keyed(MULTIPART), "POST")).status == 200
        ((_, limiter),) = gateway.gateway.components.forwarder.limiters
        async with asyncio.timeout(120):
            while True:
                shares = list(redis.client.scan_iter("gateway:shares:*"))
                if shares and redis.client.hlen(shares[0]) == 2 and not limiter.adaptive_limit.yields:
                    break
                await asyncio.sleep(0.05)
        assert not [line for line in gateway.log() if line["level"] == "error"]
        assert not [line for line in previous.capture.lines if line["level"] == "error"]
