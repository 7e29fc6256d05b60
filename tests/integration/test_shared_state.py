"""State that outlives a reload or is shared through Redis: whose it is, what disturbs it (B16, C8 to C11)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.background.loops import BackgroundLoops
from gateway.concurrency.adaptive_limit import AdaptiveLimitOptions
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiters, LimiterKey
from gateway.concurrency.limit_sharing import LimitSharing
from gateway.config.loading.resolve import load_resolved
from gateway.rate_limits.gcra import Verdict
from gateway.rate_limits.memory_limits import LimitRequest
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from gateway.redis.server_clock import ServerClock
from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, request
from tests.support.limits import SECOND, keys, limit
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON, KEY, Running, configuration, consumer, running_gateway
from tests.support.upstream import RawUpstream

OTHER_KEY = "gw_test-key-of-another-consumer-of-that-name-0"
THIRD_KEY = "gw_test-key-that-follows-the-other-by-rotation"
ACCOUNT = LimiterKey("AC" + "0" * 32, "us1", "api")


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(running: RedisServer) -> RedisServer:
    running.client.flushall()
    return running


@pytest.fixture
async def store(redis: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis.url, lambda state: None, answer_seconds=20)
    await store.open()
    yield store
    await store.close()


async def exact(store: RedisStore) -> None:
    """Ask for the time until the answer is quick, which the first one is not on a busy machine."""
    assert store._pipe is not None
    while store.server_clock._error > 0.0003:
        await store._ask_time(store._pipe)


async def apply(gateway: Running, folder: Path, upstream: RawUpstream, **settings: Any) -> None:
    """A reload, without waiting for a watcher."""
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration(upstream.url, log={"format": "json"}, **settings)))
    await gateway.gateway.apply(make_configuration(load_resolved(path, ENVIRON)))


def limited(*limits: dict[str, Any], key: str = KEY, **settings: Any) -> dict[str, Any]:
    return {"consumers": {"app": consumer(key, limits=list(limits))}, **settings}


async def send(gateway: Running, *, key: str = KEY, idempotency_key: str = "") -> RawAnswer:
    fields = [FORM, *([f"Idempotency-Key: {idempotency_key}"] if idempotency_key else [])]
    given = request(f"POST {MESSAGES}", *fields, body=b"To=%2B15550100001&Body=x", auth=f"Bearer {key}")
    return await ask(gateway.port, given)


DAILY, FAST = {"rate": "2/d"}, {"rate": "20/s"}

C9_CASES: dict[str, tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...], int]] = {
    "removed": ((DAILY, FAST), (FAST,), 200),
    "raised": ((DAILY,), ({"rate": "2000/d"},), 200),
    "raised_burst": ((DAILY,), ({"rate": "2/d", "burst": 50},), 200),
    "other_period": ((DAILY,), ({"rate": "2/s"},), 200),
    "other_per": ((DAILY,), ({"rate": "2/d", "per": "account"},), 200),
    "other_route": ((DAILY,), ({"rate": "2/d", "route": "messages:send"},), 200),
    "swapped": ((FAST, DAILY), (DAILY, FAST), 429),
    "moved": ((DAILY,), (FAST, {"rate": "9/s"}, DAILY), 429),
    "same_rate_written_otherwise": (({"rate": "48/d"},), ({"rate": "2/h", "burst": 48},), 429),
    "lighter": (({"rate": "4/d", "weight": 2},), ({"rate": "4/d"},), 200),
    "twin_of_another_weight": (({"rate": "2/d", "weight": 2}, {"rate": "2/d"}), (DAILY,), 200),
    "weight_and_mode": ((DAILY,), ({"rate": "2/d", "max_wait_seconds": 0.01},), 429),
}


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "redis"])
@pytest.mark.parametrize("case", C9_CASES)
async def test_c9_a_limits_state_belongs_to_its_shape(
    tmp_path: Path, upstream: RawUpstream, redis: RedisServer, case: str, shared: bool
) -> None:
    before, after, status = C9_CASES[case]
    settings = {"store": redis.url} if shared else {}
    async with running_gateway(upstream.url, **limited(*before, **settings)) as gateway:
        for _ in range(60):
            if (await send(gateway)).status == 429:
                break
        else:
            pytest.fail("the limit was not used up")
        await apply(gateway, tmp_path, upstream, **limited(*after, **settings))
        answer = await send(gateway)
        assert answer.status == status, answer.value("Retry-After")


WAITED = {"rate": "6/m", "burst": 1, "max_wait_seconds": 20}


@pytest.mark.parametrize(
    "limits",
    [({"rate": "60000/m", "burst": 1000},), (), ({"rate": "5/s"}, {"rate": "9/s"})],
    ids=["raised", "removed", "others"],
)
@pytest.mark.parametrize("shared", [False, True], ids=["memory", "redis"])
async def test_c9_a_request_that_waits_goes_by_the_limits_that_replace_its_own(
    tmp_path: Path,
    upstream: RawUpstream,
    redis: RedisServer,
    shared: bool,
    limits: tuple[dict[str, Any], ...],
) -> None:
    """It would have waited for ten seconds."""
    settings = {"store": redis.url} if shared else {}
    async with running_gateway(upstream.url, **limited(WAITED, **settings)) as gateway:
        limiter = gateway.gateway.components.limiter
        assert (await send(gateway)).status == 200
        waiting = asyncio.create_task(send(gateway))
        async with asyncio.timeout(60):
            while not limiter._sleeping:  # noqa: ASYNC110 - nothing reports that it waits
                await asyncio.sleep(0.01)
            await apply(gateway, tmp_path, upstream, **limited(WAITED, **settings))  # changes nothing
            await asyncio.sleep(0)
            assert limiter._sleeping
            await apply(gateway, tmp_path, upstream, **limited(*limits, **settings))
            assert (await waiting).status == 200


async def test_c9_two_limits_of_one_shape_are_counted_apart(upstream: RawUpstream) -> None:
    """Else each request would spend both out of one."""
    async with running_gateway(upstream.url, **limited({"rate": "4/d"}, {"rate": "4/d"})) as gateway:
        assert [(await send(gateway)).status for _ in range(5)] == [200] * 4 + [429]


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "redis"])
async def test_b16_a_new_consumer_of_the_same_name_inherits_nothing(
    tmp_path: Path, upstream: RawUpstream, redis: RedisServer, shared: bool
) -> None:
    settings = {"store": redis.url} if shared else {}
    async with running_gateway(upstream.url, **limited(DAILY, **settings)) as gateway:
        first = [await send(gateway, idempotency_key="abc") for _ in range(2)]
        assert [answer.value("Idempotent-Replayed") for answer in first] == ["", "true"]
        await send(gateway)
        assert (await send(gateway)).status == 429
        sent = len(upstream.received)
        await apply(gateway, tmp_path, upstream, **limited(DAILY, key=OTHER_KEY, **settings))
        answer = await send(gateway, key=OTHER_KEY, idempotency_key="abc")
        assert (answer.status, answer.value("Idempotent-Replayed")) == (200, "")
        assert len(upstream.received) == sent + 1


async def test_b16_a_consumer_that_rotates_its_keys_keeps_its_records(
    tmp_path: Path, upstream: RawUpstream
) -> None:
    def app(*own: str) -> dict[str, Any]:
        settings = consumer(own[0])
        settings["keys"] = [key for each in own for key in consumer(each)["keys"]]
        return {"consumers": {"app": settings}}

    async with running_gateway(upstream.url, **app(OTHER_KEY)) as gateway:
        await apply(gateway, tmp_path, upstream, **app(OTHER_KEY, THIRD_KEY))
        await send(gateway, key=OTHER_KEY, idempotency_key="abc")
        await apply(gateway, tmp_path, upstream, **app(THIRD_KEY))
        answer = await send(gateway, key=THIRD_KEY, idempotency_key="abc")
        assert answer.value("Idempotent-Replayed") == "true"
        assert len(upstream.received) == 1


@pytest.mark.parametrize("ahead", [20.0, -20.0, 86_400.0])
async def test_c8_replicas_with_other_clocks_share_a_limit(
    redis: RedisServer, store: RedisStore, ahead: float
) -> None:
    """Both count by Redis' clock, whatever their own says."""
    skewed = RedisStore(redis.url, lambda state: None, answer_seconds=20, clock=lambda: time.time() + ahead)
    await skewed.open()
    try:
        assert skewed.server_clock.ahead_seconds == pytest.approx(ahead, abs=1)
        for each in (skewed, store):
            await exact(each)
        wanted = keys(limit("4/m", 4))
        stores = [RedisLimits(each, each.server_clock.now) for each in (skewed, store)]
        verdicts = [
            (await stores[number % 2].spend(LimitRequest(wanted))).decision.verdict for number in range(6)
        ]
        assert verdicts == [Verdict.ADMITTED] * 4 + [Verdict.REFUSED] * 2
    finally:
        await skewed.close()


