"""The life of consumers' keys. Called on the admin thread; it reads the active configuration.

A scrape stays small with 10,000 keys: beyond `_MOST_KEYS`, use is shown of keys that call for an act.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.key_usage.usage_keeper import UsageKeeper
from gateway.key_usage.usage_report import describe_former, describe_keys, shown_callers
from gateway.policy.snapshot import Snapshot

_MOST_KEYS: Final = 100
_KEY: Final = ("consumer", "key")


class ConsumerKeyCollector(Collector):
    """Keys by consumer and the first digits of their digest."""

    def __init__(self, snapshot: Callable[[], Snapshot], keeper: UsageKeeper) -> None:
        self._snapshot = snapshot
        self._keeper = keeper

    def collect(self) -> Iterable[Metric]:
        """The families."""
        keys = self._snapshot().identities.keys
        self._keeper.update()
        rows = describe_keys(self._keeper, keys)
        expires = GaugeMetricFamily(
            "gateway_consumer_key_expires_timestamp_seconds",
            "When a consumer's key ends, in seconds since the epoch.",
            labels=_KEY,
        )
        for row in rows:
            if row["expires"] is not None:
                expires.add_metric((row["consumer"], row["key"]), row["expires"])
        yield expires
        idle = GaugeMetricFamily(
            "gateway_consumer_keys_idle", "Keys not used for 90 days.", labels=("consumer",)
        )
        for consumer, count in sorted(Counter(row["consumer"] for row in rows if row["idle"]).items()):
            idle.add_metric((consumer,), count)
        yield idle
        yield from self._uses(rows)
        yield self._former(rows)
        yield self._callers()

    def _uses(self, rows: list[dict[str, Any]]) -> Iterable[Metric]:
        shown = rows if len(rows) <= _MOST_KEYS else _telling(rows)[:_MOST_KEYS]
        for name, field, text in (
            ("first_seen", "seen_at", "When a consumer's key was first configured"),
            ("first_used", "first_used", "When a consumer's key was first used"),
            ("last_used", "last_used", "When a consumer's key was last used"),
        ):
            family = GaugeMetricFamily(
                f"gateway_consumer_key_{name}_timestamp_seconds",
                f"{text}, in seconds since the epoch.",
                labels=_KEY,
            )
            for row in shown:
                if row[field] is not None:
                    family.add_metric((row["consumer"], row["key"]), row[field])
            yield family
        addresses = GaugeMetricFamily(
            "gateway_consumer_key_addresses", "Addresses that last used a consumer's key.", labels=_KEY
        )
        for row in shown:
            addresses.add_metric((row["consumer"], row["key"]), len(row["addresses"]))
        yield addresses

    def _former(self, rows: list[dict[str, Any]]) -> Metric:
        family = CounterMetricFamily(
            "gateway_former_key_requests", "Requests with a key that ended or was removed.", labels=_KEY
        )
        former = describe_former(self._keeper, self._snapshot().identities.keys)
        refused = [row for row in (*rows, *former) if row["refused"]]
        for row in sorted(refused, key=lambda row: -row["last_refused"])[:_MOST_KEYS]:
            family.add_metric((row["consumer"], row["key"]), row["refused"])
        return family

    def _callers(self) -> Metric:
        family = CounterMetricFamily(
            "gateway_shared_consumer_requests",
            "Requests with a shared consumer's keys, by who sent them.",
            labels=("consumer", "user_agent", "address"),
        )
        for consumer in list(self._keeper.table.callers):
            for name, use in shown_callers(self._keeper, consumer).items():
                family.add_metric((consumer, name.user_agent, name.address), use.requests)
        return family


def _telling(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keys of consumers that have several or share one, keys that end, and idle ones."""
    counts = Counter(row["consumer"] for row in rows)
    return [
        row
        for row in rows
        if counts[row["consumer"]] > 1 or row["shared"] or row["expires"] is not None or row["idle"]
    ]
