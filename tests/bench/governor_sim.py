"""A discrete-event simulation over the real `Governor`: no sockets, seconds of traffic in a moment.

    python -m tests.bench.governor_sim

Idealised: 0.4 ms turn-round, a 429 after 1 ms. Prints goodput over the ideal, signals per success, and the
replicas' mean shares.
"""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gateway.admission.governor import Governor, GovernorOptions

_SERVICE_SECONDS = 0.05
_TURN_SECONDS = 0.0004
_REFUSED_SECONDS = 0.001


@dataclass
class Scenario:
    """`callers` per replica, each sending its next request when the last was answered."""

    name: str
    limit: int
    callers: tuple[int, ...]
    joins: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    changes: tuple[tuple[float, int], ...] = ()
    seconds: float = 42.0
    measured_from: float = 12.0
    log_normal: bool = False
    seed: int = 1
    yields: bool = True


@dataclass
class Result:
    """Counted from `measured_from` on."""

    succeeded: int = 0
    refused: int = 0
    ideal: float = 0.0
    shares: list[tuple[int, ...]] = field(default_factory=list)

    def line(self) -> str:
        means = tuple(round(sum(column) / len(self.shares), 1) for column in zip(*self.shares, strict=True))
        waste = self.refused / max(1, self.succeeded)
        return f"goodput {self.succeeded / self.ideal:.3f}  waste {waste:.4f}  shares {means}"


class Simulation:
    """One scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._chance = random.Random(scenario.seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._limit = scenario.limit
        self._admitted = 0
        options = GovernorOptions(yields=scenario.yields)
        replicas = range(len(scenario.callers))
        self._governors = [Governor(options, self._chance.uniform) for _ in replicas]
        self._waiting = [0 for _ in replicas]
        self._in_flight = [0 for _ in replicas]
        self._wakes = [0.0 for _ in replicas]
        self.result = Result()

    def run(self) -> Result:
        scenario = self._scenario
        for replica, callers in enumerate(scenario.callers):
            for _ in range(callers):
                self._at(scenario.joins[replica] + self._chance.uniform(0, 0.02), self._arrive, replica)
        for when, limit in scenario.changes:
            self._at(when, self._change, limit)
        self._at(0.0, self._sample)
        while self._events and self._events[0][0] < scenario.seconds:
            now, _, event, arguments = heapq.heappop(self._events)
            event(now, *arguments)
        return self.result

    def _at(self, when: float, event: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (when, next(self._order), event, arguments))

    def _arrive(self, now: float, replica: int) -> None:
        self._waiting[replica] += 1
        self._pump(now, replica)

    def _pump(self, now: float, replica: int) -> None:
        governor = self._governors[replica]
        while self._waiting[replica] and self._in_flight[replica] < governor.capacity(now):
            self._waiting[replica] -= 1
            self._in_flight[replica] += 1
            self._at(now + _TURN_SECONDS / 2, self._upstream, replica, now)
        if self._waiting[replica] and self._wakes[replica] <= now:
            self._wakes[replica] = governor.changes_at(now) + 1e-6
            self._at(self._wakes[replica], self._pump, replica)

    def _upstream(self, now: float, replica: int, sent: float) -> None:
        if self._admitted >= self._limit:
            self.result.refused += now > self._scenario.measured_from
            self._at(now + _REFUSED_SECONDS, self._dropped, replica)
            return
        self._admitted += 1
        seconds = _SERVICE_SECONDS
        if self._scenario.log_normal:
            seconds = self._chance.lognormvariate(math.log(seconds) - 0.32, 0.8)
        self._at(now + seconds, self._finish, replica, sent)

    def _finish(self, now: float, replica: int, sent: float) -> None:
        self._admitted -= 1
        self._at(now + _TURN_SECONDS / 2, self._succeeded, replica, sent)

    def _succeeded(self, now: float, replica: int, sent: float) -> None:
        self._in_flight[replica] -= 1
        self.result.succeeded += now > self._scenario.measured_from
        self._governors[replica].succeeded(now, waiting=self._waiting[replica] > 0, seconds=now - sent)
        self._pump(now, replica)
        self._at(now + 1e-6, self._arrive, replica)

    def _dropped(self, now: float, replica: int) -> None:
        self._in_flight[replica] -= 1
        self._waiting[replica] += 1
        self._governors[replica].dropped(now, in_flight=self._in_flight[replica])
        self._wakes[replica] = 0.0
        self._pump(now, replica)

    def _change(self, _: float, limit: int) -> None:
        self._limit = limit

    def _sample(self, now: float) -> None:
        if now > self._scenario.measured_from:
            self.result.shares.append(tuple(governor.limit for governor in self._governors))
            self.result.ideal += 0.05 * self._limit / _SERVICE_SECONDS
        self._at(now + 0.05, self._sample)


SCENARIOS = (
    Scenario("limit 20", 20, (100,)),
    Scenario("limit 5", 5, (25,)),
    Scenario("limit 100", 100, (500,)),
    Scenario("limit 20, log-normal", 20, (100,), log_normal=True),
    Scenario("limit 5, log-normal", 5, (25,), log_normal=True),
    Scenario("40 halves at 10 s", 40, (200,), changes=((10.0, 20),)),
    Scenario("20 doubles at 10 s", 20, (200,), changes=((10.0, 40),)),
    Scenario("2 replicas, limit 20", 20, (50, 50)),
    Scenario("2 replicas, limit 20, second at 10 s, from 12 s", 20, (50, 50), joins=(0.0, 10.0), seconds=25),
    Scenario("the same from 22 s", 20, (50, 50), joins=(0.0, 10.0), measured_from=22, seconds=27),
    Scenario("the same, seed 2", 20, (50, 50), joins=(0.0, 10.0), measured_from=22, seconds=27, seed=2),
    Scenario("the same, seed 3", 20, (50, 50), joins=(0.0, 10.0), measured_from=22, seconds=27, seed=3),
    Scenario(
        "the same, log-normal", 20, (50, 50), joins=(0.0, 10.0), measured_from=22, seconds=27, log_normal=True
    ),
    Scenario("2 replicas, limit 5", 5, (25, 25), joins=(0.0, 10.0), measured_from=25, seconds=60),
    Scenario("2 replicas, limit 5 from 22", 5, (25, 25), joins=(0.0, 10.0), measured_from=22, seconds=27),
    Scenario("2 replicas, limit 100", 100, (250, 250), joins=(0.0, 10.0), measured_from=22, seconds=40),
    Scenario("the same from 22 s", 100, (250, 250), joins=(0.0, 10.0), measured_from=22, seconds=27),
    Scenario("4 replicas, limit 20, log-normal", 20, (25, 25, 25, 25), log_normal=True),
)


def main() -> None:
    """Run every scenario and print a line each."""
    for scenario in SCENARIOS:
        print(f"{scenario.name:50} {Simulation(scenario).run().line()}")


if __name__ == "__main__":
    main()
