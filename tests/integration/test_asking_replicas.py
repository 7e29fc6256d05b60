"""Replicas that ask Twilio, on one Redis: what one leaves, another finds out; nothing can be read there."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.repeat_guard.intent_records import account_keys
from tests.support.asking import Asking, asking_replicas
from tests.support.redis import RedisServer
from tests.support.running import ENVIRON

SHORT = "Gateway-Timeout: 3"
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
async def replicas(server: RedisServer) -> AsyncIterator[list[Asking]]:
    async with asking_replicas(server.url, {"STORE_KEY": KEY}, store_key={"env": "STORE_KEY"}) as replicas:
        yield replicas


async def lose(one: Asking, fault: str) -> None:
    """A create whose caller learns nothing."""
    answer = await one.create(SHORT, fault=fault)
    assert (answer.status, answer.value("Gateway-Outcome")) == (502, "unknown")


def die(one: Asking, server: RedisServer) -> None:
    """As if the process had been killed: it looks no more, and its leases end."""
    resolver = one.gateway.gateway.components.resolver
    for pursuit in resolver._pursuits.values():
        assert pursuit.task is not None
        pursuit.task.cancel()
    resolver._pursuits.clear()
    assert resolver._keeping is not None
    resolver._keeping.cancel()
    name = f"gateway:{account_keys(ENVIRON['TWILIO_ACCOUNT_SID'])[0]}:leases"
    for id_ in server.client.zrange(name, 0, -1):
        server.client.zadd(name, {id_: server.client.time()[0] * 1000 - 1})


async def until_resolved(two: Asking) -> dict[str, int]:
    """What the other replica has found out."""
    resolver = two.gateway.gateway.components.resolver
    async with two.passing_time():
        while not resolver.resolved:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.5)
    return {state.value: count for state, count in resolver.resolved.items()}


@pytest.mark.parametrize(("fault", "end"), [("reset-after", "found"), ("reset-before", "absent")])
async def test_what_a_killed_replica_leaves_is_found_out_by_another(
    replicas: list[Asking], server: RedisServer, fault: str, end: str
) -> None:
    one, two = replicas
    one.simulator.faults.add("list-lag=5", method="GET")
    await lose(one, fault)
    die(one, server)
    assert await until_resolved(two) == {end: 1}
    answer = await two.create()
    assert (answer.status, answer.value("Gateway-Outcome")) == (201, "found" if end == "found" else "")
    assert one.created == 1
    assert json.loads(answer.body)["sid"] == one.sids()[0]


async def test_what_takes_over_goes_on_from_the_looks_before_it(
    replicas: list[Asking], server: RedisServer
) -> None:
    """One look that finds nothing is made already, more than two seconds before: absence needs one more."""
    one, two = replicas
    await lose(one, "reset-before")
    (pursuit,) = one.gateway.gateway.components.resolver._pursuits.values()
    outcome = pursuit.outcome
    async with one.passing_time():
        while not outcome.empty_since:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.1)
        assert await one.gateway.gateway.components.resolver.outcomes.keep(outcome)
    die(one, server)
    one.clock.advance(outcome.ended_at + 16 - one.gateway.gateway.components.resolver.outcomes.now())
    assert await until_resolved(two) == {"absent": 1}
    assert dict(two.gateway.gateway.components.resolver.looks) == {"absent": 1}


@pytest.mark.parametrize("fault", ["reset-after", "reset-before"])
async def test_another_store_key_leaves_it_unknown_and_sends_nothing_twice(
    server: RedisServer, fault: str
) -> None:
    """As while the key is rotated: what one replica wrote the other cannot read, and concludes nothing."""
    later = {"STORE_KEY": base64.b64encode(b"k" * 32).decode()}
    setting = {"env": "STORE_KEY"}
    async with asking_replicas(server.url, {"STORE_KEY": KEY}, later, store_key=setting) as (one, two):
        one.simulator.faults.add("list-lag=5", method="GET")
        await lose(one, fault)
        die(one, server)
        assert await until_resolved(two) == {"unknown": 1}
        answer = await two.create()
        assert (answer.status, answer.slug) == (502, "repeat_unknown")
        assert one.created == (fault == "reset-after")


async def test_a_replica_that_stops_leaves_its_outcomes_at_once(replicas: list[Asking]) -> None:
    one, two = replicas
    one.simulator.faults.add("list-lag=5", method="GET")
    await lose(one, "reset-after")
    async with two.passing_time():
        await one.gateway.gateway.components.resolver.close()
    assert await until_resolved(two) == {"found": 1}


async def test_without_a_key_another_replica_cannot_ask(server: RedisServer) -> None:
    async with asking_replicas(server.url) as (one, two):
        one.simulator.faults.add("list-lag=5", method="GET")
        await lose(one, "reset-after")
        die(one, server)
        assert await until_resolved(two) == {"unknown": 1}
        # By the replica's own count: what the dead one had sent may reach Twilio yet.
        assert not two.gateway.gateway.components.resolver.looks
        answer = await two.create(SHORT)
        assert (answer.status, answer.value("Gateway-Outcome")) == (502, "shared")


async def test_a_repeat_at_another_replica_waits_for_the_looks_of_the_first(replicas: list[Asking]) -> None:
    one, two = replicas
    one.simulator.faults.add("list-lag=5", method="GET")
    await lose(one, "reset-after")
    answer = await two.create()
    assert (answer.status, answer.value("Gateway-Outcome")) == (201, "found")
    assert json.loads(answer.body)["sid"] == one.sids()[0]
    assert one.created == 1
    assert not two.gateway.gateway.components.resolver.resolved


async def test_what_another_replica_made_is_no_candidate(replicas: list[Asking]) -> None:
    """The same text for the same recipient, made moments before: by a guarded create, and with a key."""
    one, two = replicas
    assert [(await two.create(field)).status for field in ("X-None: 1", "Idempotency-Key: one")] == [201, 201]
    lost = await one.create(fault="reset-before")
    assert (lost.status, lost.value("Gateway-Outcome")) == (502, "absent")
    found = await one.create(fault="reset-after")
    assert (found.status, found.value("Gateway-Outcome")) == (201, "found")
    assert one.created == 3


async def test_nothing_of_it_can_be_read_in_the_store(replicas: list[Asking], server: RedisServer) -> None:
    one, _ = replicas
    one.simulator.faults.add("list-lag=5", method="GET")
    await lose(one, "reset-after")
    held = b"".join(_values(server))
    assert b"sealed_to" in held
    for secret in (b"5005550006", b"5005550001", b"15005550006", b'hi"', KEY.encode()):
        assert secret not in held


def _values(server: RedisServer) -> list[bytes]:
    """What the hashes hold, and the names of all keys."""
    found: list[bytes] = []
    for name in server.names():
        found.append(name.encode())
        if server.client.type(name) == b"hash":
            found += [part for pair in server.client.hgetall(name).items() for part in pair]
    return found


REFUSING: dict[str, Any] = {"store_key": {"env": "STORE_KEY"}, "on_store_failure": "refuse"}


async def cut_off(one: Asking) -> None:
    """A create is on its way that Twilio does not answer, and this replica alone cannot reach Redis."""
    store = one.gateway.gateway.components.store
    assert store is not None
    async with asyncio.timeout(120):
        while not any(rule.fired for rule in one.simulator.faults.rules):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    store._breaker.open("cut off")
    store._probe = _in_vain  # type: ignore[method-assign]


async def _in_vain() -> str:
    return "cut off"


async def test_an_attempt_does_not_outlive_the_lease_that_others_see(server: RedisServer) -> None:
    """What another replica calls absent has ended by then."""
    async with asking_replicas(server.url, {"STORE_KEY": KEY}, **REFUSING) as (one, two):
        first = asyncio.create_task(one.create("Gateway-Timeout: 30", fault="hang"))
        await cut_off(one)
        assert await until_resolved(two) == {"absent": 1}
        assert next(each for each in one.simulator.journal if each.method == "POST").outcome != "open"
        assert (await two.create()).status == 201
        assert (await first).slug == "upstream_absent"
        assert one.created == 1


async def test_a_caller_whose_attempt_was_given_up_is_told_why(server: RedisServer) -> None:
    async with asking_replicas(server.url, {"STORE_KEY": KEY}, **REFUSING) as (one, _):
        first = asyncio.create_task(one.create("Gateway-Timeout: 12", fault="hang"))
        await cut_off(one)
        answer = await first
        assert (answer.status, answer.slug) == (502, "upstream_lost")
        assert "Redis could not be reached" in json.loads(answer.body)["message"]


@pytest.mark.parametrize("wrong", [8.0, -8.0])
async def test_a_clock_that_is_set_right_meanwhile_hides_nothing(
    replicas: list[Asking], wrong: float
) -> None:
    """The server's time was taken while a machine stood still: it is wrong by seconds until the next."""
    one, _ = replicas
    store = one.gateway.gateway.components.store
    assert store is not None
    store.server_clock._offset += wrong
    async with one.passing_time():
        await asyncio.sleep(100)
    one.simulator.faults.add("list-lag=9", method="GET")
    await lose(one, "reset-after")
    store.server_clock._offset -= wrong
    assert await until_resolved(one) == {"found": 1}
