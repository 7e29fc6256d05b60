"""Who called what, and how it went, over 15 minutes: by consumer, route, Twilio's code and slug. Pure.

Exchanges are counted in cells of ten seconds (`traffic_cells.py`), which are added up in slices of three
minutes, of which the oldest is dropped; bounded by the configuration's consumers, the catalogue's labels, our
slugs, and a fixed number of codes.
"""

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from gateway.exchange import OWN_PRODUCT, UNKNOWN_SDK, Exchange
from gateway.observe.live.quantiles import Counts, read_quantiles
from gateway.observe.live.traffic_cells import CELL_SECONDS, CLASS, Cell, Cells, OpenCells

_SLICE_SECONDS = 180
_SLICES = 5
WINDOW_SECONDS = _SLICE_SECONDS * _SLICES
"""Tables reach back so far, less what is left of the slice that is open."""
RATE_SECONDS = 30
MAX_CODES = 100
MAX_SDKS = 10
OTHER_CODE = 0
"""Stands for Twilio codes beyond `MAX_CODES`."""
_MOST_BACK = WINDOW_SECONDS // CELL_SECONDS

Key = TypeVar("Key", bound=Hashable)


class RouteName(NamedTuple):
    """What tells routes apart: the catalogue's label, never a path."""

    product: str
    label: str
    method: str


@dataclass(slots=True)
class Breakdown:
    """`errors` are answers from 400 up and exchanges without one; `refusals` are those of the gateway.

    `last_at` is in seconds since the epoch.
    """

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    last_at: float = 0.0
    durations: Counts = field(default_factory=dict)
    sdks: dict[str, int] = field(default_factory=dict)
    """Of a consumer: requests by SDK, at most `MAX_SDKS` and `UNKNOWN_SDK`."""
    codes: dict[int, int] = field(default_factory=dict)
    """Of a consumer: answers by Twilio's code, at most `MAX_CODES` and `OTHER_CODE`."""
    slugs: dict[str, int] = field(default_factory=dict)
    """Of a consumer: answers by our slug."""

    def take(self, cell: Cell) -> None:
        """Count what a cell has."""
        self.errors += cell.errors
        self.refusals += cell.refusals
        self.last_at = max(self.last_at, cell.last_at)
        durations = self.durations
        for key, count in cell.durations.items():
            self.requests += count
            bucket = key % CLASS
            durations[bucket] = durations.get(bucket, 0) + count

    def count_sdk(self, sdk: str, count: int = 1) -> None:
        """Requests of an SDK more."""
        sdks = self.sdks
        if sdk not in sdks and len(sdks) >= MAX_SDKS:
            sdk = UNKNOWN_SDK
        sdks[sdk] = sdks.get(sdk, 0) + count

    def count_code(self, code: int, count: int = 1) -> None:
        """Answers with a code of Twilio's more."""
        codes = self.codes
        if code not in codes and len(codes) >= MAX_CODES:
            code = OTHER_CODE
        codes[code] = codes.get(code, 0) + count

    def count_slug(self, slug: str, count: int = 1) -> None:
        """Count more answers with a slug of the gateway."""
        self.slugs[slug] = self.slugs.get(slug, 0) + count

    def add(self, other: "Breakdown") -> None:
        """Add another breakdown."""
        self.requests += other.requests
        self.errors += other.errors
        self.refusals += other.refusals
        self.last_at = max(self.last_at, other.last_at)
        for bucket, count in other.durations.items():
            self.durations[bucket] = self.durations.get(bucket, 0) + count
        for sdk, count in other.sdks.items():
            self.count_sdk(sdk, count)
        for code, count in other.codes.items():
            self.count_code(code, count)
        for slug, count in other.slugs.items():
            self.count_slug(slug, count)

    def quantiles(self) -> dict[str, float | None]:
        """Medians and 95th percentiles of the durations, in seconds."""
        p50, p95 = read_quantiles(self.durations, (0.5, 0.95))
        return {"p50": p50, "p95": p95}


@dataclass(slots=True)
class _Slice:
    number: int
    consumers: dict[str, Breakdown] = field(default_factory=dict)
    routes: dict[RouteName, Breakdown] = field(default_factory=dict)
    codes: dict[int, Breakdown] = field(default_factory=dict)
    slugs: dict[str, Breakdown] = field(default_factory=dict)

    def take(self, cells: Cells, without: Collection[str] = ()) -> None:
        """Add cells up; those of consumers in `without` not by consumer."""
        for name, cell in cells.items():
            if name.product == OWN_PRODUCT:
                continue
            count = cell.requests
            caller = Breakdown() if name.consumer in without else _of(self.consumers, name.consumer)
            caller.take(cell)
            caller.count_sdk(name.sdk or UNKNOWN_SDK, count)
            if name.label:
                _of(self.routes, RouteName(name.product, name.label, name.method)).take(cell)
            if name.slug:
                caller.count_slug(name.slug, count)
                _of(self.slugs, name.slug).take(cell)
            if code := name.code:
                caller.count_code(code, count)
                if code not in self.codes and len(self.codes) >= MAX_CODES:
                    code = OTHER_CODE
                _of(self.codes, code).take(cell)


