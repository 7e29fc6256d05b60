"""Several replicas in one view: what one of them shows of all, over a real Redis, with real processes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.test_stops import command, replicas
from tests.support.attempts import POST
from tests.support.caller import ask, request
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON, KEY, Spawned, consumer, running_gateway
from tests.support.upstream import RawUpstream

SECONDS = 30


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def send(gateway: Spawned, request_id: str) -> None:
    """A request that carries this X-Request-Id."""
    port = int(gateway.url.rpartition(":")[2])
    body = POST.replace(b"\r\n\r\n", f"\r\nX-Request-Id: {request_id}\r\n\r\n".encode(), 1)
    assert (await ask(port, body)).status == 200


async def get(gateway: Spawned, path: str) -> Any:
    """The JSON of the admin port."""
    async with aiohttp.ClientSession() as session, session.get(gateway.admin_url + path) as answer:
        return await answer.json()


async def until(gateway: Spawned, path: str, met: Callable[[Any], bool]) -> Any:
    """Ask again and again until the answer is as expected."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await get(gateway, path)
            if met(found):
                return found
            await asyncio.sleep(0.1)


def states(listing: Any) -> list[str]:
    return sorted(each["state"] for each in listing["replicas"])


@asynccontextmanager
async def all_seen(
    folder: Path, upstream: RawUpstream, count: int, **settings: Any
) -> AsyncIterator[list[Spawned]]:
    """Replicas that have heard of each other."""
    async with AsyncExitStack() as stack:
        found = await replicas(stack, folder, upstream, count, **settings)
        for each in found:
            await until(each, "/api/replicas", lambda listing: states(listing) == ["live"] * count)
        yield found


async def name_of(gateway: Spawned) -> str:
    return str((await get(gateway, "/api/replicas"))["here"])


async def test_one_replica_shows_all(upstream: RawUpstream, tmp_path: Path, redis: RedisServer) -> None:
    """Exchanges, tables, limits, what comes, `gateway tail`; Redis away and back; one that stops."""
    app = {"app": consumer(limits=[{"name": "all", "rate": "20/m"}])}
    async with all_seen(tmp_path, upstream, 2, store=redis.url, consumers=app) as (first, second):
        for number, each in enumerate((first, second, second)):
            await send(each, f"one-{number}")
        names = [await name_of(each) for each in (first, second)]
        await check_exchanges(first, names)
        await check_tables(first, names)
        await check_charts(first, names)
        await check_consumer(first, second, names)
        await check_tail(first, names)
        await check_what_redis_holds(redis, names)
        await check_followers(first, second)
        redis.stop()
        listing = await until(first, "/api/replicas", lambda found: not found["shared"])
        assert "only this replica is shown" in listing["note"]
        found = await get(first, "/api/exchanges?replica=all")
        relayed = [row["request_id"] for row in found["exchanges"] if row["product"] == "api"]
        assert relayed == ["follow-1", "one-0"]
        assert (await get(first, "/api/consumers?replica=all"))["consumers"][0]["requests"] == 2
        await redis.restart()
        await until(first, "/api/replicas", lambda found: states(found) == ["live", "live"])
        second.process.terminate()
        await second.process.wait()
        await until(first, "/api/replicas", lambda found: states(found) == ["live", "stopped"])


async def check_exchanges(first: Spawned, names: list[str]) -> None:
    found = await get(first, "/api/exchanges?replica=all")
    assert [(row["request_id"], row["replica"]) for row in found["exchanges"]] == [
        ("one-2", names[1]), ("one-1", names[1]), ("one-0", names[0]),
    ]  # fmt: skip
    assert (sorted(found["replicas"]), found["note"]) == (sorted(names), "")
    only = await get(first, f"/api/exchanges?replica={names[1]}")
    assert [row["request_id"] for row in only["exchanges"]] == ["one-2", "one-1"]
    assert (await get(first, "/api/exchanges/one-2?replica=all"))["replica"] == names[1]
    assert "error" in await get(first, "/api/exchanges/one-2")


async def check_tables(first: Spawned, names: list[str]) -> None:
    def counted(tables: Any) -> bool:
        row = tables["consumers"][0]
        return row["requests"] == 3 and 0 < (row["limits"][0]["used"] or 0) <= 0.15

    tables = await until(first, "/api/consumers?replica=all", counted)
    (row,) = tables["consumers"]
    assert (row["name"], sorted(row["replicas"]), row["p95"] > 0) == ("app", sorted(names), True)
    (route,) = (await get(first, "/api/routes?replica=all"))["routes"]
    assert route["requests"] == 3
    credentials = (await get(first, "/api/credentials?replica=all"))["credentials"]
    assert sorted(each["replica"] for each in credentials) == sorted(names)