async def test_c8_a_user_without_the_right_to_time(redis: RedisServer) -> None:
    """It counts by its own clock, as well as it can."""
    redis.client.execute_command("ACL", "SETUSER", "no-time", "on", ">pass", "~*", "&*", "+@all", "-time")
    url = redis.url.replace("redis://", "redis://no-time:pass@")
    store = RedisStore(url, lambda state: None, answer_seconds=20)
    await store.open()
    try:
        assert store.state.available
        assert not store.server_clock.is_shared
        assert store.server_clock.now() == pytest.approx(time.time(), abs=1)
        result = await RedisLimits(store, store.server_clock.now).spend(LimitRequest(keys(limit("1/m", 1))))
        assert result.decision.verdict is Verdict.ADMITTED
    finally:
        await store.close()


def test_c8_a_slow_answer_does_not_replace_a_good_one() -> None:
    now = [1000.0]
    clock = ServerClock(lambda: 5.0, lambda: now[0])
    assert clock.now() == 5.0
    started_at = clock.start()
    now[0] += 0.02
    clock.set(started_at, [b"2000", b"500000"])
    assert clock.now() == pytest.approx(2000.51)
    started_at = clock.start()
    now[0] += 3.0
    clock.set(started_at, [b"2001", b"0"])
    assert clock.now() == pytest.approx(2003.51)
    started_at = clock.start()
    now[0] += 3.0
    clock.set(started_at, [b"1990", b"0"])  # more than a round trip away: the server's clock was set
    assert clock.now() == pytest.approx(1991.5)
    clock.use_own()
    assert clock.now() == 5.0


