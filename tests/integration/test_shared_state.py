"""State that outlives a reload or is shared through Redis: whose it is (B16, C9, C10)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, request
from tests.support.redis import RedisServer
from tests.support.running import ENVIRON, KEY, Running, configuration, consumer, running_gateway
from tests.support.upstream import RawUpstream

OTHER_KEY = "gw_test-key-of-another-consumer-of-that-name-0"
THIRD_KEY = "gw_test-key-that-follows-the-other-by-rotation"


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
    tmp_path: Path, upstream: RawUpstream, server: RedisServer, case: str, shared: bool
) -> None:
    before, after, status = C9_CASES[case]
    settings = {"store": server.url} if shared else {}
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
    server: RedisServer,
    shared: bool,
    limits: tuple[dict[str, Any], ...],
) -> None:
    """It would have waited for ten seconds."""
    settings = {"store": server.url} if shared else {}
    async with running_gateway(upstream.url, **limited(WAITED, **settings)) as gateway:
        limiter = gateway.gateway.components.limiter
        assert (await send(gateway)).status == 200
        waiting = asyncio.create_task(send(gateway))
        async with asyncio.timeout(120):
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
    tmp_path: Path, upstream: RawUpstream, server: RedisServer, shared: bool
) -> None:
    settings = {"store": server.url} if shared else {}
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


async def test_c10_two_deployments_on_one_redis_share_nothing(
    upstream: RawUpstream, server: RedisServer
) -> None:
    one = limited(DAILY, store=server.url, store_prefix="staging")
    two = limited(DAILY, store=server.url, store_prefix="production")
    async with running_gateway(upstream.url, **one) as first, running_gateway(upstream.url, **two) as second:
        assert [(await send(first)).status for _ in range(3)] == [200, 200, 429]
        assert [(await send(second)).status for _ in range(3)] == [200, 200, 429]
        assert (await send(first, idempotency_key="abc")).status == 429
        prefixes = {name.decode().partition(":")[0] for name in server.client.scan_iter()}
    assert prefixes == {"staging", "production"}
