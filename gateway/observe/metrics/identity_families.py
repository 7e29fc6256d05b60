"""Metrics of TLS certificates and handshakes, and of JWT issuers' keys.

Called on the admin thread; it only reads numbers, each of which is right at the moment it is read.
"""

import time
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.identity.jwks_cache import JwksCache
from gateway.listener.tls_context import ListenerTls


class IdentityCollector(Collector):
    """Labels are OpenSSL's names of reasons, and issuers of the configuration: bounded."""

    def __init__(self, tls: ListenerTls | None, keys: JwksCache) -> None:
        self._tls = tls
        self._keys = keys

    def collect(self) -> Iterable[Metric]:
        """All families."""
        if self._tls is not None:
            yield from _collect_tls(self._tls)
        age = GaugeMetricFamily(
            "gateway_issuer_keys_age_seconds",
            "Since the issuer's keys were last fetched.",
            labels=("issuer",),
        )
        failures = CounterMetricFamily(
            "gateway_issuer_fetch_failures", "Fetches of the issuer's keys that failed.", labels=("issuer",)
        )
        for name, keys in list(self._keys.issuers.items()):
            if keys.fetched is not None:
                age.add_metric((name,), time.monotonic() - keys.fetched)
            failures.add_metric((name,), keys.failures)
        yield age
        yield failures


def _collect_tls(tls: ListenerTls) -> Iterable[Metric]:
    expires = GaugeMetricFamily(
        "gateway_tls_certificate_expires_timestamp_seconds",
        "When the certificate of the data port ends, in seconds since the epoch.",
    )
    expires.add_metric((), tls.expires)
    yield expires
    failures = CounterMetricFamily(
        "gateway_tls_handshake_failures", "TLS handshakes that failed.", labels=("reason",)
    )
    for reason, count in list(tls.failures.items()):
        failures.add_metric((reason,), count)
    yield failures
