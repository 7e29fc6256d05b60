"""The last 15 minutes in points of one second: rates, durations, readings of the limiters. Pure.

Fed with finished exchanges, and once a second with readings; `now` is always in seconds since the epoch. It
does not survive a restart, and need not: Prometheus is for that.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from gateway.exchange import Exchange
from gateway.observe.live.quantiles import Counts, read_quantiles
from gateway.observe.live.traffic_cells import CLASS

STEP_SECONDS = 1
MAX_POINTS = 900
MAX_ACCOUNTS = 32
"""Limiters with a series of their own: the busiest of each second."""
_SHARES = (0.5, 0.95, 0.99)
_CLASSES = ("2xx", "3xx", "4xx", "5xx")
_SET_BACK_SECONDS = 2

Durations = dict[str, float | None]


class LimiterReading(NamedTuple):
    """A limiter at one moment: its learned limit, permits held, and attempts that wait."""

    limit: int
    in_flight: int
    queued: int


@dataclass(slots=True)
class Point:
    """One second. `rates` are answers by status class; durations are seconds, None where there were none."""

    t: int
    rates: dict[str, int]
    total: Durations
    overhead: Durations
    queued: int
    signals: int
    retries: int
    accounts: dict[str, LimiterReading]

    def as_json(self) -> dict[str, object]:
        """As /api/events has it."""
        return {
            "t": self.t,
            "rates": self.rates,
            "total": self.total,
            "overhead": self.overhead,
            "queued": self.queued,
            "signals": self.signals,
            "retries": self.retries,
            "accounts": {name: reading._asdict() for name, reading in self.accounts.items()},
        }


@dataclass(slots=True)
class _Second:
    """A second that has not ended yet."""

    classes: list[int] = field(default_factory=lambda: [0] * 10)
    total: Counts = field(default_factory=dict)
    overhead: Counts = field(default_factory=dict)
    signals: int = 0
    retries: int = 0


class History:
    """At most `MAX_POINTS` points of bounded size."""

    def __init__(self, now: float) -> None:
        self._points: deque[Point] = deque(maxlen=MAX_POINTS)
        self._closed = int(now) - 1
        self._open: dict[int, _Second] = {}

    @property
    def last(self) -> Point | None:
        """The newest point."""
        return self._points[-1] if self._points else None

    def add(self, exchanges: Iterable[Exchange], counted: Iterable[tuple[int, int]]) -> None:
        """Count exchanges in the second in which they ended; late ones in the one that is open. `counted` has
        the keys of their durations (`OpenCells.count`)."""
        t, second = 0, _Second()
        for exchange, (total_key, own_key) in zip(exchanges, counted, strict=True):
            if int(exchange.ended_at_epoch) != t:
                t = int(exchange.ended_at_epoch)
                second = self._second(t)
            second.classes[total_key // CLASS] += 1
            bucket = total_key % CLASS
            totals, overheads = second.total, second.overhead
            totals[bucket] = totals.get(bucket, 0) + 1
            bucket = own_key % CLASS
            overheads[bucket] = overheads.get(bucket, 0) + 1
            if exchange.signals or exchange.retries:
                second.signals += exchange.signals
                second.retries += exchange.retries

    def close(self, now: float, limiters: Mapping[str, LimiterReading]) -> None:
        """Close every second before `now`. If the clock was set back, later points are discarded."""
        ended_at = int(now) - 1
        if ended_at < self._closed - _SET_BACK_SECONDS:
            while self._points and self._points[-1].t > ended_at:
                self._points.pop()
            self._open.clear()
            self._closed = ended_at
        busiest = _busiest(limiters)
        queued = sum(reading.queued for reading in limiters.values())
        for t in range(max(self._closed + 1, ended_at - MAX_POINTS + 1), ended_at + 1):
            self._points.append(_point(t, self._open.pop(t, _Second()), queued, busiest))
        self._closed = max(self._closed, ended_at)
        for t in [t for t in self._open if t <= self._closed]:
            del self._open[t]

    def columns(self) -> dict[str, object]:
        """All points as /api/history has them: a list per line, oldest first."""
        points = list(self._points)
        names = dict.fromkeys(name for point in reversed(points) for name in point.accounts)
        return {
            "step_seconds": STEP_SECONDS,
            "t": [point.t for point in points],
            "rates": {name: [point.rates[name] for point in points] for name in _CLASSES},
            "total": _durations([point.total for point in points]),
            "overhead": _durations([point.overhead for point in points]),
            "queued": [point.queued for point in points],
            "signals": [point.signals for point in points],
            "retries": [point.retries for point in points],
            "accounts": {name: _readings(name, points) for name in islice(names, MAX_ACCOUNTS)},
        }

    def _second(self, t: int) -> _Second:
        # Not later than the next but one: a clock that jumped must not fill memory with seconds to come.
        t = min(max(t, self._closed + 1), self._closed + 3)
        second = self._open.get(t)
        if second is None:
            second = self._open[t] = _Second()
        return second


def _busiest(limiters: Mapping[str, LimiterReading]) -> dict[str, LimiterReading]:
    ordered = sorted(limiters.items(), key=lambda item: (-item[1].queued, -item[1].in_flight, item[0]))
    return dict(ordered[:MAX_ACCOUNTS])


def _point(t: int, second: _Second, queued: int, limiters: dict[str, LimiterReading]) -> Point:
    return Point(
        t=t,
        rates={name: second.classes[int(name[0])] for name in _CLASSES},
        total=_read(second.total),
        overhead=_read(second.overhead),
        queued=queued,
        signals=second.signals,
        retries=second.retries,
        accounts=limiters,
    )


def _read(counts: Counts) -> Durations:
    p50, p95, p99 = read_quantiles(counts, _SHARES)
    return {"p50": p50, "p95": p95, "p99": p99}


def _durations(values: list[Durations]) -> dict[str, list[float | None]]:
    return {name: [value[name] for value in values] for name in ("p50", "p95", "p99")}


def _readings(name: str, points: list[Point]) -> dict[str, list[int | None]]:
    found = [point.accounts.get(name) for point in points]
    return {
        "limit": [each and each.limit for each in found],
        "in_flight": [each and each.in_flight for each in found],
        "queued": [each and each.queued for each in found],
    }
