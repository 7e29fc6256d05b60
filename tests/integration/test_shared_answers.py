"""First answers in a real Redis: leases, bounds, late ends, and a store that does not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.redis.redis_store import RedisStore
from gateway.webhooks import answer_scripts
from gateway.webhooks.shared_answers import SharedAnswers, SharedFlight, SharedRepeat
from gateway.webhooks.signature import SigningSecret
from gateway.webhooks.webhook_repeats import WebhookAnswer
from tests.support.idempotency import FaultyStore
from tests.support.redis import RedisServer

ANSWER = WebhookAnswer(200, b"Content-Type: text/xml\r\n", b"<Response/>\n\x00\xff")
SECRET = SigningSecret("env:TOKEN", b"an auth token")


def flight(token: bytes = b"token", secret: SigningSecret = SECRET, signature: bytes = b"S") -> SharedFlight:
    return SharedFlight(("/sms", signature, token), secret)


@asynccontextmanager
async def replica(server: RedisServer, lease_seconds: float = 30) -> AsyncIterator[SharedAnswers]:
    store = RedisStore(server.url, lambda state: None, answer_seconds=5)
    answers = SharedAnswers(FaultyStore(store), store.server_clock.now, lease_seconds=lease_seconds)
    try:
        yield answers
    finally:
        await answers.close()
        await store.close()


def soon(seconds: float = 30) -> float:
    return asyncio.get_running_loop().time() + seconds


async def deliver(answers: SharedAnswers, each: SharedFlight, answer: WebhookAnswer | None = ANSWER) -> None:
    assert await answers.find(each, soon()) is None
    answers.end(each, answer)
    await answers.close()


async def test_an_answer_is_for_the_same_event_alone(server: RedisServer) -> None:
    async with replica(server) as one, replica(server) as two:
        await deliver(one, flight())
        assert await two.find(flight(), soon()) == ANSWER
        for other in (flight(b"other"), flight(signature=b"T"), SharedFlight(("/s", b"S", b"token"), SECRET)):
            assert await two.find(other, soon()) is None
        assert two.counts[SharedRepeat.ANSWERED] == 1


async def test_without_an_answer_the_next_one_delivers(server: RedisServer) -> None:
    async with replica(server) as one, replica(server) as two:
        await deliver(one, flight(), None)
        await deliver(two, flight())
        assert await one.find(flight(), soon()) == ANSWER


async def test_another_secret_reads_nothing_and_destroys_nothing(server: RedisServer) -> None:
    async with replica(server) as one, replica(server) as two:
        await deliver(one, flight())
        foreign = flight(secret=SigningSecret("env:OTHER", b"another token"))
        await deliver(two, foreign, WebhookAnswer(200, b"", b"forged"))
        assert two.counts[SharedRepeat.UNREADABLE] == 1
        assert await two.find(flight(), soon()) == ANSWER


async def test_a_lease_is_renewed_and_ends_with_its_replica(server: RedisServer) -> None:
    async with replica(server, 0.3) as one, replica(server, 30) as two:
        first = flight()
        assert await one.find(first, soon()) is None
        with pytest.raises(TimeoutError):
            await two.find(flight(), soon(0.8))  # longer than a lease: it was renewed
        assert two.counts[SharedRepeat.WAITED] == 1
        assert first.timer is not None
        first.timer.cancel()  # as if the process were gone
        second = flight()
        assert await two.find(second, soon()) is None
        one.end(first, ANSWER)  # too late
        await one.close()
        two.end(second, WebhookAnswer(200, b"", b"second"))
        await two.close()
        found = await one.find(flight(), soon())
        assert found is not None
        assert found.body == b"second"


async def test_entries_and_bytes_are_bounded(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds of one part, by the scripts' own figures: the oldest go first, and the count stays true."""
    async with replica(server) as one:
        large = WebhookAnswer(200, b"", b"x" * 70_000)
        part = [each for each in (flight(b"%d" % n) for n in range(3000)) if each.digest[0] % 16 == 0][:80]
        for each in part:
            await deliver(one, each, large)
        entries, ends, size = ("gateway:" + key for key in part[0].keys)
        kept = server.client.hlen(entries)
        assert kept == server.client.zcard(ends) == answer_scripts.MAX_BYTES // 16 // 70_250
        values = server.client.hvals(entries)
        assert int(server.client.get(size)) == sum(len(value) + 200 for value in values)
        assert await one.find(flight_again(part[-1]), soon()) == large
        assert await one.find(flight_again(part[0]), soon()) is None
        assert 0 < server.client.pttl(entries) <= 300_000
        assert {server.client.pttl(key) > 0 for key in (ends, size)} == {True}


def flight_again(each: SharedFlight) -> SharedFlight:
    other = flight()
    other.digest, other.keys, other.seal_key = each.digest, each.keys, each.seal_key
    return other


async def test_an_answer_that_is_too_large_is_not_shared(server: RedisServer) -> None:
    async with replica(server) as one, replica(server) as two:
        await deliver(one, flight(), WebhookAnswer(200, b"", b"x" * 90_000))
        assert one.counts[SharedRepeat.TOO_LARGE] == 1
        assert await two.find(flight(), soon()) is None


async def test_a_store_that_does_not_answer_refuses_nothing(server: RedisServer) -> None:
    async with replica(server) as one, replica(server) as two:
        store = one._store
        assert isinstance(store, FaultyStore)
        store.faults.append("after")  # the flight has begun, and nobody said so
        await deliver(one, flight())
        assert await two.find(flight(), soon()) == ANSWER
        store.faults.append("before")
        assert await one.find(flight(b"2"), soon()) is None
        waited = flight(b"3")
        assert await two.find(waited, soon()) is None
        store.faults.extend(("", "before", "before_away"))  # it waits for the other, through a gap
        assert await one.find(flight(b"3"), soon()) is None
        assert one.counts[SharedRepeat.STORE_UNAVAILABLE] == 4
        assert one.counts[SharedRepeat.WAITED] == 1
