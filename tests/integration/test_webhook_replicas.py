"""Two processes of the webhook role and a real Redis: repeats and rates are those of both together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from tests.support.attempts import until
from tests.support.metrics import fetch, read_samples, scrape_until
from tests.support.redis import RedisServer
from tests.support.running import Spawned, configuration, serving
from tests.support.webhooks import (
    WEBHOOK_ENVIRON,
    Service,
    TwilioSide,
    message,
    running_service,
    settings,
)

_REPEATS = "gateway_webhook_shared_repeats_total"
TOKEN = {"I-Twilio-Idempotency-Token": "token-1"}
TEXT = "<Response><Message>Your code is 4711</Message></Response>"


@dataclass
class Replicas:
    """Two replicas of one configuration, between Twilio and their service."""

    service: Service
    one: TwilioSide
    two: TwilioSide
    spawned: tuple[Spawned, Spawned]

    async def until_counted(self, event: str, count: int) -> None:
        """Wait until both have counted so many of an event of `gateway_webhook_shared_repeats_total`."""
        async with asyncio.timeout(120):
            while True:
                pages = [read_samples(await fetch(each.admin_url)) for each in self.spawned]
                if sum(page[_REPEATS, (("event", event),)] for page in pages) >= count:
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def two_replicas(folder: Path, server: RedisServer) -> AsyncIterator[Replicas]:
    async with running_service() as service, aiohttp.ClientSession() as session:
        limited = {"path": "/limited", "to": f"{service.url}/twilio/sms", "rate": "1/h", "burst": 2}
        section = settings(
            service.url, {"path": "/sms", "to": f"{service.url}/twilio/sms", "timeout": 15}, limited
        )
        config = folder / "gateway.yaml"
        more: dict[str, Any] = {"webhooks": section, "store": server.url, "log": {"format": "json"}}
        config.write_text(yaml.safe_dump(configuration("http://127.0.0.1:9", **more)))
        async with (
            serving(config, WEBHOOK_ENVIRON, "--only", "webhooks") as one,
            serving(config, WEBHOOK_ENVIRON, "--only", "webhooks") as two,
        ):
            sides = []
            for each in (one, two):
                started = next(line for line in each.capture.lines if line["event"] == "serving")
                sides.append(TwilioSide(started["webhooks"], session))
            yield Replicas(service, sides[0], sides[1], (one, two))


async def test_two_replicas(tmp_path: Path, server: RedisServer) -> None:
    """One pair of processes for all, the last of which kills one."""
    async with two_replicas(tmp_path, server) as replicas:
        await _check_repeats(replicas)
        _check_that_nothing_can_be_read(server)
        await _check_what_is_no_repeat(replicas)
        await _check_the_rate(replicas)
        await _check_a_silent_store(replicas, server)
        await _check_a_death(replicas)


async def _check_repeats(replicas: Replicas) -> None:
    """One waits for another replica's flight, one comes after it: both get its answer, cookies included."""
    going = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await going.wait()
        response = web.Response(text=TEXT, content_type="text/xml")
        response.set_cookie("step", str(len(replicas.service.seen)))
        return response

    replicas.service.answer = answer
    first = asyncio.create_task(replicas.one.post("/sms", message(), headers=TOKEN))
    await until(lambda: len(replicas.service.seen) == 1)
    waiting = [asyncio.create_task(replicas.two.post("/sms", message(), headers=TOKEN)) for _ in range(2)]
    await replicas.until_counted("waited", 1)
    going.set()
    answers = [await each for each in (first, *waiting)]
    answers.append(await replicas.two.post("/sms", message(), headers=TOKEN))
    assert {(got.status, got.body.decode(), got.headers["Set-Cookie"]) for got in answers} == {
        (200, TEXT, "step=1; Path=/")
    }
    assert len(replicas.service.seen) == 1
    await replicas.until_counted("answered", 1)


def _check_that_nothing_can_be_read(server: RedisServer) -> None:
    kept = {name: server.client.dump(name) for name in server.names() if "webhook_answers" in name}
    assert len(kept) == 3
    for hidden in (b"4711", b"Message", b"text/xml", b"token-1", message()["From"].encode()):
        assert not [name for name, value in kept.items() if hidden in value], hidden


async def _check_what_is_no_repeat(replicas: Replicas) -> None:
    one, two, seen = replicas.one, replicas.two, replicas.service.seen
    before = len(seen)
    for side, form, headers in (
        (two, message(Body="other"), TOKEN),
        (two, message(), {"I-Twilio-Idempotency-Token": "2"}),
        (two, message(), {}),
        (one, message(), {}),
    ):
        assert (await side.post("/sms", form, headers=headers)).status == 200
    assert len(seen) == before + 4
    assert (await two.post("/sms", message(), token="f" * 32, headers=TOKEN)).status == 403


async def _check_the_rate(replicas: Replicas) -> None:
    sides = (replicas.one, replicas.two, replicas.one, replicas.two)
    found = [await side.post("/limited", message()) for side in sides]
    assert [got.status for got in found] == [200, 200, 429, 429]
    assert int(found[3].headers["Retry-After"]) > 1000


async def _check_a_silent_store(replicas: Replicas, server: RedisServer) -> None:
    before = len(replicas.service.seen)
    server.freeze()
    try:
        for side in (replicas.one, replicas.two):
            assert (await side.post("/sms", message(Body="away"), headers=TOKEN)).status == 200
            assert (await side.post("/limited", message())).status == 200  # each counts for itself
    finally:
        server.thaw()
    assert len(replicas.service.seen) == before + 4
    await replicas.until_counted("store_unavailable", 2)


async def _check_a_death(replicas: Replicas) -> None:
    """What the dead one had under way is delivered by the other, once its lease is over."""
    never, before = asyncio.Event(), len(replicas.service.seen)

    async def answer(request: web.Request) -> web.Response:
        if len(replicas.service.seen) == before + 1:
            await never.wait()
        return web.Response(text=TEXT, content_type="text/xml")

    replicas.service.answer = answer
    for each in replicas.spawned:  # both have found Redis again
        await scrape_until(each.admin_url, "gateway_store_available", 1)
    first = asyncio.create_task(replicas.one.post("/sms", message(Body="death"), headers=TOKEN))
    await until(lambda: len(replicas.service.seen) == before + 1)
    replicas.spawned[0].process.kill()
    with pytest.raises(aiohttp.ClientError):
        await first
    got = await replicas.two.post("/sms", message(Body="death"), headers=TOKEN)
    never.set()
    assert (got.status, got.body.decode(), len(replicas.service.seen)) == (200, TEXT, before + 2)