class Breakdowns:
    """`now` and all moments are seconds since the epoch.

    `on_close` gets every ten seconds that are over, in order: their number since the epoch, and their cells.
    """

    def __init__(self, on_close: Callable[[int, Cells], None] = lambda number, cells: None) -> None:
        self._on_close = on_close
        self._open: OpenCells | None = None
        self._before: list[tuple[Cells, set[str]]] = []
        """Of the same ten seconds: what was counted before consumers were forgotten, and these."""
        self._closed = 0
        self._slices: deque[_Slice] = deque(maxlen=_SLICES)
        self._seconds: deque[tuple[int, dict[str, int]]] = deque(maxlen=RATE_SECONDS + 1)
        self._unfolded: _Slice | None = None

    def add(self, exchanges: Iterable[Exchange]) -> list[tuple[int, int]]:
        """Count exchanges; those of ten seconds that are over, in the next. Returns what each was counted
        as (`OpenCells.count`)."""
        counted: list[tuple[int, int]] = []
        second, counts, cells = -1, dict[str, int](), OpenCells(0)
        for exchange in exchanges:
            at = int(exchange.ended_at_epoch)
            if at != second:
                second = at
                cells = self._cells(at // CELL_SECONDS)
                counts = self._second(at)
            counted.append(cells.count(exchange))
            if exchange.product != OWN_PRODUCT:
                consumer = exchange.consumer
                counts[consumer] = counts.get(consumer, 0) + 1
        self._unfolded = None
        return counted

    def close(self, now: float) -> None:
        """Close every ten seconds that are over, those without an exchange, too."""
        number = int(now) // CELL_SECONDS
        if self._open is not None and self._open.number < number:
            self._close(self._open)
        if not self._closed or self._closed - number > 1:
            self._closed = number - 1  # at the start, or the clock was set back
        for empty in range(max(self._closed + 1, number - _MOST_BACK), number):
            self._on_close(empty, {})
            self._closed = empty

    def forget(self, consumers: Collection[str]) -> None:
        """Leave consumers out of their own table from now on; of routes, codes and slugs they stay a part."""
        gone = frozenset(consumers)
        if self._open is not None and (counted := self._open.read()):
            self._before.append((counted, set()))
            self._open = OpenCells(self._open.number)
        for _, forgotten in self._before:
            forgotten |= gone
        self._unfolded = None
        for each in self._slices:
            for name in gone & each.consumers.keys():
                del each.consumers[name]
        for _, counts in self._seconds:
            for name in gone & counts.keys():
                del counts[name]

    def consumers(self, now: float) -> dict[str, Breakdown]:
        """By name; '' stands for unknown callers."""
        return _merged(each.consumers for each in self._recent(now))

    def routes(self, now: float) -> dict[RouteName, Breakdown]:
        """By route."""
        return _merged(each.routes for each in self._recent(now))

    def codes(self, now: float) -> dict[int, Breakdown]:
        """By Twilio's code."""
        return _merged(each.codes for each in self._recent(now))

    def slugs(self, now: float) -> dict[str, Breakdown]:
        """By our slug."""
        return _merged(each.slugs for each in self._recent(now))

    def rates(self, now: float) -> dict[str, float]:
        """Requests per second of each consumer over the last `RATE_SECONDS` whole seconds."""
        first = int(now) - RATE_SECONDS
        found: dict[str, int] = {}
        for second, counts in self._seconds:
            if first <= second < int(now):
                for name, count in counts.items():
                    found[name] = found.get(name, 0) + count
        return {name: round(count / RATE_SECONDS, 3) for name, count in found.items()}

    def _cells(self, number: int) -> OpenCells:
        """Those of these ten seconds; of the ones that are open, if these are over."""
        if self._closed - number > _MOST_BACK:
            self._slices.clear()  # the clock was set back
            self._open, self._before, self._closed = None, [], number - 1
        number = max(number, self._closed + 1)
        cells = self._open
        if cells is not None and cells.number - number > _MOST_BACK:
            self._slices.clear()
            cells, self._before = None, []
        elif cells is not None and cells.number < number:
            self._close(cells)
            cells = None
        if cells is None:
            cells = self._open = OpenCells(number)
        return cells

    def _close(self, cells: OpenCells) -> None:
        whole, number = cells.read(), cells.number * CELL_SECONDS // _SLICE_SECONDS
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(_Slice(number))
        self._slices[-1].take(whole)
        for counted, forgotten in self._before:
            self._slices[-1].take(counted, forgotten)
            for name, cell in counted.items():
                whole.setdefault(name, Cell()).add(cell)
        self._open, self._before, self._closed, self._unfolded = None, [], cells.number, None
        self._on_close(cells.number, whole)

    def _recent(self, now: float) -> list[_Slice]:
        first = int(now) // _SLICE_SECONDS - _SLICES
        return [each for each in (*self._slices, self._not_closed()) if each.number > first]

    def _not_closed(self) -> _Slice:
        """What is open, added up once for all tables."""
        if self._unfolded is None:
            cells = OpenCells(0) if self._open is None else self._open
            self._unfolded = _Slice(cells.number * CELL_SECONDS // _SLICE_SECONDS)
            self._unfolded.take(cells.read())
            for counted, forgotten in self._before:
                self._unfolded.take(counted, forgotten)
        return self._unfolded

    def _second(self, second: int) -> dict[str, int]:
        seconds = self._seconds
        if not seconds or seconds[-1][0] != second:
            seconds.append((second, {}))
        return seconds[-1][1]


def _of(breakdowns: dict[Key, Breakdown], key: Key) -> Breakdown:
    breakdown = breakdowns.get(key)
    if breakdown is None:
        breakdown = breakdowns[key] = Breakdown()
    return breakdown


def _merged(slices: Iterable[dict[Key, Breakdown]]) -> dict[Key, Breakdown]:
    merged: dict[Key, Breakdown] = {}
    for breakdowns in slices:
        for key, breakdown in breakdowns.items():
            _of(merged, key).add(breakdown)
    return merged
