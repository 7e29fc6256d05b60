"""When consumers' keys end. Called on the admin thread; it reads the active configuration."""

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.policy.snapshot import Snapshot

_SHOWN = 8


class ConsumerKeyCollector(Collector):
    """Keys that end, by consumer and the first digits of their digest; others have no sample."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """The family."""
        family = GaugeMetricFamily(
            "gateway_consumer_key_expires_timestamp_seconds",
            "When a consumer's key ends, in seconds since the epoch.",
            labels=("consumer", "key"),
        )
        for digest, entry in list(self._snapshot().identities.keys.items()):
            if entry.expires is not None:
                family.add_metric((entry.consumer.name, f"sha256:{digest[:_SHOWN]}"), entry.expires)
        yield family