async def test_c8_a_state_far_ahead_delays_nobody_for_longer_than_the_limit_can(store: RedisStore) -> None:
    """Whoever wrote it: the next request waits for one place, not for hours."""
    now = 1_700_000_000.0
    shared = RedisLimits(store, lambda: now)
    wanted = keys(limit("1/s", 3, max_wait_seconds=2))
    await RedisLimits(store, lambda: now + 7200).spend(LimitRequest(wanted))
    refused = (await shared.spend(LimitRequest(wanted))).decision
    assert (refused.verdict, refused.wait_us) == (Verdict.REFUSED, 3 * SECOND)
    now += 3.0
    assert (await shared.spend(LimitRequest(wanted))).decision.verdict is Verdict.ADMITTED


async def test_c10_two_deployments_on_one_redis_share_nothing(
    upstream: RawUpstream, redis: RedisServer
) -> None:
    one = limited(DAILY, store=redis.url, store_prefix="staging")
    two = limited(DAILY, store=redis.url, store_prefix="production")
    async with running_gateway(upstream.url, **one) as first, running_gateway(upstream.url, **two) as second:
        assert [(await send(first)).status for _ in range(3)] == [200, 200, 429]
        assert [(await send(second)).status for _ in range(3)] == [200, 200, 429]
        assert (await send(first, idempotency_key="abc")).status == 429
        prefixes = {name.decode().partition(":")[0] for name in redis.client.scan_iter()}
    assert prefixes == {"staging", "production"}


