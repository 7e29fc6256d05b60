"""`log.addresses: false` put in force by a reload: no address that was recorded before is shown anywhere."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from tests.support.caller import MESSAGES, RawCaller, request
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON, KEY, Running, configuration, consumer, digest, running_gateway
from tests.support.upstream import RawUpstream

CALLER = "127.0.0.66"
PATHS = (
    "/api/exchanges",
    "/api/exchanges?replica=all",
    "/api/keys",
    "/api/consumers/app",
    "/api/consumers/app?replica=all",
    "/api/consumers/app/figures?replica=all",
    "/api/consumers/app/callers",
    "/metrics",
)
FORMER_KEY = "gw" + "f" * 43


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def call(gateway: Running, key: str = KEY) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=(CALLER, 0))
    caller = RawCaller(reader, writer)
    await caller.send(request(f"GET {MESSAGES}", auth=f"Bearer {key}"))
    status = (await caller.answer()).status
    writer.close()
    return status


async def apply(gateway: Running, folder: Path, settings: dict[str, Any]) -> None:
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration("http://127.0.0.1:1", **settings)))
    await gateway.gateway.apply(make_configuration(load_resolved(path, ENVIRON)))


async def test_what_was_recorded_is_shown_no_more(
    upstream: RawUpstream, redis: RedisServer, tmp_path: Path
) -> None:
    app = consumer(keys=[digest(KEY), digest(FORMER_KEY)], shared=True)
    settings: dict[str, Any] = {"store": redis.url, "consumers": {"app": app}}
    one_port, two_port = ({"listen": f"localhost:{port}"} for port in (0, 0))
    async with (
        running_gateway(upstream.url, admin=one_port, **settings) as one,
        running_gateway(upstream.url, admin=two_port, **settings) as two,
        aiohttp.ClientSession() as session,
    ):

        async def read(path: str) -> str:
            async with session.get(one.admin_url + path) as answer:
                assert answer.status == 200, path
                return await answer.text()

        async def until(path: str, *, shown: bool) -> None:
            async with asyncio.timeout(120):
                while (CALLER in await read(path)) is not shown:  # noqa: ASYNC110 - other threads
                    await asyncio.sleep(0.1)

        assert [await call(one), await call(two), await call(one, FORMER_KEY)] == [200, 200, 200]
        settings["consumers"] = {"app": {**app, "keys": [digest(KEY)]}}
        await apply(one, tmp_path, settings)
        assert await call(one, FORMER_KEY) == 401
        for path in PATHS:
            await until(path, shown=True)
        await apply(one, tmp_path, {**settings, "log": {"addresses": False}})
        for path in PATHS[:-1]:
            assert CALLER not in await read(path), path
        await until("/metrics", shown=False)  # a page of metrics holds for a moment
        assert "gateway_shared_consumer_requests_total" in await read("/metrics")
        await apply(one, tmp_path, settings)
        assert CALLER in await read("/api/keys")
