"""What finished exchanges add up to in ten seconds, told apart by everything that the page filters by. Pure.

A cell has what one consumer did by one SDK and key on one route with one outcome. Every exchange is counted
in one cell and nowhere else; tables and charts add cells up, when they are asked for or ten seconds are over.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.exchange import Ending, Exchange
from gateway.observe.live.quantiles import Counts, bucket_of

CELL_SECONDS: Final = 10
MOST_CELLS: Final = 10_000
"""Told apart in ten seconds; beyond them consumers are."""
CLASS: Final = 1000
"""Counts of durations have keys of status class * `CLASS` + bucket."""
OTHER_CONSUMER: Final = "(other)"
"""Represents consumers beyond a bound; none can have this name."""
_OURS: Final = ("upstream_", "internal_")
_ANSWERED: Final = Ending.ANSWERED  # looked up once: an enumeration's members are slow to get at


class CellName(NamedTuple):
    """The key of a cell; '' and 0 mean none, or that the cell does not distinguish it."""

    consumer: str
    sdk: str = ""
    key: str = ""
    product: str = ""
    label: str = ""
    method: str = ""
    slug: str = ""
    code: int = 0


@dataclass(slots=True)
class Cell:
    """`errors` are answers from 400 up and exchanges without one; `refusals` are those of the gateway.

    `own` has the gateway's own time. `last_at` is in seconds since the epoch.
    """

    errors: int = 0
    refusals: int = 0
    last_at: float = 0.0
    durations: Counts = field(default_factory=dict)
    own: Counts = field(default_factory=dict)
    signals: int = 0
    retries: int = 0

    @property
    def requests(self) -> int:
        """How many exchanges."""
        return sum(self.durations.values())

    def add(self, other: "Cell") -> None:
        """Add another cell."""
        self.errors += other.errors
        self.refusals += other.refusals
        self.last_at = max(self.last_at, other.last_at)
        self.signals += other.signals
        self.retries += other.retries
        add_counts(self.durations, other.durations)
        add_counts(self.own, other.own)


Cells = dict[CellName, Cell]


class OpenCells:
    """The cells of the ten seconds that are not over."""

    def __init__(self, number: int, most: int = MOST_CELLS) -> None:
        """`number` is that of the ten seconds since the epoch."""
        self.number = number
        self._most = most
        self._cells: dict[tuple[str, str, str, str, str, str, str, int], Cell] = {}

    def count(self, exchange: Exchange) -> tuple[int, int]:
        """Count an exchange, in about a microsecond, as it is done for each. Returns what it was counted as:
        the keys of its duration and of the gateway's own time."""
        slug, code = exchange.slug, exchange.twilio_code
        name = (
            exchange.consumer,
            exchange.sdk,
            exchange.consumer_key,
            exchange.product,
            exchange.label,
            exchange.method,
            slug,
            code,
        )
        cell = self._cells.get(name) or self._new(name)
        cell.last_at = exchange.ended_at_epoch  # they come nearly in order
        status = exchange.status
        if status >= 400 or exchange.ending is not _ANSWERED:
            cell.errors += 1
            cell.refusals += is_refusal(slug)
        base = (status // 100 or exchange.status_class) % 10 * CLASS
        seconds = exchange.ended_at - exchange.started_at
        total_key = base + bucket_of(seconds)
        durations = cell.durations
        durations[total_key] = durations.get(total_key, 0) + 1
        # What `overhead_seconds` says, without the cost of asking.
        own = seconds - exchange.upstream_seconds - exchange.queued_seconds
        own_key = base + bucket_of(own - exchange.backoff_seconds - exchange.caller_seconds)
        owns = cell.own
        owns[own_key] = owns.get(own_key, 0) + 1
        if exchange.signals or exchange.retries:
            cell.signals += exchange.signals
            cell.retries += exchange.retries
        return total_key, own_key

    def read(self) -> Cells:
        """The cells so far; they go on being counted in."""
        return {CellName(*name): cell for name, cell in self._cells.items()}

    def _new(self, name: tuple[str, str, str, str, str, str, str, int]) -> Cell:
        if len(self._cells) >= self._most:
            name = (name[0], "", "", "", "", "", "", 0)
        return self._cells.setdefault(name, Cell())


def bounded(cells: Mapping[CellName, Cell], most: int, consumers: int) -> Cells:
    """The busiest `most` cells as they are, others by consumer, and consumers beyond `consumers` together."""
    if len(cells) <= most:
        return dict(cells)
    ordered = sorted(cells.items(), key=lambda item: -item[1].requests)
    kept: Cells = dict(ordered[:most])
    return kept | _gathered(
        _gathered((CellName(name.consumer), cell) for name, cell in ordered[most:]).items(), consumers
    )


def _gathered(cells: Iterable[tuple[CellName, Cell]], most: int | None = None) -> Cells:
    found: Cells = {}
    for name, cell in sorted(cells, key=lambda item: -item[1].requests) if most else cells:
        if most is not None and name not in found and len(found) >= most:
            name = CellName(OTHER_CONSUMER)
        found.setdefault(name, Cell()).add(cell)
    return found


def add_counts(into: Counts, counts: Mapping[int, int]) -> None:
    """Add counts up."""
    for bucket, count in counts.items():
        into[bucket] = into.get(bucket, 0) + count


class PackedCell(NamedTuple):
    """A cell that is not counted in any more, in a few bytes for each duration that was met."""

    durations: bytes
    own: bytes
    signals: int
    retries: int


def pack(cell: Cell) -> PackedCell:
    """Make it small."""
    return PackedCell(_packed(cell.durations), _packed(cell.own), cell.signals, cell.retries)


def sum_counts(packed: Iterable[bytes]) -> Counts:
    """The counts of some packed fields, added up. One loop over all of them: a chart of six hours adds up
    tens of thousands."""
    numbers = array("I", b"".join(packed))
    found: Counts = {}
    for key, count in zip(numbers[::2], numbers[1::2], strict=True):
        found[key] = found.get(key, 0) + count
    return found


def _packed(counts: Counts) -> bytes:
    return array("I", [number for pair in counts.items() for number in pair]).tobytes()


def is_refusal(slug: str) -> bool:
    """Whether a slug is a refusal, not a failure of Twilio's or the gateway's."""
    return bool(slug) and not slug.startswith(_OURS)
