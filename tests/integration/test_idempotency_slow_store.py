"""Keyed requests while Redis pauses, forgets, or is shared with another consumer of the same name."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from gateway.http.response import Response
from tests.support.idempotency import CLAIM, RECORD, KeyedReplica, replica
from tests.support.moved_clock import BoundedTime
from tests.support.redis import RedisServer

FOREIGN = CLAIM._replace(identities=("c" * 16,), fingerprint="2:" + "3" * 64, fingerprint_v1="3" * 64)


@pytest.fixture
def silence() -> BoundedTime:
    """How long Redis has been silent: no longer than the test has it be, whatever the machine does."""
    return BoundedTime()


@pytest.fixture
async def one(server: RedisServer, silence: BoundedTime) -> AsyncIterator[KeyedReplica]:
    """With the time-out of a real gateway: 80 ms."""
    async with replica(server, 0.08, silence.time) as made:
        yield made


@pytest.fixture
async def two(server: RedisServer, silence: BoundedTime) -> AsyncIterator[KeyedReplica]:
    async with replica(server, 0.08, silence.time) as made:
        yield made


def _answer(status: int = 201) -> Response:
    return Response(status, "Created", ((b"X", b"1"),), b"\x00\xff", None)


@pytest.mark.parametrize("pause", [100, 150, 300, 500])
async def test_a_pause_of_redis_sends_nothing_twice(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica, silence: BoundedTime, pause: int
) -> None:
    """Ten callers with one key at each replica, while nothing is answered."""
    await asyncio.gather(one.store.store.open(), two.store.store.open())
    silence.allow(pause / 1000)
    server.freeze()
    tasks = [asyncio.create_task(each.send()) for each in (one, two) for _ in range(10)]
    await asyncio.sleep(pause / 1000)
    server.thaw()
    sent = [each for each, _ in await asyncio.gather(*tasks)]
    assert sorted(sent) == [False] * 19 + [True]
    assert "store_away" not in one.events + two.events


async def test_pauses_at_random_send_nothing_twice(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica, silence: BoundedTime
) -> None:
    """Claims, renewals and ends all meet pauses; each key is sent once."""
    chance = random.Random(5)
    for number in range(12):
        claim = CLAIM._replace(scope=f"{number:064x}")
        silence.allow(0.4)
        if number % 2:
            await asyncio.to_thread(server.client.client_pause, chance.randint(50, 400))
        else:
            pausing = asyncio.to_thread(server.client.execute_command, "DEBUG", "SLEEP", chance.random() / 3)
            asyncio.get_running_loop().create_task(pausing)
        tasks = [asyncio.create_task(each.send(claim)) for each in (one, two) for _ in range(3)]
        assert sum(sent for sent, _ in await asyncio.gather(*tasks)) == 1, number


async def test_a_deadline_that_passes_in_a_pause_locks_nothing(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica
) -> None:
    """The scripts that were not answered run later: they must not begin a flight that nobody ends."""
    await one.store.store.open()
    server.freeze()
    try:
        assert await one.slug(seconds=0.3) == "store_unavailable"
    finally:
        server.thaw()
    await one.room.close()
    assert (await two.send())[0]


async def test_a_holder_whose_claim_was_flushed_writes_the_truth(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica
) -> None:
    async with one.hold() as held:
        server.client.flushall()
        answer = await held.keep(_answer())
        assert answer.status == 201
    sent, replayed = await two.send()
    assert (sent, replayed.status, replayed.body) == (False, 201, b"\x00\xff")
    assert "second_holder" not in one.events


async def test_a_second_holder_is_reported_and_each_gets_its_own_answer(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica
) -> None:
    async with one.hold() as held:
        server.client.flushall()
        assert (await two.send(body=b"second"))[0]
        assert (await held.keep(_answer(202))).status == 202
    assert one.events == ["sent", "second_holder"]
    assert two.events == ["sent"]
    assert not (await two.send())[0]


async def test_b16_a_new_consumer_of_the_same_name_inherits_no_record(
    one: KeyedReplica, two: KeyedReplica
) -> None:
    assert (await one.send())[0]
    assert (await two.send(FOREIGN, body=b"mine"))[0]
    sent, answer = await two.send(FOREIGN)
    assert (sent, answer.body) == (False, b"mine")


async def test_b16_a_new_consumer_waits_for_the_flight_of_the_former(
    one: KeyedReplica, two: KeyedReplica
) -> None:
    """And a flight whose holder is gone does not bind it."""
    async with one.hold() as held:
        assert await two.slug(FOREIGN, seconds=0.02) == "idempotency_in_flight"
        assert await one.slug(FOREIGN, seconds=0.02) == "idempotency_in_flight"
        await held.unknown()
    assert (await two.send(FOREIGN))[0]
    assert (await one.send(FOREIGN._replace(identities=("d" * 16,))))[0]


async def test_b16_a_consumer_that_rotates_its_keys_keeps_its_records(
    one: KeyedReplica, two: KeyedReplica
) -> None:
    rotated = CLAIM._replace(identities=(*CLAIM.identities, "e" * 16))
    assert (await one.send(rotated))[0]
    assert not (await two.send(rotated._replace(identities=("e" * 16,))))[0]


async def test_everything_has_the_prefix(server: RedisServer, one: KeyedReplica) -> None:
    async with one.hold() as held:
        assert all(name.startswith("gateway:") for name in server.names())
        assert RECORD in server.names()
        await held.release()
