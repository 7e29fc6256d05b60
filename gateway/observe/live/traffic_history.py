"""Six hours of traffic, told apart by what the page filters by: 15 minutes in points of ten seconds, and six
hours in points of a minute. Pure.

Fed with cells that are over (`traffic_cells.py`), so that a request costs nothing more for it; bounded in
points, and in the cells of each. A restart forgets it; Prometheus is for longer.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from gateway.observe.live.history import LimiterReading
from gateway.observe.live.quantiles import Counts
from gateway.observe.live.traffic_cells import (
    CELL_SECONDS,
    CLASS,
    OTHER_CONSUMER,
    Cell,
    CellName,
    Cells,
    PackedCell,
    add_counts,
    bounded,
    pack,
    sum_counts,
)

MINUTE: Final = 60
FINE_SECONDS: Final = 900
"""How far back points of ten seconds reach."""
LONG_SECONDS: Final = 6 * 3600
_MOST_FINE: Final = 200
"""Cells of ten seconds that are kept apart; others are by consumer."""
_MOST_LONG: Final = 100
_MOST_CONSUMERS: Final = 100
_MOST_NAMES: Final = 5000

Readings = Mapping[str, LimiterReading]


class _Kept(NamedTuple):
    """What is kept of a time; `t` is where it begins, in seconds since the epoch; `whole` is all."""

    t: int
    seconds: int
    cells: Mapping[CellName, PackedCell]
    whole: PackedCell


@dataclass(slots=True)
class SeriesPoint:
    """What fits a filter in one stretch of time. `durations` and `own` are by class and bucket."""

    t: int
    seconds: int
    durations: Counts = field(default_factory=dict)
    own: Counts = field(default_factory=dict)
    signals: int = 0
    retries: int = 0
    merged: int = 0
    """Exchanges that may fit, but are not told apart any more."""

    def take(self, cells: Sequence[PackedCell], status_class: int) -> None:
        """Add cells, or what they have of one status class."""
        durations = sum_counts(cell.durations for cell in cells)
        own = sum_counts(cell.own for cell in cells)
        if status_class:
            durations, own = _of_class(durations, status_class), _of_class(own, status_class)
        else:  # nor are these told apart by it
            self.signals += sum(cell.signals for cell in cells)
            self.retries += sum(cell.retries for cell in cells)
        add_counts(self.durations, durations)
        add_counts(self.own, own)

    def add(self, other: "SeriesPoint") -> None:
        """Add what another replica has for the same time."""
        self.seconds = max(self.seconds, other.seconds)
        self.signals += other.signals
        self.retries += other.retries
        self.merged += other.merged
        add_counts(self.durations, other.durations)
        add_counts(self.own, other.own)


class CellFilter(NamedTuple):
    """Which cells are wanted; '' and 0 exclude nothing. `route` is any part of the label in lower case; `sdk`
    a name, or name and version. `consumer` None is any, '' unknown callers."""

    consumer: str | None = None
    route: str = ""
    status_class: int = 0
    slug: str = ""
    code: int = 0
    key: str = ""
    sdk: str = ""

    def admits(self, name: CellName) -> bool:
        """Whether a cell is wanted. Cells do not tell status classes apart."""
        return not (
            (self.consumer is not None and self.consumer != name.consumer)
            or (self.route and self.route not in name.label.lower())
            or (self.slug and self.slug != name.slug)
            or (self.code and self.code != name.code)
            or (self.key and self.key != name.key)
            or (self.sdk and self.sdk not in (name.sdk, name.sdk.partition("/")[0]))
        )

    @property
    def is_narrow(self) -> bool:
        """Whether more is asked for than a consumer and a status class, which every cell tells."""
        return bool(self.route or self.slug or self.code or self.key or self.sdk)

    def may_hide_in(self, name: CellName) -> bool:
        """Whether a match may be part of a cell that counts several things together."""
        if name.sdk or name.label or name.product:
            return False
        return self.consumer in (None, name.consumer) or name.consumer == OTHER_CONSUMER


class TrafficHistory:
    """Belongs to one thread."""

    def __init__(self) -> None:
        self._fine: deque[_Kept] = deque(maxlen=FINE_SECONDS // CELL_SECONDS)
        self._long: deque[_Kept] = deque(maxlen=LONG_SECONDS // MINUTE)
        self._minute = 0
        self._unpacked: list[Cells] = []
        self._readings: deque[tuple[int, dict[str, LimiterReading]]] = deque(maxlen=LONG_SECONDS // MINUTE)
        self._names: dict[CellName, CellName] = {}

    def add(self, number: int, cells: Cells) -> None:
        """Keep ten seconds that are over; `number` is theirs since the epoch."""
        t = number * CELL_SECONDS
        if self._fine and t <= self._fine[-1].t:
            self._forget(t)  # the clock was set back
        if t // MINUTE != self._minute:
            self._close_minute()
            self._minute = t // MINUTE
        kept = bounded(cells, _MOST_FINE, _MOST_CONSUMERS)
        self._fine.append(self._packed(t, CELL_SECONDS, kept))
        self._unpacked.append(kept)

    def read_limiters(self, now: float, readings: Readings) -> None:
        """Keep readings of the limiters: of each minute the largest, and the last limit."""
        minute = int(now) // MINUTE * MINUTE
        if not self._readings or self._readings[-1][0] != minute:
            self._readings.append((minute, {}))
        kept = self._readings[-1][1]
        for name, reading in readings.items():
            before = kept.get(name, reading)
            kept[name] = LimiterReading(
                reading.limit,
                max(before.in_flight, reading.in_flight),
                max(before.queued, reading.queued),
            )

    def points(self, wanted: CellFilter, seconds: int, now: float) -> list[SeriesPoint]:
        """What fits the filter in the last `seconds`, oldest first: points of ten seconds, beyond 15 minutes
        of a minute. The newest may be of a shorter time."""
        fine = seconds <= FINE_SECONDS
        kept: Iterable[_Kept] = self._fine if fine else chain(self._long, self._current_minute())
        return [_point(each, wanted) for each in kept if each.t + each.seconds > now - seconds]

    def readings(self, seconds: int, now: float) -> list[tuple[int, dict[str, LimiterReading]]]:
        """The limiters of each minute, oldest first."""
        return [each for each in self._readings if each[0] + MINUTE > now - seconds]

    def _close_minute(self) -> None:
        self._long.extend(self._current_minute())
        self._unpacked = []

    def _current_minute(self) -> Iterator[_Kept]:
        """The minute that is not over, of the ten seconds that are."""
        if not self._unpacked:
            return
        sums: Cells = {}
        for name, cell in chain.from_iterable(cells.items() for cells in self._unpacked):
            sums.setdefault(name, Cell()).add(cell)
        kept = bounded(sums, _MOST_LONG, _MOST_CONSUMERS)
        yield self._packed(self._minute * MINUTE, len(self._unpacked) * CELL_SECONDS, kept)

    def _packed(self, t: int, seconds: int, cells: Cells) -> _Kept:
        if len(self._names) > _MOST_NAMES:
            self._names.clear()
        names = self._names
        whole = Cell()
        for cell in cells.values():
            whole.add(cell)
        packed = {names.setdefault(name, name): pack(cell) for name, cell in cells.items()}
        return _Kept(t, seconds, packed, pack(whole))

    def _forget(self, t: int) -> None:
        """What is later than this."""
        for kept in (self._fine, self._long):
            while kept and kept[-1].t >= t // MINUTE * MINUTE:
                kept.pop()
        while self._readings and self._readings[-1][0] > t:
            self._readings.pop()
        self._minute, self._unpacked = t // MINUTE, []


def _point(kept: _Kept, wanted: CellFilter) -> SeriesPoint:
    point = SeriesPoint(kept.t, kept.seconds)
    if wanted.consumer is None and not wanted.is_narrow:
        point.take([kept.whole], wanted.status_class)
        return point
    narrow = wanted.is_narrow
    admitted, merged = [], []
    for name, cell in kept.cells.items():
        if wanted.admits(name):
            admitted.append(cell)
        elif narrow and wanted.may_hide_in(name):
            merged.append(cell.durations)
    point.take(admitted, wanted.status_class)
    point.merged = sum(sum_counts(merged).values())
    return point


def _of_class(counts: Counts, status_class: int) -> Counts:
    return {key: count for key, count in counts.items() if key // CLASS == status_class}
