"""What the repeat guard costs a create: off, in this process, off with a Redis, and shared through it.

`python -m tests.bench.guard_cost [--creates 4000]`: another text each time, a gateway process for each kind,
which take turns. CPU is the gateway process's own; the rest is the caller's view. With `--instructions` each
kind runs under valgrind's callgrind, with everything on as in `tests.bench.instructions`, and what is counted
are instructions, which do not depend on how busy the machine is. With `--floor` the same is measured of
servers that do nothing but run the scripts: less is not possible. The CPU of
Redis is in none of these figures.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from gateway.commands.simulate import read_account
from tests.bench.instructions import count, under_callgrind
from tests.bench.processes import ROOT, Cores, started, started_gateway, started_upstream
from tests.support.caller import FORM, MESSAGES, raw_caller, request
from tests.support.compiled_tree import compiled_tree
from tests.support.redis import redis_server
from tests.support.running import ENVIRON, Spawned, spawned_gateway
from twilio_simulator import Simulator

_ROUNDS = 8
_MOST_TRIES = 50


@dataclass
class Kind:
    """One way of guarding, and what was measured."""

    name: str
    settings: dict[str, Any]
    cpu_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def describe(self, base: "Kind") -> str:
        """For people, with what it costs beyond `base`."""
        microseconds, before = (1e6 * each.cpu_seconds / max(1, len(each.seconds)) for each in (self, base))
        p50, p50_before = (1000 * statistics.median(each.seconds) for each in (self, base))
        return (
            f"{self.name:6} {microseconds:6.0f} µs of CPU a create "
            f"({microseconds - before:+.0f}, {_ratio(microseconds, before)}), "
            f"p50 {p50:.2f} ms ({p50 - p50_before:+.2f}); against {base.name}"
        )


def kinds(store: str) -> list[Kind]:
    """The ways of guarding; `store` is the URL of a Redis, which costs something without the guard, too."""
    off = {"repeat_guard": {"seconds": 0}}
    return [
        Kind("off", off),
        Kind("local", {"repeat_guard": {"store": "local"}}),
        Kind("redis", {**off, "store": store}),
        Kind("shared", {"repeat_guard": {"store": "shared"}, "store": store}),
    ]


def _bases(measured: list[Kind]) -> list[tuple[Kind, Kind]]:
    """Each kind with the one that differs from it by the guard alone."""
    off, local, redis, shared = measured
    return [(off, off), (local, off), (redis, off), (shared, redis)]


def _cpu_seconds(pid: int) -> float:
    """On all its threads so far, to the nanosecond: ticks, of 10 ms, are a tenth of a round."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in tasks) / 1e9


async def _round(kind: Kind, spawned: Spawned, creates: int, first: int, callers: int) -> bool:
    """Some creates; whether all were made."""
    before = _cpu_seconds(spawned.process.pid)
    made = await _creates(kind, spawned.url, creates, first, callers)
    kind.cpu_seconds += _cpu_seconds(spawned.process.pid) - before
    return made


