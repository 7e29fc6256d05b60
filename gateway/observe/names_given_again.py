"""Which names reloads have given to other consumers, so that what a former one used is not shown to them.

A consumer is known by its identities (`derive_identities`), not by its name. Metrics and logs keep to names:
they are for operators, who know what they changed.
"""

from collections import deque
from collections.abc import Callable, Mapping

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
        self._identities: dict[str, tuple[str, ...]] = {}
        self._since: dict[str, float] = {}
        self._former_segments: dict[tuple[str, str], int] = {}
        self._given: deque[str] = deque()

    def apply(self, consumers: Mapping[str, Consumer]) -> None:
        """Note who has which name from now on."""
        given: set[str] = set()
        known = self._identities
        for name, consumer in consumers.items():
            before, now = known.get(name), consumer.identities
            if before != now:
                known[name] = now
                if before is not None and are_different(before, now):
                    given.add(name)
        if given:
            self._give(given)
        if len(self._identities) > len(consumers) + _SPARE_NAMES:
            self._identities = {name: each.identities for name, each in consumers.items()}

    def take(self) -> list[str]:
        """The names that were given to others since the last call."""
        found: list[str] = []
        while self._given:
            found.append(self._given.popleft())
        return found

    def since(self, name: str, started_at: float) -> float:
        """When the consumer that has the name now got it, or when the process began to count."""
        return self._since.get(name, started_at)

    def identities(self, name: str) -> tuple[str, ...]:
        """Those of the consumer that has the name now, or had it last (`derive_identities`)."""
        return self._identities.get(name, ())

    def own_segments(self, name: str, country: str, counted: int) -> int:
        """Of the segments that were counted for a name, those of the consumer that has it now."""
        return counted - self._former_segments.get((name, country), 0)

    def _give(self, names: set[str]) -> None:
        """In one pass over what was counted: a reload may replace the keys of all consumers."""
        former = {key: count for key, count in self._counts.segments.items() if key[0] in names}
        self._former_segments.update(former)
        self._since.update(dict.fromkeys(names, self._clock()))
        self._given.extend(names)
