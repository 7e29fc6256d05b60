"""What one consumer used: its limits, its traffic of the last 15 minutes, its segments, errors and keys.

Made on the admin thread, for `/-/usage` and for the consumer's own page. Nothing in it is of another
consumer, and nothing a secret: keys are the first digits of their digests. Times are seconds since the epoch.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.consumers.consumer import Consumer
from gateway.consumers.rate_limit_rules import Per
from gateway.key_usage.usage_keeper import UsageKeeper
from gateway.key_usage.usage_report import describe_keys
from gateway.observe.live.breakdowns import WINDOW_SECONDS, Breakdown
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.metrics.exchange_counts import ExchangeCounts
from gateway.policy.snapshot import Snapshot
from gateway.stops.stop_table import ALL, Stop

_CODE_URL: Final = "https://www.twilio.com/docs/api/errors/"
_KEY_FIELDS: Final = ("key", "expires", "expired", "seen_at", "first_used", "last_used", "idle")
"""What a consumer is told of its own keys: not the addresses, as several services may share one."""


class ConsumerReports:
    """One per process, used on the admin thread."""

    def __init__(
        self,
        traffic_window: TrafficWindow,
        counts: ExchangeCounts,
        keeper: UsageKeeper,
        stops: Callable[[], Mapping[str, Stop]],
        started_at: float,
    ) -> None:
        """`stops` gives those in force; `started_at` is when the counts began."""
        self._traffic_window = traffic_window
        self.counts = counts
        self._keeper = keeper
        self._started_at = started_at
        self._stops = stops

    def describe(self, consumer: Consumer, snapshot: Snapshot, uses: Mapping[str, float]) -> dict[str, Any]:
        """As `/-/usage` answers it; `uses` says how much of each limit is used, from 0 to 1, by its name."""
        now = self._traffic_window.refresh()
        tables = self._traffic_window.tables
        breakdown = tables.consumers(now).get(consumer.name, Breakdown())
        help_ = snapshot.error_help
        return {
            "consumer": consumer.name,
            "now": round(now, 3),
            "limits": [
                {
                    "name": limit.name.partition("/")[2],
                    "rate": limit.rate,
                    "per": limit.per,
                    "max_wait_seconds": limit.max_wait_us / 1e6,
                    "reports": limit.reports,
                    "used": uses.get(limit.name) if limit.per is Per.CONSUMER else None,
                }
                for limit in consumer.limits.limits
            ],
            "recent": {
                "seconds": WINDOW_SECONDS,
                "requests": breakdown.requests,
                "errors": breakdown.errors,
                "refusals": breakdown.refusals,
                **breakdown.quantiles(),
                "requests_per_second": tables.rates(now).get(consumer.name, 0.0),
                "last_at": breakdown.last_at or None,
                "codes": [
                    {"code": code, "count": count, "more_info": f"{_CODE_URL}{code}" if code else ""}
                    for code, count in _most(breakdown.codes)
                ],
                "slugs": [
                    {"slug": slug, "count": count, "more_info": help_.more_info(slug)}
                    for slug, count in _most(breakdown.slugs)
                ],
            },
            "since_start": {"at": round(self._started_at, 3), "segments": self._segments(consumer.name)},
            "keys": self._keys(consumer.name, snapshot),
            "stopped": [
                {"prefix": f"+{stop.prefix}" if stop.prefix else "", "at": round(stop.at, 3)}
                for stop in self._stops().values()
                if stop.consumer in (ALL, consumer.name)
            ],
        }

    def _segments(self, name: str) -> dict[str, int]:
        """Of messages that were sent, by where they went, as far as the calling code tells."""
        return {
            country or "other": count
            for (consumer, country), count in sorted(self.counts.segments.copy().items())
            if consumer == name
        }

    def _keys(self, name: str, snapshot: Snapshot) -> list[dict[str, Any]]:
        self._keeper.take_uses()
        rows = describe_keys(self._keeper, snapshot.identities.keys, name)
        return [{field: row[field] for field in _KEY_FIELDS} for row in rows]


def _most(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
