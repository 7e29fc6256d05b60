"""What one consumer's flood costs another: 200 connections of one, a request every 100 ms of the other.

`python -m tests.bench.fairness [--short]`: a limit of 20 and 50 ms. With equal priority the other's p99
wait is compared with the mean service time; with high priority its p99 latency with that when it is alone.
"""

import argparse
import asyncio
import base64
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from tests.bench.goodput.callers import Ask, Crowd, Tally
from tests.bench.goodput.measure import SERVICE_SECONDS, Scenario, started_limited
from tests.bench.processes import FORM, PATH, SAME_TEXT, Cores, pinned, started_gateway
from tests.support.running import consumer

_FLOOD = 200
_PERIOD_SECONDS = 0.1
_WARM_UP_SECONDS = 4.0
_CONNECTIONS = 10  # that one request every 100 ms needs, whatever each takes
_GOALS = {"normal": "p99 wait at most 3 service times", "high": "p99 latency at most 2.2 times that alone"}


def _ask(url: str, name: str) -> Ask:
    authorization = "Basic " + base64.b64encode(f"{name}:key-of-{name}".encode()).decode()
    return Ask(url, PATH, {**SAME_TEXT, "Authorization": authorization}, FORM)


async def _polite(url: str, seconds: float) -> Tally:
    """A request every 100 ms, whatever became of those before."""
    tally = Tally()
    ask = replace(_ask(url, "polite"), pause_seconds=_PERIOD_SECONDS * _CONNECTIONS)
    crowds = []
    for _ in range(_CONNECTIONS):  # each a connection of its own, in turn
        crowds.append(Crowd(ask, tally, 1))
        await crowds[-1].start()
        await asyncio.sleep(_PERIOD_SECONDS)
    await asyncio.sleep(seconds)
    for crowd in crowds:
        await crowd.stop()
    return tally


async def _drive(url: str, seconds: float, warm_up: float) -> tuple[Tally, Tally, int]:
    """The polite one alone, and while it is flooded; how many of the flood failed."""
    alone = await _polite(url, seconds)
    flood = Tally()
    crowd = Crowd(_ask(url, "flood"), flood, _FLOOD)
    await crowd.start()
    await asyncio.sleep(warm_up)
    flooded = await _polite(url, seconds)
    await crowd.stop()
    return alone, flooded, flood.failed


def measure(priority: str, seconds: float, warm_up: float = _WARM_UP_SECONDS) -> tuple[Tally, Tally, int]:
    """One run; `priority` is the polite consumer's."""
    cores = Cores.found()
    consumers: dict[str, Any] = {
        "polite": consumer("key-of-polite", priority=priority),
        "flood": consumer("key-of-flood"),
    }
    with (
        TemporaryDirectory() as folder,
        started_limited(cores.load, Scenario("", 20)) as upstream,
        started_gateway(cores.measured, upstream.url, Path(folder), consumers=consumers) as gateway,
        pinned(cores.load),
    ):
        return uvloop.run(_drive(gateway.url, seconds, warm_up))


def _p99(tally: Tally) -> float:
    return quantiles([seconds for _, seconds in tally.took], n=100)[98]


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if a request failed; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="two seconds of high: only to see that it runs")
    args = parser.parse_args(arguments)
    failed = 0
    for priority in ("high",) if args.short else ("normal", "high"):
        seconds, warm_up = (2.0, 1.0) if args.short else (30.0, _WARM_UP_SECONDS)
        alone, flooded, others = measure(priority, seconds, warm_up)
        failed += alone.failed + flooded.failed + others
        before, after = _p99(alone), _p99(flooded)
        print(
            f"{priority:<7} alone p99 {before * 1000:6.1f} ms, flooded p99 {after * 1000:6.1f} ms"
            f" of {len(flooded.took)}: wait {(after - SERVICE_SECONDS) / SERVICE_SECONDS:.2f} service times,"
            f" {after / before:.2f} times alone   ({_GOALS[priority]})",
            flush=True,
        )
    if failed:
        print(f"{failed} requests failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
