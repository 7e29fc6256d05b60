"""The gateway's metrics: the registry, the counts of exchanges, and where other parts register their own.

Exchanges add up in `ExchangeCounts`; names and texts are in `exchange_families.py`; what is read off running
parts is in `runtime_families.py`. Labels come from the catalogue, the configuration and fixed sets only, so
they are bounded.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.observe.metrics.configuration_info import ConfigurationRecord
from gateway.observe.metrics.exchange_counts import ExchangeCounts
from gateway.observe.metrics.exchange_families import ConfigurationCollector, ExchangeCollector, gauge
from gateway.observe.metrics.repeat_families import RepeatCollector
from gateway.observe.metrics.webhook_counts import WebhookCounts

Table = Callable[[], Mapping[str, float]]
"""Values by the value of the one label; called on the admin thread at each scrape."""


class Metrics:
    """Owns the registry. `observe` counts one finished exchange, on the data loop."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self.counts = ExchangeCounts()
        self.webhooks = WebhookCounts()
        self.observe = self.counts.add
        self.count_key_event = self.counts.count_key_event
        self.count_idempotency_event = self.counts.count_idempotency_event
        self.count_repeat = self.counts.count_repeat
        self.configuration = ConfigurationRecord(clock)
        """Records the start and each reload."""
        self.secret_ages: Table = dict
        """Set by the secret cache: seconds since each secret was last confirmed, by its name."""
        self.registry.register(ExchangeCollector(self.counts, self.configuration))
        self.registry.register(RepeatCollector(self.counts))
        self.registry.register(ConfigurationCollector(self.configuration))
        self.registry.register(_SecretAges(self))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)


class _SecretAges(Collector):
    """Ages of secrets, as the secret cache reports them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield gauge(
            "gateway_secret_age_seconds",
            "Time since a secret was last confirmed by its store.",
            ("secret",),
            (((name,), age) for name, age in self._metrics.secret_ages().items()),
        )
