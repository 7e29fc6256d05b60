"""Keyed requests over a real Redis: replicas send once, whatever becomes of the store or of one of them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.http.response import Response
from gateway.policy.idempotency_key import Claim
from tests.support.idempotency import CLAIM, LEASE, RECORD, KeyedReplica, replica
from tests.support.redis import RedisServer

OTHER_BODY = CLAIM._replace(fingerprint="2:" + "2" * 64)


def _answer(status: int = 201) -> Response:
    return Response(status, "Created", ((b"X", b"1"),), b"\x00\xff", None)


async def test_another_replica_replays(one: KeyedReplica, two: KeyedReplica) -> None:
    assert (await one.send(body=b"\x00\xff\r\n\r\n"))[0]
    sent, answer = await two.send()
    assert not sent
    assert (answer.status, answer.body) == (201, b"\x00\xff\r\n\r\n")
    assert answer.fields == ((b"X", b"1"), (b"Idempotent-Replayed", b"true"))
    assert await two.slug(OTHER_BODY) == "idempotency_conflict"
    assert (one.room.entries, two.room.entries) == (0, 0)
    assert one.store.runs == 2


async def test_everything_in_redis_expires_and_is_hashed(server: RedisServer, one: KeyedReplica) -> None:
    async with one.hold() as held:
        ttl, lease = server.client.pttl(RECORD), server.client.pttl(LEASE)
        assert 86_400_000 < ttl <= 86_430_000
        assert 0 < lease <= 30_000
        assert server.names() == {RECORD, LEASE}
        await held.keep(_answer())
    assert server.names() == {RECORD}
    assert 0 < server.client.pttl(RECORD) <= 86_400_000


async def test_duplicates_on_all_replicas_make_one_send(one: KeyedReplica, two: KeyedReplica) -> None:
    async with one.hold() as held:
        tasks = [asyncio.create_task(each.send()) for each in (one, two) for _ in range(10)]
        await one.until_event("waited", 10)
        await two.until_event("waited", 10)
        await held.keep(_answer())
    assert [sent for sent, _ in await asyncio.gather(*tasks)] == [False] * 20


async def test_when_the_first_is_released_one_of_all_sends(one: KeyedReplica, two: KeyedReplica) -> None:
    async with one.hold() as held:
        tasks = [asyncio.create_task(each.send()) for each in (one, two) for _ in range(10)]
        await one.until_event("waited", 10)
        await two.until_event("waited", 10)
        await held.release()
    assert sorted(sent for sent, _ in await asyncio.gather(*tasks)) == [False] * 19 + [True]


async def test_waiting_for_another_replica_ends_at_the_deadline(one: KeyedReplica, two: KeyedReplica) -> None:
    async with one.hold() as held:
        assert await two.slug(seconds=0.02) == "idempotency_in_flight"
        await held.keep(_answer())
    assert not (await two.send())[0]


async def test_unknown_and_spent_are_known_to_all(one: KeyedReplica, two: KeyedReplica) -> None:
    await one.send(status=500)
    assert await two.slug() == "idempotency_unknown"
    large = Claim("c" * 64, "1" * 64)
    await one.send(large, body=b"x" * 100_000)
    assert await two.slug(large) == "idempotency_not_kept"


async def test_a_redis_that_forgot_is_told_the_end(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica
) -> None:
    async with one.hold() as held:
        server.client.flushall()
        await held.keep(_answer())
    assert not (await two.send())[0]


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_what_could_not_be_written_is_written_later(
    one: KeyedReplica, two: KeyedReplica, fault: str
) -> None:
    async with one.hold() as held:
        one.store.faults.extend([fault] * 2)
        await held.keep(_answer())
    assert not (await one.send())[0]  # known here at once
    await one.store.until_runs(4)
    assert not (await two.send())[0]


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_claim_without_an_answer_is_repeated(
    one: KeyedReplica, two: KeyedReplica, fault: str
) -> None:
    """Whether Redis ran the script or not: this replica sends, and no other."""
    one.store.faults.extend([fault] * 3)
    async with one.hold() as held:
        assert one.events == ["store_slow", "sent"]
        assert await two.slug(seconds=0.02) == "idempotency_in_flight"
        await held.keep(_answer())
    assert not (await two.send())[0]


@pytest.mark.parametrize("fault", ["before_away", "after_away"])
async def test_a_store_that_is_away_leaves_local_records(
    one: KeyedReplica, two: KeyedReplica, fault: str
) -> None:
    one.store.faults.append(fault)
    async with one.hold() as held:
        assert one.events == ["store_away", "sent"]
        one.store.away = False
        await held.keep(_answer())
    assert not (await two.send())[0]  # the outcome was written, whether the beginning was or not


@pytest.mark.parametrize("fault", ["before_away", "after_away"])
async def test_a_store_that_is_away_refuses_if_told_to(
    server: RedisServer, two: KeyedReplica, fault: str
) -> None:
    async with replica(server, refuses=True) as strict:
        strict.store.faults.append(fault)
        assert await strict.slug() == "store_unavailable"
        strict.store.away = False
        await strict.room.close()  # all that was to be written is
        assert (await two.send())[0]  # nothing of it is left


async def test_a_claim_that_could_not_be_taken_back_is_superseded(
    server: RedisServer, two: KeyedReplica
) -> None:
    async with replica(server, refuses=True) as strict:
        strict.store.faults.append("after_away")
        assert await strict.slug() == "store_unavailable"
        await strict.store.until_runs(2)
        assert server.client.exists(RECORD)
        strict.store.away = False
        assert (await strict.send())[0]
    assert not (await two.send())[0]


async def test_a_caller_that_leaves_while_redis_answers_locks_nothing(
    one: KeyedReplica, two: KeyedReplica
) -> None:
    one.store.faults.append("hold")
    leaving = asyncio.create_task(one.send())
    await one.store.until_runs(1)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await one.store.until_runs(2)
    assert (await two.send())[0]


async def test_a_caller_that_leaves_while_the_end_is_written_undoes_nothing(
    one: KeyedReplica, two: KeyedReplica
) -> None:
    async def send() -> None:
        async with one.hold() as held:
            one.store.faults.append("late")
            one.store.asked.clear()
            await held.keep(_answer())

    leaving = asyncio.create_task(send())
    await one.store.until_runs(1)
    await one.store.asked.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    one.store.let_go.set()
    await one.store.until_runs(2)
    assert not (await two.send())[0]


async def test_a_frozen_redis(server: RedisServer, two: KeyedReplica) -> None:
    async with replica(server, answer_seconds=0.5) as one:
        async with one.hold() as held:
            server.freeze()
            try:
                await held.keep(_answer())  # gives up waiting, and goes on writing
                assert not (await one.send())[0]
                assert (await one.send(CLAIM._replace(scope="d" * 64)))[0]
            finally:
                server.thaw()
        async with asyncio.timeout(120):
            while one.room.entries:
                await one.store.until_runs(one.store.runs + 1)
    assert not (await two.send())[0]
    assert not (await two.send(CLAIM._replace(scope="d" * 64)))[0]


async def test_what_is_left_unwritten_reads_as_unknown(server: RedisServer, two: KeyedReplica) -> None:
    async with replica(server) as dying, dying.hold() as held:
        dying.store.away = True
        await held.keep(_answer())
    assert await two.slug(seconds=0.02) == "idempotency_in_flight"
    server.client.delete(LEASE)
    assert await two.slug() == "idempotency_unknown"


OTHER_FORMS: list[dict[str, bytes]] = [
    {"state": b"of the next release"},
    {"state": b"\xff\xfe"},
    {"status": b"zzz"},
    {"answer": b"{}"},
    {"answer": b""},
    {"fingerprint_2": b"\xff"},
]


@pytest.mark.parametrize("fields", OTHER_FORMS, ids=lambda fields: f"{fields}")
async def test_c11_a_record_of_another_form_is_an_unknown_outcome(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica, fields: dict[str, bytes]
) -> None:
    """Something was begun with this key, so nothing is sent; and that is no fault of the gateway's (500)."""
    assert (await one.send())[0]
    server.client.hset(RECORD, mapping=fields)
    assert await two.slug() == "idempotency_unknown"


@pytest.mark.parametrize("kind", ["string", "list", "zset"])
async def test_c11_a_record_of_another_type_is_an_unknown_outcome(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica, kind: str
) -> None:
    """The store stays available for the others, and a holder whose record was replaced writes the truth."""
    client: Any = server.client
    puts: dict[str, Callable[[], object]] = {
        "string": lambda: client.set(RECORD, "x"),
        "list": lambda: client.rpush(RECORD, "x"),
        "zset": lambda: client.zadd(RECORD, {"x": 1}),
    }
    put = puts[kind]
    put()
    for _ in range(5):
        assert await two.slug() == "idempotency_unknown"
    assert two.store.state.available
    server.client.delete(RECORD)
    async with one.hold() as held:
        server.client.delete(RECORD)
        put()
        await held.keep(_answer())
    sent, replayed = await two.send()
    assert (sent, replayed.status) == (False, 201)
