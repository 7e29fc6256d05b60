"""Metrics of who we are and who callers are: TLS certificates and handshakes.

Called on the admin thread; it only reads numbers, each of which is right at the moment it is read.
"""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.listener.tls import ListenerTls


class IdentityCollector(Collector):
    """Labels are OpenSSL's names of reasons: bounded."""

    def __init__(self, tls: ListenerTls) -> None:
        self._tls = tls

    def collect(self) -> Iterable[Metric]:
        """All families."""
        expires = GaugeMetricFamily(
            "gateway_tls_certificate_expires_timestamp_seconds",
            "When the certificate of the data port ends, in seconds since the epoch.",
        )
        expires.add_metric((), self._tls.expires)
        yield expires
        failures = CounterMetricFamily(
            "gateway_tls_handshake_failures", "TLS handshakes that failed.", labels=("reason",)
        )
        for reason, count in list(self._tls.failures.items()):
            failures.add_metric((reason,), count)
        yield failures
