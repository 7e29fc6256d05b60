"""Which names reloads have given to other consumers, so that what a former one used is not shown to them.

A consumer is known by its identities (`derive_identities`), not by its name. Metrics and logs keep to names:
they are for operators, who know what they changed.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.background.breathing import breathe, short_turns
from gateway.consumers.consumer import Consumer, are_different
from gateway.observe.metrics.exchange_counts import ExchangeCounts

_SPARE_NAMES = 1000
"""Names of consumers that are gone, whose identities are remembered."""


class NamesGivenAgain:
    """One per process. `apply` is called on the data loop, everything else on the admin thread."""

    def __init__(self, counts: ExchangeCounts, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the epoch."""
        self._counts = counts
        self._clock = clock
        self._applied: deque[_Applied] = deque()
        self._identities: dict[str, tuple[str, ...]] = {}
        self._since: dict[str, float] = {}
        self._former_segments: dict[tuple[str, str], int] = {}

    def apply(self, consumers: Mapping[str, Consumer]) -> None:
        """Note who has which name from now on. It is compared by `take`: a reload may replace the keys of
        thousands of consumers, for which the data loop has no time."""
        identities = {name: each.identities for name, each in consumers.items()}
        self._applied.append(_Applied(identities, self._counts.segments.copy(), self._clock()))

    def take(self) -> set[str]:
        """The names that were given to others since the last call. What the other methods say is of then."""
        given: set[str] = set()
        while self._applied:
            given |= self._compare(self._applied.popleft())
        return given

    def since(self, name: str, started_at: float) -> float:
        """When the consumer that has the name now got it, or when the process began to count."""
        return self._since.get(name, started_at)

    def identities(self, name: str) -> tuple[str, ...]:
        """Those of the consumer that has the name now, or had it last (`derive_identities`)."""
        return self._identities.get(name, ())

    def own_segments(self, name: str, country: str, counted: int) -> int:
        """Of the segments that were counted for a name, those of the consumer that has it now."""
        return counted - self._former_segments.get((name, country), 0)

    def _compare(self, applied: "_Applied") -> set[str]:
        known, given = self._identities, set[str]()
        with short_turns():
            for name, now in applied.identities.items():
                breathe()
                before = known.get(name)
                if before != now:
                    known[name] = now
                    if before is not None and are_different(before, now):
                        given.add(name)
        if given:
            self._former_segments |= {
                key: count for key, count in applied.segments.items() if key[0] in given
            }
            self._since.update(dict.fromkeys(given, applied.at))
        if len(known) > len(applied.identities) + _SPARE_NAMES:
            self._identities = applied.identities
        return given


class _Applied(NamedTuple):
    """The identities of consumers at a reload, and the segments that were counted for names until then."""

    identities: dict[str, tuple[str, ...]]
    segments: dict[tuple[str, str], int]
    at: float
