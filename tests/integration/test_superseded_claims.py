"""Keyed requests whose end Redis did not hear of: the next one of their process ends them with its own."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.idempotency.redis_records import Lease, RedisRecords
from gateway.redis.availability import StoreUnavailable
from tests.support.idempotency import CLAIM, RECORD, KeyedReplica, replica
from tests.support.redis import RedisServer


@pytest.fixture
async def one(server: RedisServer) -> AsyncIterator[KeyedReplica]:
    async with replica(server) as made:
        yield made


@pytest.fixture
async def records(one: KeyedReplica) -> AsyncIterator[RedisRecords]:
    made = RedisRecords(
        one.store, ttl_seconds=60, unwritten_max=100, find=lambda scope: None, on_written=lambda scope: None
    )
    yield made
    await made.close(0)


async def unsure(one: KeyedReplica, records: RedisRecords, lease: Lease, fault: str) -> Lease:
    """Its begin was not answered."""
    one.store.faults.append(fault)
    with pytest.raises(StoreUnavailable):
        await records.begin(lease)
    return lease


async def test_two_that_could_not_be_taken_back_are_both_superseded(
    one: KeyedReplica, records: RedisRecords
) -> None:
    """The second was begun before it was known that the first could not be taken back."""
    first, second = records.lease(CLAIM), records.lease(CLAIM)
    for each in (first, second):
        await unsure(one, records, each, "before")
    one.store.faults += ["before"] * 3
    await records.settle(second, None)
    await records.settle(first, None)
    third = records.lease(CLAIM)
    assert set(third.tokens) >= {*first.tokens, *second.tokens}
    assert third.is_unsure


@pytest.mark.parametrize("which", ["first", "second"])
async def test_a_begin_that_runs_after_the_end_of_the_next_begins_nothing(
    server: RedisServer, one: KeyedReplica, records: RedisRecords, which: str
) -> None:
    first = await unsure(one, records, records.lease(CLAIM), "before")
    one.store.faults += ["before"] * 2
    await records.settle(first, None)
    await one.store.until_runs(3)
    second = await unsure(one, records, records.lease(CLAIM), "before")
    await records.settle(second, None)
    await asyncio.gather(*records._tasks)
    late = {"first": first, "second": second}[which]
    await records.begin(late)  # the one that was thought to be lost
    assert not server.client.exists(RECORD)


async def test_a_renewal_that_runs_after_the_end_begins_nothing(
    server: RedisServer, one: KeyedReplica, records: RedisRecords
) -> None:
    """It was lost on its way, or Redis did not know the script: the key would be in flight for nobody."""
    lease = records.lease(CLAIM)
    assert await records.begin(lease) is None
    one.store.faults.append("late")
    renewing = asyncio.create_task(records._renew(lease))
    await one.store.until_asked()
    await records.settle(lease, None)
    one.store.let_go.set()
    await renewing
    assert not server.client.exists(RECORD)
