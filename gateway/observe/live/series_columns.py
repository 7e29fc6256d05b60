"""Points of a filtered history: as replicas tell them to each other, added up, and in columns. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.exchange import Exchange
from gateway.observe.live.history import LimiterReading
from gateway.observe.live.quantiles import Counts, read_quantiles
from gateway.observe.live.traffic_cells import CELL_SECONDS, CLASS, OpenCells, add_counts, pack
from gateway.observe.live.traffic_history import FINE_SECONDS, MINUTE, SeriesPoint

_CLASSES: Final = (2, 3, 4, 5)
_SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def step_of(seconds: int) -> int:
    """The distance of two points in a range of `seconds`, in seconds."""
    return CELL_SECONDS if seconds <= FINE_SECONDS else MINUTE


def points_of(exchanges: Iterable[Exchange], seconds: int, now: float) -> list[SeriesPoint]:
    """The points of the last `seconds` that these exchanges make, with those of no exchange."""
    step = step_of(seconds)
    last = int(now) // step
    first = last - seconds // step + 1
    found = {number: OpenCells(number) for number in range(first, last + 1)}
    for exchange in exchanges:
        cells = found.get(int(exchange.ended_at_epoch) // step)
        if cells is not None:
            cells.count(exchange)
    points = []
    for number, cells in found.items():
        point = SeriesPoint(number * step, step)
        point.take([pack(cell) for cell in cells.read().values()], 0)
        points.append(point)
    points[-1].seconds = max(1, int(now) - points[-1].t)
    return points


def write_points(points: Iterable[SeriesPoint]) -> list[list[object]]:
    """As a replica answers another."""
    return [
        [
            point.t,
            point.seconds,
            list(point.durations.items()),
            list(point.own.items()),
            *(point.signals, point.retries, point.merged),
        ]
        for point in points
    ]


def read_points(content: object) -> list[SeriesPoint]:
    """What another replica answered. Raises `ValueError` for what this release cannot read."""
    if not isinstance(content, list):
        raise ValueError("points of another release")
    try:
        return [
            SeriesPoint(int(t), int(seconds), _counts(durations), _counts(own), *map(int, rest[:3]))
            for t, seconds, durations, own, *rest in content
        ]
    except (TypeError, ValueError) as error:
        raise ValueError("points of another release") from error


def merge_points(replicas: Sequence[Sequence[SeriesPoint]]) -> list[SeriesPoint]:
    """The points of all replicas, by time. Nothing that is given may be used any more."""
    found: dict[int, SeriesPoint] = {}
    for point in (each for points in replicas for each in points):
        if point.t in found:
            found[point.t].add(point)
        else:
            found[point.t] = point
    return [found[t] for t in sorted(found)]


def make_columns(
    points: Sequence[SeriesPoint], step: int, readings: Sequence[tuple[int, Mapping[str, LimiterReading]]]
) -> dict[str, object]:
    """As /api/history has them. `readings` are those of this replica, of the times of points.

    Rates are exchanges a second; `signals` and `retries`, too.
    """
    limiters = dict(readings)
    names = dict.fromkeys(name for each in limiters.values() for name in each)
    at = [limiters.get(point.t, {}) for point in points]
    return {
        "step_seconds": step,
        "t": [point.t for point in points],
        "rates": {
            f"{each}xx": [
                _rate(sum(n for key, n in point.durations.items() if key // CLASS == each), point)
                for point in points
            ]
            for each in _CLASSES
        },
        "total": _quantiles([point.durations for point in points]),
        "overhead": _quantiles([point.own for point in points]),
        "queued": [sum(each.queued for each in found.values()) if found else None for found in at],
        "signals": [_rate(point.signals, point) for point in points],
        "retries": [_rate(point.retries, point) for point in points],
        "accounts": {
            name: {
                field: [getattr(found[name], field) if name in found else None for found in at]
                for field in LimiterReading._fields
            }
            for name in names
        },
        "requests": sum(count for point in points for count in point.durations.values()),
        "merged": sum(point.merged for point in points),
    }


def _rate(count: int, point: SeriesPoint) -> float:
    return round(count / (point.seconds or 1), 3)


def _quantiles(counts: Sequence[Counts]) -> dict[str, list[float | None]]:
    rows = []
    for each in counts:
        plain: Counts = {}
        for key, count in each.items():
            add_counts(plain, {key % CLASS: count})
        rows.append(read_quantiles(plain, tuple(_SHARES.values())))
    return {name: [row[place] for row in rows] for place, name in enumerate(_SHARES)}


def _counts(pairs: Iterable[tuple[Any, Any]]) -> Counts:
    return {int(key): int(count) for key, count in pairs}
