"""Leases in Redis: lost ones, renewed ones, and those that must not touch what is another's."""

import asyncio

from gateway.http.response import Response
from gateway.idempotency.claim_rules import ClaimState, Record
from gateway.idempotency.redis_records import Lease, RedisRecords
from tests.support.idempotency import CLAIM, LEASE, RECORD, KeyedReplica
from tests.support.redis import RedisServer

OTHER_BODY = CLAIM._replace(fingerprint="2:" + "2" * 64)


def _answer(status: int = 201) -> Response:
    return Response(status, "Created", ((b"X", b"1"),), b"\x00\xff", None)


async def test_a_lost_lease_is_an_unknown_outcome(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica
) -> None:
    async with one.hold() as held:
        server.client.delete(LEASE)  # what Redis does when nobody has renewed it for 30 s
        assert await two.slug() == "idempotency_unknown"
        assert await two.slug(OTHER_BODY) == "idempotency_conflict"
        await held.keep(_answer())  # it was only slow: the truth is better than the doubt
    assert not (await two.send())[0]


def _records(of: KeyedReplica) -> RedisRecords:
    return RedisRecords(
        of.store, ttl_seconds=60, unwritten_max=1, find=lambda scope: None, on_written=lambda scope: None,
        lease_seconds=30, renew_seconds=0.01,
    )  # fmt: skip


async def test_a_lease_is_renewed_while_it_is_held(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica
) -> None:
    records = _records(one)
    lease = records.lease(CLAIM)
    assert await records.begin(lease) is None
    records.keep_renewed(lease)
    server.client.delete(LEASE)
    await one.store.until_runs(one.store.runs + 2)
    assert server.client.exists(LEASE)
    server.client.flushall()  # a Redis that forgot: the flight is entered again
    await one.store.until_runs(one.store.runs + 2)
    assert await two.slug(OTHER_BODY) == "idempotency_conflict"
    await one.store.until_quiet()  # else a renewal that is under way is to be marked as too late
    await records.settle(lease, None)
    assert server.names() == set()
    await records.close()


async def test_many_leases_are_renewed_less_often_each(one: KeyedReplica) -> None:
    """Else thousands of requests that wait for a slow Twilio would take the loop and Redis from others."""
    records = RedisRecords(
        one.store, ttl_seconds=60, unwritten_max=1, find=lambda scope: None, on_written=lambda scope: None
    )
    one.store.away = True
    loop = asyncio.get_running_loop()

    def pause(lease: Lease) -> float:
        asked_at = loop.time()
        records.keep_renewed(lease)
        assert lease.timer is not None
        return lease.timer.when() - asked_at

    leases = [records.lease(CLAIM._replace(scope=f"{number:064x}")) for number in range(5000)]
    pauses = [pause(lease) for lease in leases]
    assert pauses[0] < 5 <= pauses[-1]
    for lease in leases:
        records.settle_soon(lease, None)
    assert pause(leases[0]) < 5
    records.settle_soon(leases[0], None)
    await records.close(60)


async def test_a_lease_says_nothing_about_anothers_record(
    server: RedisServer, one: KeyedReplica, two: KeyedReplica
) -> None:
    records = _records(one)
    old, late = records.lease(CLAIM), records.lease(CLAIM)
    assert await records.begin(old) is None
    server.client.flushall()
    async with two.hold() as held:
        await records.settle(old, None)
        await records.settle(late, Record(ClaimState.KEPT, CLAIM.fingerprint, 200, b"of another"))
        records.keep_renewed(old)
        await one.store.until_runs(one.store.runs + 1)
        await records.settle(old, None)
        assert await one.slug(seconds=0.02) == "idempotency_in_flight"
        await held.keep(_answer(202))
    await records.settle(old, None)
    assert (await one.send())[1].status == 202
    await records.close()


async def test_what_is_settled_stays_so(server: RedisServer, one: KeyedReplica, two: KeyedReplica) -> None:
    records = _records(one)
    lease = records.lease(CLAIM)
    assert await records.begin(lease) is None
    await records.settle(lease, Record(ClaimState.UNKNOWN, CLAIM.fingerprint))
    records.keep_renewed(lease)  # a renewal that comes late
    await one.store.until_runs(one.store.runs + 1)
    await records.settle(lease, None)
    assert await two.slug() == "idempotency_unknown"
    assert server.names() == {RECORD}
    await records.close()
