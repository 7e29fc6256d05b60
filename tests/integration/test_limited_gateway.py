"""Rate limits as callers and operators of a whole gateway see them."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any
from urllib.request import urlopen

import pytest

from gateway.config.problems import ConfigError
from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, request
from tests.support.metrics import scrape
from tests.support.redis import lose_patience, redis_server
from tests.support.running import Running, consumer, running_gateway
from tests.support.upstream import RawUpstream

USED = "gateway_rate_limit_used_ratio"


def limited(*limits: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Settings of a gateway whose consumer `app` has limits."""
    return {"consumers": {"app": consumer(limits=list(limits))}, **settings}


async def send(gateway: Running, to: str = "%2B15550100001") -> RawAnswer:
    """Ask for a message."""
    body = f"To={to}&Body=x".encode()
    return await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=body))


async def test_told_admitted_and_refused(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, **limited({"rate": "1/m", "burst": 2})) as gateway:
        first, second, third = [await send(gateway) for _ in range(3)]
        assert (first.status, first.value("RateLimit-Policy")) == (200, '"app-0";q=2;w=120')
        assert (first.value("RateLimit"), second.value("RateLimit")) == (
            '"app-0";r=1;t=60',
            '"app-0";r=0;t=60',
        )
        assert (third.status, third.slug, third.value("Retry-After")) == (429, "rate_limited", "60")
        assert third.value("RateLimit-Policy") == '"app-0";q=2;w=120'
        assert third.value("RateLimit") == '"app-0";r=0;t=60'
        answer = json.loads(third.body)
        assert (answer["code"], answer["status"], answer["gateway_error"]) == (20429, 429, "rate_limited")
        assert len(upstream.received) == 2


async def test_scraped(upstream: RawUpstream) -> None:
    """How much is used up, by consumer and limit; numbers of destinations make no series."""
    limits = limited({"rate": "4/d"}, {"rate": "9/d", "per": "destination"})
    async with running_gateway(upstream.url, **limits) as gateway:
        assert (await send(gateway)).status == 200
        samples = await scrape(gateway.admin_url)
        used = {labels: value for (name, labels), value in samples.items() if name == USED}
        assert used == {(("consumer", "app"), ("limit", "app/0")): 0.25}


async def test_per_destination_and_route(upstream: RawUpstream) -> None:
    limits = limited(
        {"rate": "1/d", "per": "destination", "route": "messages:send"},
        {"rate": "1/d", "burst": 3, "route": "messages:send"},
    )
    async with running_gateway(upstream.url, **limits) as gateway:
        assert (await send(gateway)).status == 200
        assert (await send(gateway, "whatsapp:%2B15550100001")).slug == "rate_limited"
        assert (await send(gateway, "%2B15550100002")).status == 200
        assert (await send(gateway, "%2B15550100003")).status == 200  # the refusal has cost nothing
        assert (await send(gateway, "%2B15550100004")).slug == "rate_limited"
        read = await ask(gateway.port, request(f"GET {MESSAGES}"))
        assert (read.status, read.values("RateLimit")) == (200, [])
        assert "5550100001" not in json.dumps(gateway.log())


async def test_may_wait(upstream: RawUpstream) -> None:
    limits = limited({"rate": "2/s", "burst": 1, "max_wait_seconds": 5})
    async with running_gateway(upstream.url, **limits) as gateway:
        answers = await asyncio.gather(*[send(gateway) for _ in range(4)])
        assert [answer.status for answer in answers] == [200] * 4
        waited = [line["limit"] for line in await gateway.exchange_logged(4) if "limit" in line]
        assert set(waited) == {"app/0"}


async def test_no_wait_past_the_callers_deadline(upstream: RawUpstream) -> None:
    limits = limited({"rate": "1/m", "burst": 1, "max_wait_seconds": 60})
    async with running_gateway(upstream.url, **limits, upstream={"deadline_seconds": 30}) as gateway:
        await send(gateway)
        assert (await send(gateway)).slug == "rate_limited"


async def test_report(upstream: RawUpstream) -> None:
    limits = limited({"rate": "1/m", "burst": 1, "mode": "report"})
    async with running_gateway(upstream.url, **limits) as gateway:
        answers = [await send(gateway) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        assert [answer.values("RateLimit") for answer in answers] == [[], []]
        lines = await gateway.exchange_logged(2)
        assert [line.get("would_refuse") for line in lines] == [None, "rate_limited"]


async def ready(gateway: Running) -> dict[str, Any]:
    """What `/readyz` tells of the store."""

    def read() -> Any:
        with urlopen(f"{gateway.admin_url}/readyz") as answer:
            return json.load(answer)

    found: dict[str, Any] = (await asyncio.to_thread(read))["store"]
    return found


async def test_replicas_share_limits_and_say_when_they_do_not(upstream: RawUpstream) -> None:
    with redis_server() as redis:
        settings = limited({"rate": "1/d", "burst": 3}, store=redis.url)
        async with AsyncExitStack() as stack:
            one, two = [
                await stack.enter_async_context(running_gateway(upstream.url, **settings)) for _ in range(2)
            ]
            answers = [await send(gateway) for gateway in (one, two, one, two)]
            assert [answer.status for answer in answers] == [200, 200, 200, 429]
            assert (await ready(one))["available"]
            for each in (one, two):
                lose_patience(each.gateway.components.store)
            redis.freeze()
            alone = [(await send(two)).status for _ in range(5)]
            assert alone == [200, 200, 200, 429, 429]  # each replica has the whole limit to itself
            async with asyncio.timeout(120):
                while (await ready(two))["available"]:  # a second of silence is an outage
                    assert (await send(two)).status == 429
            redis.thaw()
            async with asyncio.timeout(120):
                await two.capture.until(lambda lines: sum("store" in line["event"] for line in lines) >= 2)
            assert (await ready(two))["available"]
            assert (await send(two)).status == 429


async def test_refuse_while_the_store_is_away(upstream: RawUpstream) -> None:
    with redis_server() as redis:
        redis.stop()
        settings = limited({"rate": "9/s"}, store=redis.url, on_store_failure="refuse")
        async with running_gateway(upstream.url, **settings) as gateway:
            refused = await send(gateway)
            assert (refused.status, refused.slug) == (503, "store_unavailable")
            assert upstream.received == []


async def test_a_bad_route_is_told_at_the_start(upstream: RawUpstream) -> None:
    with pytest.raises(ConfigError, match=r"consumers\.app\.limits\.0\.route"):
        async with running_gateway(upstream.url, **limited({"rate": "1/s", "route": "nonsense"})):
            pass
