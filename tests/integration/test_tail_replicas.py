"""`gateway tail` over several replicas: through a real Redis, and by several admin ports without one."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.integration.test_replica_view import all_seen, get, name_of, send, states, until, until_published
from tests.integration.test_stops import command, replicas
from tests.integration.test_tail import line_of, tail
from tests.support.redis import RedisServer, redis_server
from tests.support.upstream import RawUpstream


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def test_tail_follows_all_and_says_who_vanished(
    upstream: RawUpstream, tmp_path: Path, redis: RedisServer
) -> None:
    async with all_seen(tmp_path, upstream, 2, store=redis.url) as (first, second):
        name = await name_of(second)
        await send(second, "before")
        await asyncio.to_thread(until_published, redis, name)
        async with tail("--follow", "--json", "--admin", first.admin_url) as process:
            assert json.loads(await line_of(process))["request_id"] == "before"
            await send(second, "follow-there")
            await send(first, "follow-here")
            lines = [json.loads(await line_of(process)) for _ in range(2)]
            assert {each["request_id"] for each in lines} == {"follow-there", "follow-here"}
            second.process.kill()
            await second.process.wait()
            assert process.stderr is not None
            async with asyncio.timeout(120):
                said = (await process.stderr.readline()).decode()
            assert f"{name} vanished: last seen " in said
        await until(first, "/api/replicas", lambda found: states(found) == ["live", "vanished"])
        code, out, error = await command("tail", "--admin", first.admin_url)
        assert (code, f"{name} vanished" in error, "before" in out) == (0, True, True)
        found = await get(first, "/api/exchanges?replica=all&request_id=before")
        assert ([row["replica"] for row in found["exchanges"]], name in found["note"]) == ([name], True)


async def test_several_admin_ports_without_a_store(upstream: RawUpstream, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first, second = await replicas(stack, tmp_path, upstream, 2)
        await send(first, "here")
        await send(second, "there")
        both = ("--admin", first.admin_url, "--admin", second.admin_url)
        code, out, error = await command("tail", *both)
        assert (code, error) == (0, "")
        assert [line.split()[-1] for line in out.splitlines()[1:]] == ["here", "there"]
        assert await name_of(second) in out
        code, out, _ = await command("tail", "--request-id", "there", "--json", *both)
        assert (code, json.loads(out)["replica"]) == (0, await name_of(second))
        async with tail("--follow", "--limit", "1", *both) as process:
            assert "REPLICA" in await line_of(process)
            assert (await line_of(process)).endswith("there")
            await send(first, "follow-here")
            assert (await line_of(process)).endswith("follow-here")
            await send(second, "follow-there")
            assert (await line_of(process)).endswith("follow-there")
        code, out, error = await command("usage", "app", "--json", *both)
        told = json.loads(out)
        assert (code, error, len(told["replicas"]), told["figures"]["requests"]) == (0, "", 2, 4)
        assert (await command("unknowns", *both))[:2] == (0, "Every outcome of the last hour is known.\n")
        code, out, error = await command("usage", "app", *both[:2])
        assert (code, out.splitlines()[1]) == (0, f"  of 1 replica: {await name_of(first)}"), error
        code, _, error = await command("usage", "nobody", *both[:2])
        assert (code, "the configuration has no consumer of this name" in error) == (1, True)
        second.process.kill()
        await second.process.wait()
        code, out, error = await command("tail", *both)
        assert (code, "no gateway answers at" in error, "here" in out) == (1, True, True)