class Sharing:
    """Replicas that share the learned limit of one account, in rounds of half a second."""

    def __init__(self, store: RedisStore) -> None:
        self.failures: list[str] = []
        self.loops = [BackgroundLoops(lambda name, error: self.failures.append(name)) for _ in range(2)]
        self.limiters = [ConcurrencyLimiters(AdaptiveLimitOptions(initial=20), 10) for _ in range(2)]
        for each in self.limiters:
            each.get(ACCOUNT)
        self.sharing = [
            LimitSharing(limiters, store, store.server_clock.now, loops)
            for limiters, loops in zip(self.limiters, self.loops, strict=True)
        ]

    @property
    def is_shared(self) -> bool:
        return not any(limiters.get(ACCOUNT).adaptive_limit.yields for limiters in self.limiters)

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not met():  # noqa: ASYNC110 - rounds of the parts are watched, nothing reports their end
                await asyncio.sleep(0.05)

    async def next_round(self) -> None:
        """Wait until every replica has finished a round that began after this call."""
        for loops in self.loops:
            for _ in range(2):
                (loop,) = loops
                beat_at = loop._beat_at
                await self.until(lambda loop=loop, beat_at=beat_at: loop._beat_at > beat_at)  # type: ignore[misc]


@pytest.fixture
async def sharing(store: RedisStore) -> AsyncIterator[Sharing]:
    made = Sharing(store)
    for each in made.sharing:
        each.start()
    await made.until(lambda: made.is_shared)
    yield made
    for each in made.sharing:
        await each.close()


REPORTS = f"gateway:shares:{{{ACCOUNT.account}:{ACCOUNT.region}:{ACCOUNT.product}}}"
ODD_FIELDS = {
    "empty": b"",
    "words": b"not a report at all",
    "fewer_numbers": b"1 2 3",
    "negative": b"-5 0 0 1700000000",
    "huge": b"99999999999999999999 0 5 1700000000",
    "nan": b"5 0 5 nan",
    "infinite": b"5 0 5 inf",
    "bytes": b"\xff\xfe",
    "json": b'{"limit": 5}',
}


@pytest.mark.parametrize("field", ODD_FIELDS.values(), ids=ODD_FIELDS.keys())
async def test_c11_a_field_of_another_form_is_skipped(
    redis: RedisServer, sharing: Sharing, field: bytes
) -> None:
    limits = [each.get(ACCOUNT).adaptive_limit.limit for each in sharing.limiters]
    redis.client.hset(REPORTS, mapping={"another-release": field, b"\xff": field})
    await sharing.next_round()
    assert sharing.is_shared
    assert [each.get(ACCOUNT).adaptive_limit.limit for each in sharing.limiters] == limits
    assert sharing.failures == []


@pytest.mark.parametrize("disturb", ["flushall", "string", "list"])
async def test_c11_redis_forgets_or_holds_something_else(
    redis: RedisServer, sharing: Sharing, disturb: str
) -> None:
    for _ in range(20):
        redis.client.flushall()
        if disturb == "string":
            redis.client.set(REPORTS, "x")
        if disturb == "list":
            redis.client.lpush(REPORTS, "x")
        await asyncio.sleep(0.05)
    await sharing.next_round()
    await sharing.until(lambda: sharing.is_shared)
    assert sharing.failures == []


async def test_c11_a_user_without_the_right_to_hgetall(redis: RedisServer) -> None:
    """Replicas coordinate by windows instead; limits still use Redis, and the loop's age shows it."""
    redis.client.execute_command("ACL", "SETUSER", "no-all", "on", ">pass", "~*", "&*", "+@all", "-hgetall")
    store = RedisStore(
        redis.url.replace("redis://", "redis://no-all:pass@"), lambda state: None, answer_seconds=20
    )
    await store.open()
    made = Sharing(store)
    try:
        for each in made.sharing:
            each.start()
        await made.until(lambda: store.questions >= 12)  # three rounds
        assert not made.is_shared
        assert store.state.available
        result = await RedisLimits(store, store.server_clock.now).spend(LimitRequest(keys(limit("1/m", 1))))
        assert result.decision.verdict is Verdict.ADMITTED
        assert all(loop.age_seconds > 1 for loops in made.loops for loop in loops)
    finally:
        for each in made.sharing:
            await each.close()
        await store.close()


async def test_c11_reports_of_dead_replicas_are_dropped(redis: RedisServer, sharing: Sharing) -> None:
    now = time.time()
    redis.client.hset(
        REPORTS, mapping={"dead": f"30 0 30 {now - 90:.3f}", "ahead": f"30 0 30 {now + 90:.3f}"}
    )
    await sharing.next_round()
    assert {name.decode() for name in redis.client.hkeys(REPORTS)} == {
        each.replica for each in sharing.sharing
    }
