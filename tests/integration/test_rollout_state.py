"""What replicas keep in Redis and in files, while two builds run beside each other and after a roll-back.

The first tests read what another release writes, from records of it: they need no history. The others run
builds of the repository's history beside this one: the previous release, which knows none of these keys,
the last build before replicas shared a view, which knows stops and open outcomes, and a recent one, which
knows repeats, heads of the audit trail and the use of keys.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.stops.stop_file import StopFile
from tests.integration.test_replica_view import get, states, until
from tests.integration.test_stops import command, send, until_stopped
from tests.support.attempts import POST
from tests.support.caller import FORM, MESSAGES, RawAnswer, ask, request
from tests.support.previous_release import (
    COMMIT,
    LANDED,
    RECENT,
    is_in_history,
    previous_release,
    serving_previous,
)
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON, Spawned, running_gateway, spawned_gateway
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
    folder: Path, upstream: RawUpstream, redis: RedisServer, commit: str, **settings: Any
) -> AsyncIterator[tuple[Spawned, Spawned]]:
    """A build of the history, and this one."""
    async with AsyncExitStack() as stack:
        environ = stack.enter_context(previous_release(commit))
        (folder / "new").mkdir(exist_ok=True)
        old = serving_previous(folder, upstream.url, environ, store=redis.url, **settings)
        new = spawned_gateway(folder / "new", upstream.url, store=redis.url, **settings)
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


async def create(gateway: Spawned, text: str) -> RawAnswer:
    """A create that the repeat guard knows by its text."""
    body = f"To=%2B15551112222&From=%2B15553334444&Body={text}".encode()
    port = int(gateway.url.rpartition(":")[2])
    return await ask(port, request(f"POST {MESSAGES}", FORM, body=body), "POST")


async def verified(environ: dict[str, str], config: Path, *trails: Path) -> tuple[int, str]:
    """What `gateway audit verify --store` of a build says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "audit", "verify", *map(str, trails),
        "--store", "--config", str(config),
        env={**os.environ, **ENVIRON, **environ}, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def key_used(gateway: Spawned) -> tuple[float, float]:
    """First and last use of the only key, once they are known."""
    answer = await until(gateway, "/api/keys", lambda found: found["keys"][0]["last_used"] is not None)
    return answer["keys"][0]["first_used"], answer["keys"][0]["last_used"]


if is_in_history(RECENT):

    async def test_repeats_heads_and_use_of_keys_cross_builds(
        upstream: RawUpstream, tmp_path: Path, redis: RedisServer
    ) -> None:
        """A repeat meets the outcome that the other build met; each verifies the other's trail; a key keeps
        its life over a roll-out and a roll-back."""
        (tmp_path / "new").mkdir()
        for folder in (tmp_path, tmp_path / "new"):
            (folder / "audit.key").write_text("an-audit-key-of-32-characters-or-more")
        settings = {"audit": {"file": "audit.log", "key": {"file": "audit.key"}}}
        async with both(tmp_path, upstream, redis, RECENT, **settings) as (old, new):
            for number, (one, other) in enumerate(((old, new), (new, old))):
                upstream.then(reply(b"{}", status="500 No"))
                first = await create(one, f"text-{number}")
                sent = len(upstream.received)
                again = await create(other, f"text-{number}")
                assert (first.status, again.status, len(upstream.received)) == (500, 500, sent), number
            await until(new, "/api/replicas", lambda found: states(found) == ["live", "live"])
            found = await get(new, "/api/consumers/app?replica=all")
            assert len(found["replicas"]) == 1
            assert "has published nothing of this consumer" in found["note"]
            (first_used, _), (also, _) = await key_used(old), await key_used(new)
            for each in (old, new):
                each.process.terminate()
                await each.process.wait()
            assert (errors(old), errors(new)) == ([], [])
        trails = (tmp_path / "audit.log", tmp_path / "new/audit.log")
        with previous_release(RECENT) as environ:
            config, cut = tmp_path / "new/gateway.yaml", tmp_path / "cut.log"
            cut.write_bytes(b"".join(trails[0].read_bytes().splitlines(keepends=True)[:-1]))
            whole, faulty = await asyncio.gather(
                verified({**environ, "PYTHONSAFEPATH": "1"}, config, *trails),
                verified({}, config, cut, trails[1]),
            )
            assert (whole[0], "2 chains: no faults" in whole[1]) == (0, True), whole
            assert (faulty[0], "cut off" in faulty[1]) == (1, True), faulty
            async with serving_previous(tmp_path, upstream.url, environ, store=redis.url) as back:
                assert (await key_used(back))[0] == min(first_used, also)
        async with spawned_gateway(tmp_path / "new", upstream.url, store=redis.url) as again_new:
            assert (await key_used(again_new))[0] == min(first_used, also)
