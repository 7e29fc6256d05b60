"""What one consumer used: its limits, its traffic of the last 15 minutes, its segments, errors and keys.

Made on the admin thread, for `/-/usage` and for the consumer's own page; of this replica, or of several
whose figures were added up. Nothing in it is of another consumer, and nothing a secret: keys are the first
digits of their digests. Times are seconds since the epoch.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from gateway.consumers.consumer import Consumer
from gateway.consumers.rate_limit_rules import Per
from gateway.exchange import OWN_PRODUCT
from gateway.key_usage.usage_keeper import UsageKeeper
from gateway.key_usage.usage_report import describe_keys
from gateway.observe.consumer_figures import Figures, counts_of
from gateway.observe.live.breakdowns import WINDOW_SECONDS, Breakdown
from gateway.observe.live.quantiles import read_quantiles
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.metrics.exchange_counts import ExchangeCounts
from gateway.observe.names_given_again import NamesGivenAgain
from gateway.policy.snapshot import Snapshot
from gateway.stops.stop_table import ALL, Stop

_CODE_URL: Final = "https://www.twilio.com/docs/api/errors/"
_KEY_FIELDS: Final = ("key", "expires", "expired", "seen_at", "first_used", "last_used", "idle")
"""What a consumer may see of its own keys: not the addresses, as several services may share one."""


class ConsumerReports:
    """One per process, used on the admin thread."""

    def __init__(
        self,
        traffic_window: TrafficWindow,
        counts: ExchangeCounts,
        keeper: UsageKeeper,
        stops: Callable[[], Mapping[str, Stop]],
        started_at: float,
        given_again: NamesGivenAgain,
    ) -> None:
        """`stops` gives the active ones; `started_at` is when the counts began."""
        self._given_again = given_again
        self._traffic_window = traffic_window
        self._counts = counts
        self._keeper = keeper
        self._started_at = started_at
        self._stops = stops

    def marks(self) -> dict[str, tuple[int, int, float, bool, tuple[str, ...]]]:
        """By every consumer that has figures: something that changes whenever they do."""
        breakdowns = self._traffic_window.tables.consumers(self._traffic_window.refresh())
        counted = {name for name, _ in self._counts.segments.copy()}
        counted |= {name for name, _, _ in self._counts.repeats.copy()}
        found = {name: breakdowns.get(name, Breakdown()) for name in {*breakdowns, *counted} if name}
        shows = self._traffic_window.shows_addresses()
        whose = self._given_again.identities
        return {
            name: (each.requests, each.errors, each.last_at, shows, whose(name))
            for name, each in found.items()
        }

    def figures(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """What this replica counted of these consumers."""
        now = self._traffic_window.refresh()
        tables = self._traffic_window.tables
        breakdowns, rates = tables.consumers(now), tables.rates(now)
        callers = self._callers(names)
        found: dict[str, dict[str, Any]] = {}
        for name in names:
            breakdown = breakdowns.get(name, Breakdown())
            addresses, latest = callers.get(name, ({}, 0))
            found[name] = {
                "of": list(self._given_again.identities(name)),
                "requests": breakdown.requests,
                "errors": breakdown.errors,
                "refusals": breakdown.refusals,
                "rate": rates.get(name, 0.0),
                "last_at": breakdown.last_at or None,
                "durations": _pairs(breakdown.durations),
                "codes": _pairs(breakdown.codes),
                "slugs": _pairs(breakdown.slugs),
                "sdks": _pairs(breakdown.sdks),
                "started_at": round(self._given_again.since(name, self._started_at), 3),
                "segments": [],
                "repeats": [],
                "latest": latest,
                "addresses": [[address, *each] for address, each in addresses.items()],
            }
        for (name, country), count in self._counts.segments.copy().items():
            own = self._given_again.own_segments(name, country, count) if name in found else 0
            if own:
                found[name]["segments"].append([country or "other", own])
        for (name, route, event), count in self.repeats().items():
            if name in found:
                found[name]["repeats"].append([route, event, count])
        return found

    def own(self, name: str) -> dict[str, Any]:
        """What this replica counted of a consumer."""
        return self.figures([name])[name]

    def repeats(self) -> dict[tuple[str, str, str], int]:
        """What the repeat guard did, by consumer, route and event."""
        return {
            (name, route, str(event)): count
            for (name, route, event), count in self._counts.repeats.copy().items()
        }

    def describe(
        self, consumer: Consumer, snapshot: Snapshot, uses: Mapping[str, float], figures: Figures
    ) -> dict[str, Any]:
        """As `/-/usage` answers it; `uses` says how much of each limit is used, from 0 to 1, by its name."""
        help_ = snapshot.error_help
        p50, p95 = read_quantiles(counts_of(figures, "durations"), (0.5, 0.95))
        return {
            "consumer": consumer.name,
            "now": round(self._traffic_window.refresh(), 3),
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
                "requests": figures["requests"],
                "errors": figures["errors"],
                "refusals": figures["refusals"],
                "p50": p50,
                "p95": p95,
                "requests_per_second": figures["rate"],
                "last_at": figures["last_at"],
                "codes": [
                    {"code": code, "count": count, "more_info": f"{_CODE_URL}{code}" if code else ""}
                    for code, count in figures["codes"]
                ],
                "slugs": [
                    {"slug": slug, "count": count, "more_info": help_.more_info(slug)}
                    for slug, count in figures["slugs"]
                ],
            },
            "since_start": {
                "at": figures["started_at"],
                "segments": dict(sorted(counts_of(figures, "segments").items())),
            },
            "keys": self._keys(consumer.name, snapshot),
            "stopped": [
                {"prefix": f"+{stop.prefix}" if stop.prefix else "", "at": round(stop.at, 3)}
                for stop in self._stops().values()
                if stop.consumer in (ALL, consumer.name)
            ],
        }

    def _callers(self, names: Collection[str]) -> dict[str, tuple[dict[str, tuple[int, float]], int]]:
        """By consumer: calls and last call by address, and how many calls, among the latest exchanges.

        Reading `/-/usage` is no call."""
        wanted, shows = set(names), self._traffic_window.shows_addresses()
        calls: Counter[tuple[str, str]] = Counter()
        last: dict[tuple[str, str], float] = {}
        for exchange in self._traffic_window.recent.all():
            if exchange.consumer in wanted and exchange.product != OWN_PRODUCT:
                name = (exchange.consumer, exchange.address)
                calls[name] += 1
                last[name] = exchange.ended_at_epoch
        found: dict[str, tuple[dict[str, tuple[int, float]], int]] = {}
        for (consumer, address), count in calls.items():
            addresses, latest = found.get(consumer, ({}, 0))
            if address and shows:
                addresses[address] = count, last[consumer, address]
            found[consumer] = addresses, latest + count
        return found

    def _keys(self, name: str, snapshot: Snapshot) -> list[dict[str, Any]]:
        self._keeper.take_uses()
        rows = describe_keys(self._keeper, snapshot.identities.keys, name)
        return [{field: row[field] for field in _KEY_FIELDS} for row in rows]


def _pairs(counts: Mapping[Any, int]) -> list[list[Any]]:
    return [[name, count] for name, count in counts.items()]
