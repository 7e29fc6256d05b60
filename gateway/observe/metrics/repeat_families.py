"""Metric families of what the repeat guard did with creates: by consumer and route, and in all."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.observe.metrics.exchange_counts import ExchangeCounts
from gateway.observe.metrics.exchange_families import counter
from gateway.repeat_guard.repeat_rules import RepeatEvent


class RepeatCollector(Collector):
    """Made at each scrape, on the admin thread."""

    def __init__(self, counts: ExchangeCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Both families."""
        rows = list(self._counts.repeats.items())
        yield counter(
            "gateway_repeats",
            "Creates that came again without an Idempotency-Key, and what the repeat guard did.",
            ("consumer", "route", "event"),
            rows,
        )
        events: Counter[str] = Counter(dict.fromkeys(RepeatEvent, 0))
        for (_, _, event), count in rows:
            events[event] += count
        yield counter(
            "gateway_repeat_guard_events",
            "The same, without consumers and routes: each event is there from the start.",
            ("event",),
            (((event,), count) for event, count in events.items()),
        )
