"""`gateway stop`: one replica and several, with Redis and without, over restarts, frozen ones, and roles."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.test_admin_access import PAGE, REMOTE, TOKENS
from tests.support.attempts import POST, until
from tests.support.caller import ask
from tests.support.command import Done, run_command
from tests.support.redis import RedisServer, redis_server
from tests.support.running import Running, Spawned, running_gateway, spawned_gateway
from tests.support.upstream import RawUpstream, answer, gated

OPERATE = "operate-token-0123456789abcdef"
OPERATED = TOKENS | {"OPERATE_TOKEN": OPERATE}
ROLES = REMOTE | {"operate_token": {"env": "OPERATE_TOKEN"}}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def command(*arguments: str, token: str = "") -> Done:
    """`gateway …`: its code, output and errors."""
    return await asyncio.to_thread(
        run_command, *arguments, environ={**os.environ, "GATEWAY_ADMIN_TOKEN": token}
    )


async def send(gateway: Running | Spawned) -> tuple[int, str]:
    """Status and slug of a POST."""
    port = int(gateway.url.rpartition(":")[2])
    answered = await ask(port, POST)
    return answered.status, answered.slug


async def replicas(
    stack: AsyncExitStack, folder: Path, upstream: RawUpstream, count: int, **settings: Any
) -> list[Spawned]:
    found = []
    for number in range(count):
        own = folder / str(number)
        own.mkdir(exist_ok=True)
        found.append(await stack.enter_async_context(spawned_gateway(own, upstream.url, **settings)))
    return found


async def test_stop_and_start(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url) as gateway:
        assert await send(gateway) == (200, "")
        code, out, _ = await command("stop", "app", "--admin", gateway.admin_url)
        assert code == 0
        assert out.endswith(": stopped\n")
        assert await send(gateway) == (403, "stopped")
        assert (await command("start", "app", "--admin", gateway.admin_url))[0] == 0
        assert await send(gateway) == (200, "")
        events = [line["event"] for line in gateway.log()]
        assert [event for event in events if event.startswith("operator")] == [
            "operator stop",
            "operator start",
        ]


async def test_an_unknown_consumer_and_a_wrong_prefix(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url) as gateway:
        code, _, error = await command("stop", "ap", "--admin", gateway.admin_url)
        assert (code, "no consumer is called ap" in error) == (1, True)
        code, _, error = await command("stop", "app", "--prefix", "x", "--admin", gateway.admin_url)
        assert (code, "like +882" in error) == (2, True)


async def test_what_waits_is_not_sent_and_what_was_sent_is_awaited(upstream: RawUpstream) -> None:
    one: dict[str, Any] = {"concurrency": {"initial": 1, "ceiling": 1, "queue": 2}}
    opens = asyncio.Event()
    async with running_gateway(upstream.url, **one) as gateway:
        upstream.then(gated(b"", opens, answer(b"{}")))
        first = asyncio.create_task(send(gateway))
        await upstream.arrived()
        waiting = asyncio.create_task(send(gateway))
        ((_, limiter),) = gateway.gateway.components.forwarder.limiters
        await until(lambda: limiter.waiting == 1)
        assert (await command("stop", "all", "--admin", gateway.admin_url))[0] == 0
        opens.set()
        assert await first == (200, "")
        assert await waiting == (403, "stopped")


async def test_only_a_destination(upstream: RawUpstream) -> None:
    """`POST` goes to +1555…: a stop of +882 leaves it alone, one of +1555 does not."""
    async with running_gateway(upstream.url) as gateway:
        await command("stop", "all", "--prefix", "+882", "--admin", gateway.admin_url)
        assert await send(gateway) == (200, "")
        await command("stop", "all", "--prefix", "+1", "--admin", gateway.admin_url)
        assert await send(gateway) == (403, "stopped")


async def test_all_replicas_within_a_moment_and_over_restarts(
    upstream: RawUpstream, tmp_path: Path, redis: RedisServer
) -> None:
    async with AsyncExitStack() as stack:
        first, second, third = await replicas(stack, tmp_path, upstream, 3, store=redis.url)
        code, out, _ = await command("stop", "app", "--admin", first.admin_url)
        assert (code, out.count(": stopped\n")) == (0, 3)
        assert [await send(each) for each in (first, second, third)] == [(403, "stopped")] * 3
        second.process.kill()
        await second.process.wait()
        (restarted,) = await replicas(stack, tmp_path / "0", upstream, 1, store=redis.url)
        assert await send(restarted) == (403, "stopped")
        await asyncio.to_thread(redis.client.flushall)
        (another,) = await replicas(stack, tmp_path / "1", upstream, 1, store=redis.url)
        await until_stopped(another)
        assert await send(first) == (403, "stopped")


async def until_stopped(gateway: Spawned) -> None:
    """A store that lost its memory is told again by those who know."""
    async with asyncio.timeout(120), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{gateway.admin_url}/api/stops") as found:
                if (await found.json())["stops"]:
                    return
            await asyncio.sleep(0)


async def test_a_frozen_replica_is_told(upstream: RawUpstream, tmp_path: Path, redis: RedisServer) -> None:
    async with AsyncExitStack() as stack:
        first, frozen = await replicas(stack, tmp_path, upstream, 2, store=redis.url)
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            code, out, _ = await command("stop", "app", "--admin", first.admin_url)
        finally:
            frozen.process.send_signal(signal.SIGCONT)
        assert code == 1
        assert (out.count(": stopped\n"), out.count(": NO ANSWER\n")) == (1, 1)
        await until_stopped(frozen)


async def test_while_redis_is_away_each_replica_is_named(
    upstream: RawUpstream, tmp_path: Path, redis: RedisServer
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await replicas(stack, tmp_path, upstream, 2, store=redis.url)
        redis.stop()
        code, _, error = await command("stop", "app", "--admin", first.admin_url)
        assert (code, "only this replica knows" in error) == (1, True)
        both = ("--admin", first.admin_url, "--admin", second.admin_url)
        code, out, _ = await command("stop", "app", *both)
        assert (code, out.count(": stopped\n")) == (0, 2)
        assert [await send(first), await send(second)] == [(403, "stopped")] * 2


async def test_without_a_store_the_file_is_kept(upstream: RawUpstream, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        (first,) = await replicas(stack, tmp_path, upstream, 1, stop_file="stops.json")
        await command("stop", "app", "--admin", first.admin_url)
        first.process.kill()
        await first.process.wait()
        (again,) = await replicas(stack, tmp_path, upstream, 1, stop_file="stops.json")
        assert await send(again) == (403, "stopped")


async def test_a_damaged_file_makes_the_replica_unready(upstream: RawUpstream, tmp_path: Path) -> None:
    (tmp_path / "stops.json").write_text("{")
    async with (
        spawned_gateway(tmp_path, upstream.url, stop_file="stops.json") as gateway,
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.admin_url}/readyz") as found,
    ):
        assert found.status == 503
        assert "stops not kept" in [line["event"] for line in gateway.capture.lines]


async def test_who_may_view_may_not_operate(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, OPERATED, admin=ROLES) as gateway:
        code, _, error = await command("stop", "app", "--admin", gateway.admin_url, token=PAGE)
        assert (code, "needs `admin.operate_token`" in error) == (1, True)
        code, _, error = await command(
            "stop", "app", "--admin", gateway.admin_url, token="wrong-token-0123456789"
        )
        assert code == 1
        code, _, _ = await command("stop", "app", "--admin", gateway.admin_url, token=OPERATE)
        assert code == 0
        assert await send(gateway) == (403, "stopped")


async def test_the_page_of_another_site_stops_nothing(upstream: RawUpstream) -> None:
    async with running_gateway(upstream.url, OPERATED, admin=ROLES) as gateway:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            login = {"token": OPERATE}
            async with session.post(
                f"{gateway.admin_url}/login", data=login, allow_redirects=False
            ) as entered:
                assert entered.status == 303
            url, body = f"{gateway.admin_url}/api/stops", {"consumer": "app"}
            for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                async with session.post(url, json=body, headers=headers) as refused:
                    assert refused.status == 403
            async with session.post(url, data="consumer=app") as refused:
                assert refused.status == 400
            async with session.post(url, json=body, headers={"Sec-Fetch-Site": "same-origin"}) as done:
                assert done.status == 200
