"""What is left of many exchanges with faults: memory, file descriptors, connections and tasks of the gateway.

`python -m tests.bench.soak [--exchanges 200000]`. Storms of `side_effects` one after the other, against one
gateway in its own process; after each the gateway is left alone until it is at rest, and looked at. The first
storm warms up: pools, caches and what is bounded fill in it.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from gateway.commands.simulate import read_account
from tests.bench.memory import MIB, rss_bytes
from tests.bench.processes import Started
from tests.bench.side_effects import SETTINGS, run_storm
from tests.support.caller import ask
from tests.support.running import ENVIRON, Spawned, spawned_gateway
from twilio_simulator import Simulator

_SETTINGS = {**SETTINGS, "idempotency": {"ttl_seconds": 60}}  # by default answers are kept for a day
_REST_SECONDS = 45.0  # the pool gives an idle connection up after 15
_METRIC = re.compile(rb"^(gateway_[a-z_]+)(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
_SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Left:
    """What a gateway holds while nobody calls it."""

    rss_bytes: int
    descriptors: int
    connections: int
    tasks: int
    in_flight: int

    def describe(self) -> str:
        """For people."""
        return (
            f"{self.rss_bytes / MIB:6.1f} MiB, {self.descriptors} descriptors,"
            f" {self.connections} connections, {self.tasks} tasks, {self.in_flight} slots held"
        )

    def gave_back(self, started: "Left") -> bool:
        """Whether all but memory is as at the start, to the last one; memory is a figure to look at."""
        return (
            self.descriptors <= started.descriptors
            and self.connections <= started.connections
            and self.tasks <= started.tasks
            and self.in_flight <= started.in_flight
        )


async def look(gateway: Spawned) -> Left:
    """At a moment."""
    port = int(gateway.admin_url.rpartition(":")[2])
    found: dict[bytes, float] = {}
    for name, value in _METRIC.findall((await ask(port, _SCRAPE)).body):
        found[name] = found.get(name, 0.0) + float(value)
    pid = gateway.process.pid
    return Left(
        rss_bytes(Started(gateway.url, pid)),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),  # noqa: ASYNC240 - not a disk
        int(found[b"gateway_connections"]),
        int(found[b"gateway_tasks"]),
        int(found.get(b"gateway_in_flight", 0)),
    )


async def settled(gateway: Spawned) -> Left:
    """What it holds once no more is added: it listens before the last of its loops have begun."""
    before = await look(gateway)
    while True:
        await asyncio.sleep(1)
        left = await look(gateway)
        if replace(left, rss_bytes=0) == replace(before, rss_bytes=0):
            return left
        before = left


async def rest(gateway: Spawned, started: Left) -> Left:
    """What is left once it holds no more than when it started, or after a while."""
    deadline = asyncio.get_running_loop().time() + _REST_SECONDS
    while True:
        left = await look(gateway)
        if left.gave_back(started) or asyncio.get_running_loop().time() > deadline:
            return left
        await asyncio.sleep(1)


async def soak(exchanges: int, storm_size: int) -> bool:
    """Whether everything was given back, and nothing was created against what its caller was told."""
    well = True
    async with Simulator([read_account(ENVIRON, None)]) as simulator:
        with TemporaryDirectory() as folder:
            async with spawned_gateway(Path(folder), simulator.url, **_SETTINGS) as gateway:
                port = int(gateway.url.rpartition(":")[2])
                started = await settled(gateway)
                print(f"{'start':>8}: {started.describe()}", flush=True)
                for done in range(storm_size, exchanges + 1, storm_size):
                    keyed = done // storm_size % 4 == 0
                    storm = await run_storm(simulator, port, storm_size, keyed=keyed, seed=done)
                    simulator.reset()
                    left = await rest(gateway, started)
                    print(f"{done:>8}: {left.describe()}", flush=True)
                    for name, texts in storm.problems().items():
                        print(f"  {name}: {len(texts)}, such as {texts[:3]}")
                        well = False
                    gateway.capture.lines.clear()
                    if not left.gave_back(started):
                        print("  not everything was given back")
                        well = False
    return well


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if something was not given back, or was created twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--exchanges", type=int, default=200_000)
    parser.add_argument("--storm", type=int, default=20_000, help="exchanges between two looks")
    parser.add_argument("--short", action="store_true", help="one small storm: only to see that it runs")
    args = parser.parse_args(arguments)
    exchanges, storm = (200, 200) if args.short else (args.exchanges, args.storm)
    return 0 if uvloop.run(soak(exchanges, storm)) else 1


if __name__ == "__main__":
    sys.exit(main())
