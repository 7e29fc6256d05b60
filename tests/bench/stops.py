"""From stop to last send: replicas under load, with Redis, without it, over a restart, one of them frozen.

    python -m tests.bench.stops [--rate 500] [--replicas 3] [--seconds 3]

Requests come at a steady rate, whatever became of those before, each of another text and in turn to each
replica; the upstream answers after 50 ms. Then `POST /api/stops`, as `gateway stop` sends it, to one replica
(to all of them while Redis is away). Printed is the time from just before it to the last request that reached
the upstream, and to the answer. Everything stays on loopback.
"""

import argparse
import asyncio
import itertools
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import web

from tests.bench.processes import FIELDS, PATH
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON, Spawned, serving, spawned_gateway

CASES: Final = ("with Redis", "Redis away", "over a restart", "one replica frozen")
_ANSWER_SECONDS: Final = 0.05
_QUIET_SECONDS: Final = 0.5
_WAIT_SECONDS: Final = 60.0
_STOP: Final = {"consumer": "app"}


class Measured(NamedTuple):
    """One case. Seconds from the stop to the last send and to the last answer; what was sent before and
    after every replica had acknowledged, and which of them did not."""

    case: str
    rate: float
    last_send: float
    answered: float
    sent: int
    sent_later: int
    silent: int

    def __str__(self) -> str:
        return (
            f"{self.case:<20} {self.rate:>6.0f}/s {self.last_send:>9.3f} s {self.answered:>9.3f} s"
            f" {self.sent:>7} {self.sent_later:>6} {self.silent:>7}"
        )


@dataclass
class _Twilio:
    """The upstream: it notes when each request arrived (monotonic seconds)."""

    arrivals: list[float] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.arrivals.append(time.monotonic())
        await request.read()
        await asyncio.sleep(_ANSWER_SECONDS)
        return web.json_response({"sid": "SM00112233445566778899aabbccddeeff"}, status=201)


@dataclass
class _Load:
    """Requests at a steady rate to replicas in turn."""

    session: aiohttp.ClientSession
    urls: list[str]
    rate: float
    refused: int = 0
    _numbers: Any = field(default_factory=itertools.count)
    _asking: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        began = time.monotonic()
        for sent in itertools.count(1):
            task = asyncio.create_task(self._ask(self.urls[sent % len(self.urls)]))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.sleep(max(0.0, began + sent / self.rate - time.monotonic()))

    async def _ask(self, url: str) -> None:
        body = f"To=%2B15558675310&From=%2B15557122661&Body=number+{next(self._numbers)}"
        try:
            async with self.session.post(url + PATH, data=body, headers=FIELDS) as answer:
                await answer.read()
                self.refused += answer.status == 403
        except aiohttp.ClientError:
            return  # a replica that was killed

    async def end(self) -> None:
        """Await what is asked still: a frozen replica answers once it is thawed."""
        await asyncio.gather(*self._asking)


class _Field(NamedTuple):
    """What a case is played on."""

    folder: Path
    replicas: list[Spawned]
    redis: RedisServer
    twilio: _Twilio
    load: _Load
    session: aiohttp.ClientSession


@asynccontextmanager
async def _field(count: int, rate: float) -> AsyncIterator[_Field]:
    async with AsyncExitStack() as stack:
        twilio = _Twilio()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", twilio.answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
        redis = stack.enter_context(redis_server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        replicas = []
        for number in range(count):
            own = folder / str(number)
            own.mkdir()
            replicas.append(
                await stack.enter_async_context(
                    spawned_gateway(own, upstream, store=redis.url, stop_file="stops.json")
                )
            )
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        load = _Load(session, [each.url for each in replicas], rate)
        yield _Field(folder, replicas, redis, twilio, load, session)


async def _stop(played: _Field, replicas: Sequence[Spawned]) -> int:
    """Stop on these, one after the other; how many replicas did not acknowledge."""
    silent: set[str] = set()
    for each in replicas:
        async with played.session.post(f"{each.admin_url}/api/stops", json=_STOP) as answer:
            content = await answer.json()
        silent |= {replica["replica"] for replica in content["replicas"] if not replica["done"]}
    return len(silent)


async def measure(case: str, count: int, rate: float, seconds: float) -> Measured:
    """Play one case."""
    async with _field(count, rate) as played:
        loading = asyncio.create_task(played.load.run())
        await asyncio.sleep(seconds)
        if case == "Redis away":
            played.redis.stop()
            await asyncio.sleep(_QUIET_SECONDS)  # until the replicas have noticed
        frozen = played.replicas[-1] if case == "one replica frozen" else None
        if frozen is not None:
            frozen.process.send_signal(signal.SIGSTOP)
        before = len(played.twilio.arrivals)
        began = time.monotonic()
        silent = await _stop(played, played.replicas if case == "Redis away" else played.replicas[:1])
        answered = time.monotonic() - began
        if frozen is not None:
            # What it had read before is sent once it moves again, until it has polled: count from there.
            began = time.monotonic()
            frozen.process.send_signal(signal.SIGCONT)
        async with AsyncExitStack() as stack:
            if case == "over a restart":
                await _restart(played, stack)
            await _quiet(played)
            sent = len(played.twilio.arrivals)
            await asyncio.sleep(_QUIET_SECONDS)
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            await played.load.end()
        last = max((each - began for each in played.twilio.arrivals), default=0.0)
        later = len(played.twilio.arrivals) - sent
        achieved = before / (seconds + (_QUIET_SECONDS if case == "Redis away" else 0.0))
        return Measured(case, achieved, max(0.0, last), answered, sent, later, silent)


async def _restart(played: _Field, stack: AsyncExitStack) -> None:
    """Kill a replica and start it again, under load, with its file and without the store's memory."""
    killed = played.replicas[0]
    killed.process.kill()
    await killed.process.wait()
    await asyncio.to_thread(played.redis.client.flushall)
    started = await stack.enter_async_context(serving(played.folder / "0" / "gateway.yaml", ENVIRON))
    played.load.urls[0] = started.url


async def _quiet(played: _Field) -> None:
    """Until nothing was sent for a while, although requests come."""
    async with asyncio.timeout(_WAIT_SECONDS):
        seen, refused = -1, played.load.refused
        while seen != len(played.twilio.arrivals) or played.load.refused == refused:
            seen = len(played.twilio.arrivals)
            await asyncio.sleep(_QUIET_SECONDS)


async def _measure_all(options: argparse.Namespace) -> list[Measured]:
    found = []
    for case in options.cases:
        found.append(await measure(case, options.replicas, options.rate, options.seconds))
        print(found[-1], flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> list[Measured]:
    """Print a row a case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=500.0, help="requests a second, over all replicas")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load before the stop")
    parser.add_argument("--case", dest="cases", action="append", choices=CASES)
    options = parser.parse_args(arguments)
    options.cases = options.cases or list(CASES)
    print(
        f"{'case':<20} {'load':>8} {'last send':>11} {'answered':>11} {'sent':>7} {'later':>6} {'silent':>7}"
    )
    return asyncio.run(_measure_all(options))


if __name__ == "__main__":
    main()
