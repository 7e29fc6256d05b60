"""What one consumer used: its limits, its traffic of the last 15 minutes, its segments, errors and keys.

Made on the admin thread, for `/-/usage` and for the consumer's own page. Nothing in it is of another
consumer, and nothing a secret: keys are the first digits of their digests. Times are seconds since the epoch.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gateway.consumers.consumer import Consumer
from gateway.consumers.rate_limit_rules import Per
from gateway.observe.live.breakdowns import WINDOW_SECONDS, Breakdown
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.metrics.exchange_counts import ExchangeCounts
from gateway.policy.snapshot import Snapshot
from gateway.stops.stop_table import ALL, Stop

_SHOWN: Final = 8
_CODE_URL: Final = "https://www.twilio.com/docs/api/errors/"


class ConsumerReports:
    """One per process, used on the admin thread."""

    def __init__(
        self,
        traffic_window: TrafficWindow,
        counts: ExchangeCounts,
        stops: Callable[[], Mapping[str, Stop]],
        started_at: float,
    ) -> None:
        """`stops` gives those in force; `started_at` is when the counts began."""
        self._traffic_window = traffic_window
        self.counts = counts
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
            "keys": [key for name, key in describe_keys(snapshot) if name == consumer.name],
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


def describe_keys(snapshot: Snapshot) -> Iterator[tuple[str, dict[str, object]]]:
    """Every key with the name of its consumer, and when it ends (None: it does not)."""
    for digest, entry in snapshot.identities.keys.items():
        yield entry.consumer.name, {"key": f"sha256:{digest[:_SHOWN]}", "expires": entry.expires}


def _most(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