async def _creates(kind: Kind, url: str, creates: int, first: int, callers: int) -> bool:
    share = max(1, creates // callers)
    parts = [range(start, start + share) for start in range(first, first + creates, share)]
    return all(await asyncio.gather(*(_create(kind, url, part) for part in parts)))


async def _create(kind: Kind, url: str, numbers: range) -> bool:
    """One after the other, on one connection.

    What is refused because Redis stood still was not sent, and is no price of the guard: another text is.
    """
    well = True
    async with raw_caller(int(url.rpartition(":")[2])) as caller:
        for number in numbers:
            for resent in range(_MOST_TRIES):
                body = f"To=%2B15558675310&From=%2B15557122661&Body={kind.name}-{number}-{resent:02}".encode()
                began = time.perf_counter()
                await caller.send(request(f"POST {MESSAGES}", FORM, body=body))
                answer = await caller.answer()
                if answer.slug != "store_unavailable":
                    kind.seconds.append(time.perf_counter() - began)
                    break
            well = well and answer.status == 201
    return well


async def measure(creates: int, callers: int) -> bool:
    """Measure and print; whether every create was made."""
    well, share = True, max(1, creates // _ROUNDS)
    with redis_server() as server, TemporaryDirectory() as folder:
        measured = kinds(server.url)
        async with Simulator([read_account(ENVIRON, None)]) as simulator, AsyncExitStack() as stack:
            running = []
            for kind in measured:
                place = Path(folder) / kind.name
                place.mkdir()
                running.append(
                    await stack.enter_async_context(spawned_gateway(place, simulator.url, **kind.settings))
                )
            for number in range(_ROUNDS):
                for kind, spawned in zip(measured, running, strict=True):
                    well = await _round(kind, spawned, share, number * share, callers) and well
    for kind, base in _bases(measured):
        print(kind.describe(base))
    return well


def measure_floor(creates: int, callers: int) -> bool:
    """The same for servers that do nothing but run the two scripts (`tests.bench.guard_floor`)."""
    well, share = True, max(1, creates // _ROUNDS)
    modes = [Kind(name, {}) for name in ("none", "apart", "riding")]
    with redis_server() as server, ExitStack() as stack:
        command = [sys.executable, "-m", "tests.bench.guard_floor", "--store", server.url]
        running = [stack.enter_context(started([*command, mode.name], None)) for mode in modes]
        for number in range(_ROUNDS):
            for mode, each in zip(modes, running, strict=True):
                before = _cpu_seconds(each.pid)
                well = uvloop.run(_creates(mode, each.url, share, number * share, callers)) and well
                mode.cpu_seconds += _cpu_seconds(each.pid) - before
    for mode in modes:
        print(mode.describe(modes[0]))
    return well


def count_instructions(creates: int, names: Sequence[str], tree: Path) -> None:
    """Count and print, for each kind of these names: creates that all differ."""
    cores = Cores.found()
    counted: dict[str, float] = {}
    with redis_server() as store, started_upstream(cores.load) as upstream:
        for kind, base in _bases(kinds(store.url)):
            if kind.name not in names:
                continue
            with ExitStack() as stack:
                folder = Path(stack.enter_context(TemporaryDirectory()))
                under = stack.enter_context(under_callgrind(folder))
                running = started_gateway(
                    cores.measured, upstream.url, folder, tree, under=under, **kind.settings
                )
                found = count(stack.enter_context(running), folder, creates).varied
            counted[kind.name] = found
            before = counted.get(base.name, 0.0)
            print(
                f"{kind.name:6} {found:9,.0f} instructions a create "
                f"({found - before:+,.0f}, {_ratio(found, before)}); against {base.name}",
                flush=True,
            )


def _ratio(value: float, base: float) -> str:
    return f"{100 * (value / base - 1):+.1f} %" if base else "no base"


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if a create failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--creates", type=int, default=4000, help="of each kind")
    parser.add_argument("--callers", type=int, default=1, help="at the same time")
    parser.add_argument("--instructions", action="store_true", help="count them; needs valgrind")
    parser.add_argument(
        "--kinds", default="off,local,redis,shared", help="which are counted, with their bases"
    )
    parser.add_argument("--compiled", action="store_true", help="count the compiled build, which is made")
    parser.add_argument("--floor", action="store_true", help="of the least that could do it, not of gateways")
    args = parser.parse_args(arguments)
    if args.floor:
        return 0 if measure_floor(args.creates, args.callers) else 1
    if args.instructions:
        tree = compiled_tree() if args.compiled else ROOT
        count_instructions(args.creates, args.kinds.split(","), tree)
        return 0
    return 0 if uvloop.run(measure(args.creates, args.callers)) else 1


if __name__ == "__main__":
    sys.exit(main())
