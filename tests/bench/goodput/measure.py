"""One scenario and one way of calling: what was answered, refused and waited for while it was measured."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from tests.bench.goodput.callers import Ask, Crowd, RetryingCrowd, Tally, fetch
from tests.bench.processes import (
    FORM,
    PATH,
    SAME_TEXT,
    Cores,
    Started,
    cpu_seconds,
    pinned,
    started,
    started_gateway,
)
from tests.support.redis import redis_server

SERVICE_SECONDS = 0.05
_CALLERS_PER_SLOT = 5
_SETTLE_SECONDS = 2.0  # after the upstream's limit has changed


@dataclass(frozen=True)
class Scenario:
    """Times count from the first request; the second replica joins when measuring begins."""

    name: str
    limit: int
    seconds: float = 30.0
    warm_up: float = 8.0
    changes: tuple[tuple[float, int], ...] = ()
    """(part of the measured time, limit from then on)."""
    replicas: int = 1
    sigma: float = 0.0
    redis: bool = False

    def windows(self) -> list[tuple[float, float, int]]:
        """(begin, end, limit) of what is measured."""
        moments = [(0.0, self.limit), *self.changes]
        ends = [part for part, _ in self.changes] + [1.0]
        found = []
        for (part, limit), end in zip(moments, ends, strict=True):
            begin = self.warm_up + part * self.seconds + (_SETTLE_SECONDS if part else 0.0)
            found.append((begin, self.warm_up + end * self.seconds, limit))
        return found


@dataclass
class Result:
    """Sums over the windows. `held` are slot-seconds of the answered, `offered` those there were."""

    succeeded: int = 0
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    refused: int = 0
    held: float = 0.0
    offered: float = 0.0
    took: list[float] = field(default_factory=list)
    newcomer: list[float] = field(default_factory=list)
    """The second replica's part of what succeeded, for each second from its joining."""
    cpu: float = 0.0
    """CPU seconds of the gateways per second."""

    @property
    def service_seconds(self) -> float:
        """Mean service time, as the upstream's clock saw it."""
        return self.held / max(1, self.answered)

    @property
    def goodput(self) -> float:
        """Successes over limit / mean service time."""
        return self.succeeded * self.service_seconds / self.offered

    @property
    def waste(self) -> float:
        """The upstream's 429s per success."""
        return self.refused / max(1, self.succeeded)

    def wait(self, part: float) -> float:
        """A quantile of the time beyond the mean service time, in seconds."""
        took = sorted(self.took)
        return took[min(len(took) - 1, int(part * len(took)))] - self.service_seconds if took else 0.0


@contextmanager
def started_limited(core: int | None, scenario: Scenario) -> Iterator[Started]:
    """An upstream with the scenario's limit."""
    command = [sys.executable, "-m", "tests.bench.goodput.upstream", "--limit", str(scenario.limit)]
    command += ["--seconds", str(SERVICE_SECONDS), "--sigma", str(scenario.sigma)]
    with started(command, core) as upstream:
        yield upstream


def measure(scenario: Scenario, way: str) -> Result:
    """Run a scenario; `way` is `gateway`, `direct` or `aiohttp-retry`."""
    cores = Cores.found()
    with ExitStack() as stack:
        upstream = stack.enter_context(started_limited(cores.load, scenario))
        gateways = []
        store: dict[str, Any] = {"store": stack.enter_context(redis_server()).url} if scenario.redis else {}
        for number in range(scenario.replicas if way == "gateway" else 0):
            folder = Path(stack.enter_context(TemporaryDirectory(prefix=f"replica-{number}-")))
            gateway = started_gateway(cores.measured, upstream.url, folder, **store)
            gateways.append(stack.enter_context(gateway))
        stack.enter_context(pinned(cores.load))
        return uvloop.run(_drive(scenario, way, upstream, gateways))


async def _drive(scenario: Scenario, way: str, upstream: Started, gateways: list[Started]) -> Result:
    urls = [each.url for each in gateways] or [upstream.url]
    callers = _CALLERS_PER_SLOT * scenario.limit // len(urls)
    tallies = [Tally() for _ in urls]
    kind = RetryingCrowd if way == "aiohttp-retry" else Crowd
    crowds = [
        kind(Ask(url, PATH, SAME_TEXT, FORM), tally, callers)
        for url, tally in zip(urls, tallies, strict=True)
    ]
    result = Result()
    began = time.perf_counter()
    await crowds[0].start()
    joining = asyncio.create_task(_join(crowds[1:], began + scenario.warm_up))
    cpu = 0.0
    for begin, end, limit in scenario.windows():
        await fetch(upstream.url, f"/-/limit?{limit}") if begin == scenario.warm_up else None
        await _until(began + begin)
        before, seen, since = await fetch(upstream.url, "/-/counts"), _seen(tallies), time.perf_counter()
        used = sum(map(cpu_seconds, gateways))
        await _until(began + end)
        after, upto = await fetch(upstream.url, "/-/counts"), time.perf_counter()
        _add(result, tallies, seen, limit * (upto - since))
        cpu += (sum(map(cpu_seconds, gateways)) - used) / (upto - since)
        result.answered += after["answered"] - before["answered"]
        result.refused += after["refused"] - before["refused"]
        result.held += after["held_seconds"] - before["held_seconds"]
        for part, new in scenario.changes:
            if abs(scenario.warm_up + part * scenario.seconds - end) < 1e-6:
                await fetch(upstream.url, f"/-/limit?{new}")
    result.cpu = cpu / len(scenario.windows())
    await joining
    for crowd in crowds:
        await crowd.stop()
    if len(tallies) > 1:
        result.newcomer = _parts(tallies, began + scenario.warm_up, int(scenario.seconds))
    return result


async def _join(crowds: Sequence[Crowd | RetryingCrowd], when: float) -> None:
    await _until(when)
    for crowd in crowds:
        await crowd.start()


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))


def _seen(tallies: list[Tally]) -> list[tuple[int, int]]:
    return [(len(tally.took), tally.failed) for tally in tallies]


def _add(result: Result, tallies: list[Tally], seen: list[tuple[int, int]], offered: float) -> None:
    result.offered += offered
    for tally, (successes, failures) in zip(tallies, seen, strict=True):
        result.took += [seconds for _, seconds in tally.took[successes:]]
        result.succeeded += len(tally.took) - successes
        result.failed += tally.failed - failures
        for kind, number in tally.failures.items():
            result.failures[kind] = number  # since the start: to see what they are


def _parts(tallies: list[Tally], since: float, seconds: int) -> list[float]:
    counts = [[0] * seconds for _ in tallies]
    for tally, row in zip(tallies, counts, strict=True):
        for ended, _ in tally.took:
            if 0 <= ended - since < seconds:
                row[int(ended - since)] += 1
    return [row[-1] / max(1, sum(row)) for row in zip(*counts, strict=True)]
