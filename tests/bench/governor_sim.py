"""A discrete-event simulation over the real `AdaptiveLimit`: no sockets, seconds of traffic in a moment.

    python -m tests.bench.governor_sim [seeds] [words of a scenario's name]

Idealised: 0.4 ms turn-round, a 429 after 1 ms. The scenarios and what is printed are in `governor_table`.
"""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions
from gateway.concurrency.share_split import ROUND_SECONDS, SETTLE_SECONDS, Report, split_limit

_SERVICE_SECONDS = 0.05
_TURN_SECONDS = 0.0004
_REFUSED_SECONDS = 0.001
_SKEW_SECONDS = 0.02


@dataclass(frozen=True)
class Scenario:
    """`callers` per replica, each sending its next request when the last was answered."""

    name: str
    limit: int
    callers: tuple[int, ...]
    joins: float = 0.0
    """When all replicas but the first begin."""
    changes: tuple[tuple[float, int], ...] = ()
    seconds: float = 42.0
    measured_from: float = 12.0
    log_normal: bool = False
    service: float = _SERVICE_SECONDS
    store: bool = False


@dataclass
class Result:
    """Counted from `measured_from` on; `served` is from the begin, per second and replica."""

    succeeded: int = 0
    refused: int = 0
    held: float = 0.0  # slot-seconds of the successes, upstream
    offered: float = 0.0  # slot-seconds there were
    served: list[list[int]] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Successes over the limit by the mean service time (of those drawn, so that seeds compare)."""
        return self.held / self.offered

    @property
    def waste(self) -> float:
        """Signals per success."""
        return self.refused / max(1, self.succeeded)

    def shares(self, first: int) -> list[float]:
        """The last replica's part of what was served, for each second from `first` on."""
        return [second[-1] / max(1, sum(second)) for second in self.served[first:-1]]


class Simulation:
    """One scenario and seed."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario = scenario
        self._chance = random.Random(seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._limit = scenario.limit
        self._admitted = 0
        replicas = range(len(scenario.callers))
        self._joins = [scenario.joins if replica else 0.0 for replica in replicas]
        self._governors = [
            AdaptiveLimit(
                AdaptiveLimitOptions(
                    initial=1 if scenario.store and replica else 10, yields=not scenario.store
                ),
                self._chance.uniform,
            )
            for replica in replicas
        ]
        self._waiting = [0 for _ in replicas]
        self._in_flight = [0 for _ in replicas]
        self._wakes = [0.0 for _ in replicas]
        self._reports: dict[int, tuple[float, Report]] = {}
        self.result = Result()

    def run(self) -> Result:
        scenario = self._scenario
        for replica, callers in enumerate(scenario.callers):
            for _ in range(callers):
                self._at(self._joins[replica] + self._chance.uniform(0, 0.02), self._arrive, replica)
            if scenario.store:
                skew = self._chance.uniform(-_SKEW_SECONDS, _SKEW_SECONDS)
                self._at(self._joins[replica] + ROUND_SECONDS + skew, self._publish, replica)
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
            if self._wakes[replica] < math.inf:
                self._at(self._wakes[replica], self._pump, replica)

    def _upstream(self, now: float, replica: int, sent: float) -> None:
        if self._admitted >= self._limit:
            self.result.refused += now > self._scenario.measured_from
            self._at(now + _REFUSED_SECONDS, self._dropped, replica)
            return
        self._admitted += 1
        seconds = self._scenario.service
        if self._scenario.log_normal:
            seconds = self._chance.lognormvariate(math.log(seconds) - 0.32, 0.8)
        self._at(now + seconds, self._finish, replica, sent, seconds)

    def _finish(self, now: float, replica: int, sent: float, seconds: float) -> None:
        self._admitted -= 1
        if now > self._scenario.measured_from:
            self.result.held += seconds
        self._at(now + _TURN_SECONDS / 2, self._succeeded, replica, sent)

    def _succeeded(self, now: float, replica: int, sent: float) -> None:
        self._in_flight[replica] -= 1
        self.result.succeeded += now > self._scenario.measured_from
        self.result.served[-1][replica] += 1
        self._governors[replica].succeeded(now, waiting=self._waiting[replica] > 0, seconds=now - sent)
        self._pump(now, replica)
        self._at(now + 1e-6, self._arrive, replica)

    def _dropped(self, now: float, replica: int) -> None:
        self._in_flight[replica] -= 1
        self._waiting[replica] += 1
        self._governors[replica].dropped(now, in_flight=self._in_flight[replica])
        self._wakes[replica] = 0.0
        self._pump(now, replica)

    def _publish(self, now: float, replica: int) -> None:
        flying = self._in_flight[replica]
        limit = self._governors[replica].limit
        self._reports[replica] = now, Report(str(replica), limit, flying, flying + self._waiting[replica])
        self._at(now + SETTLE_SECONDS, self._split, replica, limit)
        self._at(now + ROUND_SECONDS, self._publish, replica)

    def _split(self, now: float, replica: int, reported: int) -> None:
        governor = self._governors[replica]
        share = split_limit([report for _, report in self._reports.values()], str(replica))
        governor.set_share(governor.limit + share - reported)
        self._pump(now, replica)

    def _change(self, _: float, limit: int) -> None:
        self._limit = limit

    def _sample(self, now: float) -> None:
        if now > self._scenario.measured_from:
            self.result.offered += 0.05 * self._limit
        if now + 1e-6 >= len(self.result.served):
            self.result.served.append([0 for _ in self._governors])
        self._at(now + 0.05, self._sample)


if __name__ == "__main__":
    from tests.bench.governor_table import main

    main()
