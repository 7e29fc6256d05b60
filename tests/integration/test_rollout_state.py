"""What replicas keep in Redis and in files, while two builds run beside each other and after a roll-back.

The first tests read what another release writes, from records of it: they need no history. The others run
builds of the repository's history beside this one: the previous release, which knows none of these keys, and
the last build before replicas shared a view, which knows stops and open outcomes.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.stops.stop_file import StopFile
from tests.integration.test_replica_view import get, states, until
from tests.integration.test_stops import command, send, until_stopped
from tests.support.attempts import POST
from tests.support.caller import ask
from tests.support.previous_release import COMMIT, LANDED, is_in_history, previous_release, serving_previous
from tests.support.redis import RedisServer, redis_server
from tests.support.running import Spawned, running_gateway, spawned_gateway
from tests.support.upstream import RawUpstream, reply

STOP = {"consumer": "app", "prefix": "", "at": 1795900000.0, "by": "127.0.0.1"}
"""As builds write it since stops came."""
LATER_STOP = STOP | {"until": 1795990000.0, "reason": "a field that a later release may add"}
LATER_KIND = {"group": "every-team", "at": 1.0}
BUILDS = [each for each in (COMMIT, LANDED) if is_in_history(each)]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def keep_stops(redis: RedisServer, *stops: dict[str, Any]) -> None:
    """As a release puts them into the store."""
    for number, stop in enumerate(stops):
        redis.client.hset("gateway:stops", stop.get("consumer", f"later-{number}") + "|", json.dumps(stop))
    redis.client.set("gateway:stops-version", 7)
    redis.client.hset("gateway:stops-replicas", "other:9090", "7 1795900000.000")


@pytest.mark.parametrize("stop", [STOP, LATER_STOP], ids=["as recorded", "of a later release"])
async def test_stops_of_another_release_are_obeyed(
    upstream: RawUpstream, redis: RedisServer, stop: dict[str, Any]
) -> None:
    keep_stops(redis, stop, LATER_KIND)
    async with running_gateway(upstream.url, store=redis.url) as gateway:
        assert await send(gateway) == (403, "stopped")
        assert (await command("start", "app", "--admin", gateway.admin_url))[0] == 0
        assert await send(gateway) == (200, "")
    assert b"later-1|" in redis.client.hgetall("gateway:stops"), "what it does not know, it leaves"


@pytest.mark.parametrize("version", [1, 2])
def test_files_of_another_release_are_read(tmp_path: Path, version: int) -> None:
    path = tmp_path / "stops.json"
    path.write_text(json.dumps({"version": version, "stops": [LATER_STOP, LATER_KIND], "more": 1}))
    assert [*StopFile(path).read()] == ["app|"]


async def test_what_a_later_release_publishes_is_shown_as_far_as_it_is_known(
    upstream: RawUpstream, redis: RedisServer
) -> None:
    async with running_gateway(upstream.url, store=redis.url) as gateway:
        spawned: Any = gateway
        await until(spawned, "/api/replicas", lambda found: found["shared"])
        now = float(redis.client.time()[0])
        tag = "gateway:{view:1}"
        redis.client.zadd(f"{tag}:seen", {"later:9090": now + 60, "odd:9090": now + 60})
        redis.client.hset(f"{tag}:about", "later:9090", json.dumps({"version": "9", "mood": "good"}))
        redis.client.hset(f"{tag}:about", "odd:9090", "no json")
        redis.client.set(f"{tag}:tables:later:9090", json.dumps({"consumers": [{"name": "new"}], "x": 1}))
        row = {"seq": 1, "at": now, "replica": "later:9090", "request_id": "theirs", "novel": [1]}
        for number, text in enumerate((json.dumps(row), "no json", "{}"), start=1):
            redis.client.xadd(f"{tag}:latest:later:9090", {"e": text}, id=f"{number}-0")
        redis.client.xadd(f"{tag}:questions", {"q": json.dumps({"asks": "in another way"})})
        listing = await get(spawned, "/api/replicas")
        assert {each["replica"]: each["version"] for each in listing["replicas"]}["later:9090"] == "9"
        found = await get(spawned, "/api/exchanges?replica=all&request_id=theirs")
        assert [each["novel"] for each in found["exchanges"]] == [[1]]
        assert "later:9090 did not answer" in found["note"]
        tables = await get(spawned, "/api/consumers?replica=all")
        assert {each["name"] for each in tables["consumers"]} == {"app", "new"}
        assert not [line for line in gateway.log() if line["level"] == "error"]


@asynccontextmanager
async def both(
    folder: Path, upstream: RawUpstream, redis: RedisServer, commit: str
) -> AsyncIterator[tuple[Spawned, Spawned]]:
    """A build of the history, and this one."""
    async with AsyncExitStack() as stack:
        environ = stack.enter_context(previous_release(commit))
        (folder / "new").mkdir()
        old = serving_previous(folder, upstream.url, environ, store=redis.url)
        new = spawned_gateway(folder / "new", upstream.url, store=redis.url)
        yield await stack.enter_async_context(old), await stack.enter_async_context(new)


def errors(gateway: Spawned) -> list[Any]:
    return [line for line in gateway.capture.lines if line.get("level") == "error"]


@pytest.mark.parametrize("commit", BUILDS)
async def test_a_roll_out_and_a_roll_back(
    upstream: RawUpstream, tmp_path: Path, redis: RedisServer, commit: str
) -> None:
    """This one writes all its keys; the other serves beside it, and alone after a roll-back."""
    async with both(tmp_path, upstream, redis, commit) as (old, new):
        assert [await send(old), await send(new)] == [(200, "")] * 2
        port = int(new.url.rpartition(":")[2])
        upstream.then(reply(b"{}", status="500 No"))
        await ask(port, POST.replace(b"hello", b"an outcome that nobody knows"))
        await until(new, "/api/replicas", lambda found: found["shared"])
        assert len((await get(new, "/api/exchanges?replica=all"))["exchanges"]) == 2
        assert (await command("stop", "app", "--prefix", "+882", "--admin", new.admin_url))[0] == 0
        assert [await send(old), await send(new)] == [(200, "")] * 2
        names = {name.rpartition(":")[0] for name in redis.names()}
        assert any("view" in name for name in names)
        new.process.terminate()
        await new.process.wait()
        assert await send(old) == (200, "")
        assert (errors(old), errors(new)) == ([], [])
    async with spawned_gateway(tmp_path / "new", upstream.url, store=redis.url) as again:
        await until(again, "/api/replicas", lambda found: states(found) == ["live", "stopped"])
        stops = (await get(again, "/api/stops"))["stops"]
        assert [each["prefix"] for each in stops] == ["+882"], "rolled out again, it knows what was stopped"


if LANDED in BUILDS:

    async def test_a_stop_of_either_build_is_in_force_on_both(
        upstream: RawUpstream, tmp_path: Path, redis: RedisServer
    ) -> None:
        """And `gateway tail` of this build reads the other, which does not know of several replicas."""
        async with both(tmp_path, upstream, redis, LANDED) as (old, new):
            for one, other in ((old, new), (new, old)):
                code, out, _ = await command("stop", "app", "--admin", one.admin_url)
                assert (code, out.count(": stopped\n")) == (0, 2)
                await asyncio.gather(*map(until_stopped, (one, other)))
                assert [await send(one), await send(other)] == [(403, "stopped")] * 2
                assert (await command("start", "app", "--admin", other.admin_url))[0] == 0
                assert [await send(one), await send(other)] == [(200, "")] * 2
            code, out, error = await command("tail", "--limit", "1", "--json", "--admin", old.admin_url)
            assert (code, len(out.splitlines()), error) == (0, 1, "")
