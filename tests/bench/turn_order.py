"""What it costs that calls of equal length stay in step: goodput, and another consumer's wait.

    python -m tests.bench.turn_order [seeds]

The real limiter on a loop whose clock only moves by what is charged to it, so that a busy machine changes
nothing. Twilio takes 20 calls of 50 ms at once, 200 connections of one consumer want it, and a polite one
sends ten calls a second. A stall stops the gateway for 20 ms, on average once a second: what would have been
answered meanwhile is answered in one turn. An upstream whose timers count whole milliseconds has the calls of
a millisecond answered in one turn for ever.
"""

import asyncio
import heapq
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from multiprocessing import Pool
from statistics import mean, quantiles

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter, PermitOutcome
from gateway.consumers.consumer import Priority
from tests.support.virtual_time import VirtualTimeLoop, run_in_virtual_time

_LIMIT = 20
_FLOOD = 200
_SERVICE_SECONDS = 0.05
_REFUSED_SECONDS = 0.001
_WARM_UP_SECONDS = 4.0
_STALL_SECONDS = 0.02
_FAR = 1000.0
# CPU of one call in plain Python: 200 microseconds by `tests.bench.goodput`; the parts are estimated.
_READ, _ANSWERED, _SEND, _RELAY = 15e-6, 10e-6, 55e-6, 120e-6


@dataclass(frozen=True)
class Scenario:
    """`order`: when an answer is relayed, seen from the requests that the permits of its turn went to."""

    order: str
    log_normal: bool
    stalls: bool
    whole_ms: bool
    """Whether the upstream's timers count whole milliseconds, as those of asyncio and uvloop do."""
    seed: int
    seconds: float = 30.0
    """Measured, after a warm-up."""


@dataclass
class Result:
    """`offered` and `held` are slot-seconds, `waits` are the polite consumer's in seconds."""

    offered: float
    held: float = 0.0
    waits: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Of all slot-seconds there were."""
        return self.held / self.offered


class Simulation:
    """A gateway and an upstream. `loop` is the gateway's: what is charged to it delays all that follows."""

    def __init__(self, scenario: Scenario, loop: VirtualTimeLoop) -> None:
        self._scenario = scenario
        self._loop = loop
        self._chance = random.Random(scenario.seed)
        limit = AdaptiveLimit(AdaptiveLimitOptions(), self._chance.uniform)
        self._limiter = ConcurrencyLimiter(limit, 1000, loop.time, loop.time)
        self._ends: list[float] = []  # of the calls that Twilio has taken
        self.result = Result(_LIMIT * scenario.seconds)

    async def run(self) -> None:
        tasks = [asyncio.create_task(self._flood()) for _ in range(_FLOOD)]
        if self._scenario.stalls:
            tasks.append(asyncio.create_task(self._stall()))
        await asyncio.sleep(_WARM_UP_SECONDS)
        for _ in range(10):
            tasks.append(asyncio.create_task(self._ask_politely()))
            await asyncio.sleep(0.1 + self._chance.uniform(-0.02, 0.02))
        await asyncio.sleep(self._scenario.seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _flood(self) -> None:
        while True:
            await self._call("flood")
            await asyncio.sleep(0.0002)

    async def _ask_politely(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            began = self._loop.time()
            seconds = await self._call("polite")
            self.result.waits.append(self._loop.time() - began - seconds)

    async def _stall(self) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(1.0))
            self._loop.spend(_STALL_SECONDS)

    async def _call(self, consumer: str) -> float:
        """One call, its refusals included; how long Twilio took."""
        limiter, refused = self._limiter, False
        while True:
            permit = await limiter.acquire(consumer, Priority.NORMAL, _FAR, in_front=refused)
            self._loop.spend(_SEND)
            seconds = self._take()
            await asyncio.sleep(seconds or _REFUSED_SECONDS)
            self._loop.spend(_READ)
            await asyncio.sleep(0)  # from the connection to the attempt's task
            self._loop.spend(_ANSWERED)
            permit.release(PermitOutcome.SUCCESS if seconds else PermitOutcome.DROPPED)
            if seconds:
                await self._give_way()
                self._loop.spend(_RELAY)
                return seconds
            refused = True

    def _take(self) -> float:
        """How long Twilio takes for what is sent now; 0 for a refusal."""
        now, seconds = self._loop.time(), _SERVICE_SECONDS
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        if len(self._ends) >= _LIMIT:
            return 0.0
        if self._scenario.log_normal:
            seconds = self._chance.lognormvariate(math.log(seconds) - 0.32, 0.8)
        if self._scenario.whole_ms:
            seconds = max((math.floor(now * 1000) + round(seconds * 1000)) / 1000 - now, 1e-6)
        heapq.heappush(self._ends, now + seconds)
        begin = _WARM_UP_SECONDS + 1.0  # ten polite connections began in a second
        end = begin + self._scenario.seconds
        self.result.held += max(0.0, min(now + seconds, end) - max(now, begin))
        return seconds

    async def _give_way(self) -> None:
        if self._scenario.order == "sent first":
            await self._limiter.let_granted_send()
        elif self._scenario.order == "alternating":
            await asyncio.sleep(0)


def simulate(scenario: Scenario) -> Result:
    """Run one."""

    async def main(loop: VirtualTimeLoop) -> Result:
        simulation = Simulation(scenario, loop)
        await simulation.run()
        return simulation.result

    return run_in_virtual_time(main)


def _lines(seeds: int) -> Iterator[str]:
    kinds = product(
        (False, True), (False, True), (False, True), ("relayed first", "alternating", "sent first")
    )
    with Pool() as pool:
        for log_normal, whole_ms, stalls, order in kinds:
            scenarios = [Scenario(order, log_normal, stalls, whole_ms, seed) for seed in range(seeds)]
            results = pool.map(simulate, scenarios)
            waits = [quantiles(each.waits, n=100)[98] / _SERVICE_SECONDS for each in results]
            goodput = [each.goodput for each in results]
            yield (
                f"{'log-normal' if log_normal else 'equal':<12}{'whole ms' if whole_ms else 'exact':<10}"
                f"{'stalls' if stalls else 'none':<8}{order:<15}goodput {mean(goodput):.3f}"
                f" (min {min(goodput):.3f})   polite p99 wait {mean(waits):.2f} service times"
                f" (max {max(waits):.2f})"
            )


def main() -> None:
    """A line for each kind: means over the seeds, and the worst of them."""
    for line in _lines(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        print(line, flush=True)


if __name__ == "__main__":
    main()