async def check_charts(first: Spawned, names: list[str]) -> None:
    """What is not counted over time is made of the exchanges that are kept; all replicas' add up."""
    for replica, count, answering in (("", 1, names[:1]), ("all", 3, names), (names[1], 2, names[1:])):
        found = await get(first, f"/api/history?status=200&consumer=app&range=5m&replica={replica}")
        assert sorted(found["replicas"]) == sorted(answering), replica
        assert (found["source"], found["note"], found["since"], found["step_seconds"]) == (
            "exchanges", "", None, 10,
        )  # fmt: skip
        assert found["requests"] == count
        assert any(found["total"]["p95"])
    counted = await get(first, "/api/history?consumer=app&range=6h&replica=all")
    assert (counted["source"], sorted(counted["replicas"]), counted["step_seconds"]) == (
        "counts", sorted(names), 60,
    )  # fmt: skip
    assert "error" in await get(first, "/api/history?range=7h")
    assert "error" in await get(first, "/api/history?replica=other:1")


async def check_consumer(first: Spawned, second: Spawned, names: list[str]) -> None:
    """Its page, and what it reads of itself: both of all replicas, and which or how many they are."""

    def whole(found: Any) -> bool:
        return bool(found["recent"]["requests"] == 3)

    found = await until(first, "/api/consumers/app?replica=all", whole)
    assert (sorted(found["replicas"]), found["note"], found["latest"]) == (sorted(names), "", 3)
    assert [(each["address"], each["calls"]) for each in found["addresses"]] == [("127.0.0.1", 3)]
    assert 0 < found["limits"][0]["used"] <= 0.15
    own = await get(first, "/api/consumers/app")
    assert (own["replicas"], own["recent"]["requests"]) == (names[:1], 1)
    assert "error" in await get(first, f"/api/consumers/app?replica={names[1]}")
    for each in (first, second):
        answer = await until_usage(each, lambda usage: usage["recent"]["requests"] == 3)
        assert (answer["replicas"]["counted"], answer["replicas"]["live"]) == (2, 2)
        assert answer["now"] - 30 < answer["replicas"]["as_of"] <= answer["now"] + 1
        assert names[0] not in json.dumps(answer)
        assert names[1] not in json.dumps(answer)


async def until_usage(gateway: Spawned, met: Callable[[Any], bool]) -> Any:
    """Ask `/-/usage` until the answer is as expected; it holds for a second."""
    port = int(gateway.url.rpartition(":")[2])
    async with asyncio.timeout(SECONDS):
        while True:
            found = json.loads((await ask(port, request("GET /-/usage"))).body)
            if met(found):
                return found
            await asyncio.sleep(0.2)


async def check_tail(first: Spawned, names: list[str]) -> None:
    code, out, error = await command("tail", "--admin", first.admin_url)
    assert (code, error, "REPLICA" in out, names[1] in out) == (0, "", True, True)
    code, out, _ = await command("tail", "--request-id", "one-1", "--json", "--admin", first.admin_url)
    (line,) = out.splitlines()
    assert (code, json.loads(line)["replica"]) == (0, names[1])


async def check_what_redis_holds(redis: RedisServer, names: list[str]) -> None:
    """Everything expires, and nothing is a secret, a number or a whole AccountSid."""
    await asyncio.to_thread(until_published, redis, names[1])
    keys = [name for name in redis.names() if "view" in name]
    assert len(keys) >= 6
    for key in keys:
        assert key.startswith("gateway:{view:1}:")
        assert 0 < redis.client.ttl(key) <= 3600
    text = b"".join(redis.client.dump(key) for key in keys)
    for secret in (KEY, ENVIRON["TWILIO_API_SECRET"], "15551112222", ENVIRON["TWILIO_ACCOUNT_SID"]):
        assert secret.encode() not in text


async def check_followers(first: Spawned, second: Spawned) -> None:
    seen: set[str] = set()
    listed = False
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{first.admin_url}/api/events?replica=all&consumer=app") as stream,
        asyncio.timeout(SECONDS),
    ):
        await send(first, "follow-1")
        await send(second, "follow-2")
        async for line in stream.content:
            if line.startswith(b"data:"):
                content = json.loads(line[5:])
                seen |= {each["request_id"] for each in content.get("exchanges", ())}
                listed = listed or len(content.get("replicas", ())) == 2
            if seen >= {"follow-1", "follow-2"} and listed:
                return


def until_published(redis: RedisServer, name: str) -> None:
    while not redis.client.xlen(f"gateway:{{view:1}}:latest:{name}"):
        pass


async def test_without_a_store_it_says_that_it_is_one(upstream: RawUpstream) -> None:
    async with (
        running_gateway(upstream.url, consumers={"app": consumer()}) as gateway,
        aiohttp.ClientSession(gateway.admin_url) as session,
    ):
        async with session.get("/api/replicas") as answer:
            listing = await answer.json()
        assert (listing["shared"], states(listing)) == (False, ["live"])
        assert "without `store`" in listing["note"]
        async with session.get("/api/consumers?replica=other:1") as answer:
            assert answer.status == 404
        async with session.get("/api/exchanges?replica=all&after=1") as answer:
            assert answer.status == 400
