"""Consumers' keys in a running gateway: their use, former keys, shared consumers, restarts and replicas."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from gateway.key_usage.known_key import KnownKey
from gateway.key_usage.usage_store import UsageStore
from gateway.redis.redis_store import RedisStore
from tests.integration.test_stops import command
from tests.support.caller import MESSAGES, ask, request
from tests.support.redis import RedisServer, redis_server
from tests.support.running import KEY, Running, Spawned, consumer, digest, running_gateway, spawned_gateway
from tests.support.upstream import RawUpstream

OTHER_KEY = "gw" + "b" * 43
AGENTS = ("twilio-python/9.13.0", "twilio-go/1.30.9", "legacy-batch/1.0", f"{KEY}/1.0")
LABELS = {agent: agent for agent in AGENTS[:3]} | {AGENTS[3]: "other"}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def get(key: str = KEY, agent: str = AGENTS[0]) -> bytes:
    return request(f"GET {MESSAGES}", f"User-Agent: {agent}", auth=f"Bearer {key}")


async def fetched(gateway: Running | Spawned, path: str = "/api/keys") -> dict[str, Any]:
    def fetch() -> dict[str, Any]:
        with urlopen(f"{gateway.admin_url}{path}") as answered:
            found: dict[str, Any] = json.load(answered)
            return found

    return await asyncio.to_thread(fetch)


async def eventually(gateway: Running | Spawned, accepts: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while not accepts(found := await fetched(gateway)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return found


def port_of(gateway: Spawned) -> int:
    return int(gateway.url.rpartition(":")[2])


async def end(gateway: Spawned) -> None:
    """It keeps the last uses when it stops."""
    gateway.process.terminate()
    await asyncio.wait_for(gateway.process.wait(), 180)


async def reload(gateway: Spawned, folder: Path, **consumers: Any) -> None:
    path = folder / "gateway.yaml"
    content = yaml.safe_load(path.read_text())
    content["consumers"] = consumers
    path.write_text(yaml.safe_dump(content))
    gateway.process.send_signal(signal.SIGHUP)
    done = sum(line["event"] == "configuration reloaded" for line in gateway.capture.lines)
    await gateway.capture.until(
        lambda lines: sum(line["event"] == "configuration reloaded" for line in lines) > done, 30
    )


async def test_use_of_keys_is_told_by_api_metrics_and_command(upstream: RawUpstream) -> None:
    given = {"app": consumer(keys=[digest(KEY), digest(OTHER_KEY)])}
    async with running_gateway(upstream.url, consumers=given) as gateway:
        assert (await ask(gateway.port, get())).status == 200
        answer = await fetched(gateway)
        used, unused = answer["keys"]
        assert used["key"] == digest(KEY)[:15]
        assert used["first_used"] == used["last_used"] >= used["seen_at"]
        assert [each["address"] for each in used["addresses"]] == ["127.0.0.1"]
        assert (unused["first_used"], unused["last_used"], unused["addresses"]) == (None, None, [])
        assert (answer["kept"], answer["former"]) == ("memory", [])
        page = await asyncio.to_thread(lambda: urlopen(f"{gateway.admin_url}/metrics").read().decode())
        label = f'{{consumer="app",key="{used["key"]}"}}'
        assert f"gateway_consumer_key_last_used_timestamp_seconds{label} " in page
        code, out, error = await command("key", "list", "--admin", gateway.admin_url)
    assert code == 0
    assert "since this replica's start" in error
    first, second = out.splitlines()
    assert ("last used" in first, "from 127.0.0.1" in first, "not used" in second) == (True, True, True)


async def test_a_removed_and_an_expired_key_are_recognised_and_the_answer_is_an_unknown_keys(
    upstream: RawUpstream, tmp_path: Path
) -> None:
    given = {"app": consumer(keys=[digest(KEY), digest(OTHER_KEY)])}
    async with spawned_gateway(tmp_path, upstream.url, consumers=given) as gateway:
        assert (await ask(port_of(gateway), get(OTHER_KEY))).status == 200
        await reload(gateway, tmp_path, app=consumer())
        removed, unknown = [await ask(port_of(gateway), get(key)) for key in (OTHER_KEY, "gw" + "c" * 43)]
        assert (removed.status, removed.slug) == (unknown.status, unknown.slug) == (401, "unknown_consumer")
        assert removed.body == unknown.body
        (former,) = (await eventually(gateway, lambda found: found["former"] != []))["former"]
        assert (former["consumer"], former["key"]) == ("app", digest(OTHER_KEY)[:15])
        assert (former["refused"], former["addresses"][0]["address"]) == (1, "127.0.0.1")
        assert (await command("key", "list", "--admin", gateway.admin_url))[1].count(
            "still sent 1 times"
        ) == 1
        ended = {"digest": digest(KEY), "expires": "2020-01-01T00:00:00Z"}
        await reload(gateway, tmp_path, app=consumer(keys=[ended, digest(OTHER_KEY)]))
        assert (await ask(port_of(gateway), get())).slug == "expired_key"
        await gateway.capture.until(lambda lines: sum(line["event"] == "exchange" for line in lines) == 4, 30)
    logged = [line.get("former_consumer") for line in gateway.capture.lines if line["event"] == "exchange"]
    assert logged == [None, "app", None, "app"]
    assert OTHER_KEY not in json.dumps(gateway.capture.lines)


@pytest.mark.parametrize("shared", [False, True], ids=["file", "redis"])
async def test_use_and_former_keys_survive_a_restart(
    upstream: RawUpstream, tmp_path: Path, redis: RedisServer, shared: bool
) -> None:
    kept: dict[str, Any] = {"store": redis.url} if shared else {"key_usage_file": "keys.json"}
    both = {"app": consumer(keys=[digest(KEY), digest(OTHER_KEY)])}
    async with spawned_gateway(tmp_path, upstream.url, consumers=both, **kept) as gateway:
        assert (await ask(port_of(gateway), get(OTHER_KEY))).status == 200
        used = (await eventually(gateway, lambda found: found["keys"][1]["last_used"] is not None))["keys"][1]
        await end(gateway)
    async with spawned_gateway(tmp_path, upstream.url, consumers={"app": consumer()}, **kept) as gateway:
        (former,) = (await eventually(gateway, lambda found: found["former"] != []))["former"]
        assert former["last_used"] == used["last_used"]
        assert (await ask(port_of(gateway), get(OTHER_KEY))).slug == "unknown_consumer"
        await eventually(gateway, lambda found: found["former"][0]["refused"] == 1)


async def test_replicas_know_of_each_others_use_once_they_read_the_store(
    upstream: RawUpstream, tmp_path: Path, redis: RedisServer
) -> None:
    async with AsyncExitStack() as stack:
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            gateway = await stack.enter_async_context(spawned_gateway(folder, upstream.url, store=redis.url))
            if number == 0:
                assert (await ask(port_of(gateway), get())).status == 200
                await end(gateway)
            else:
                await eventually(gateway, lambda found: bool(found["keys"][0]["last_used"]))


@pytest.mark.parametrize(
    "stored",
    ['{"consumer": "app"}', '{"consumer": "app", "seen_at": "x", "addresses": 5}', "[]", "7", "no JSON"],
)
async def test_what_has_another_form_in_the_store_is_replaced(redis: RedisServer, stored: str) -> None:
    """Else no key of the same batch would ever be stored again."""
    store = RedisStore(redis.url, lambda _: None, answer_seconds=20)
    await store.open()
    try:
        redis.client.hset("gateway:key-usage:v1", "aa", stored)
        known = KnownKey("app", 1.0, 9.0, 2.0, 3.0, {"10.0.0.1": 3.0})
        await UsageStore(store).merge({"aa": known, "bb": known})
        assert await UsageStore(store).read(10.0) == {"aa": known, "bb": known}
    finally:
        await store.close()


async def test_callers_of_a_shared_consumer_are_told_apart_and_decide_nothing(
    upstream: RawUpstream,
) -> None:
    """The same requests get the same answers from every User-Agent and address: rules, limits and all."""
    limits = [{"rate": "2/h", "route": f"POST api {MESSAGES}"}]
    outcomes = []
    for agent in AGENTS:
        given = consumer(shared=True, expires="2099-01-01T00:00:00Z", allow=["messages:read"], limits=limits)
        async with running_gateway(upstream.url, consumers={"app": given}) as gateway:
            posted = request(f"POST {MESSAGES}", f"User-Agent: {agent}", body=b"")
            answers = [await ask(gateway.port, each) for each in (get(agent=agent), posted, get(agent=agent))]
            outcomes.append([(each.status, each.slug) for each in answers])
            callers = await fetched(gateway, "/api/consumers/app/callers")
            assert callers["shared"]
            (row,) = callers["callers"]
            assert (row["user_agent"], row["address"]) == (LABELS[agent], "127.0.0.1")
            assert row["requests"] == 3
            assert (await fetched(gateway))["keys"][0]["expires"] == 4070908800.0
            code, out, _ = await command("key", "list", "--admin", gateway.admin_url, "--callers")
            assert (code, LABELS[agent] in out) == (0, True)
    assert (
        outcomes[0]
        == outcomes[1]
        == outcomes[2]
        == outcomes[3]
        == [(200, ""), (403, "not_allowed"), (200, "")]
    )
