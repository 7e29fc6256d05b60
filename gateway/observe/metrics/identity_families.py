"""Metrics of TLS certificates and handshakes, and of JWT issuers' keys.

Called on the admin thread; it only reads numbers, each of which is right at the moment it is read.
"""

import time
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.identity.jwks_cache import JwksCache
from gateway.listener.listener import Listener
from gateway.listener.tls_context import ListenerTls


class IdentityCollector(Collector):
    """Labels are ports, OpenSSL's names of reasons, and issuers of the configuration: bounded.

    The first of `listeners` is the data port's.
    """

    def __init__(self, listeners: Sequence[Listener], keys: JwksCache) -> None:
        self._certificate = listeners[0].tls
        self._handshakes = [(each.name, each.tls) for each in listeners if each.tls is not None]
        self._keys = keys

    def collect(self) -> Iterable[Metric]:
        """All families."""
        if self._certificate is not None:
            yield _expiry(self._certificate)
        if self._handshakes:
            yield self._count_failures()
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

    def _count_failures(self) -> Metric:
        family = CounterMetricFamily(
            "gateway_tls_handshake_failures",
            "TLS handshakes that failed, by port.",
            labels=("listener", "reason"),
        )
        for name, tls in self._handshakes:
            for reason, count in list(tls.failures.items()):
                family.add_metric((name, reason), count)
        return family


def _expiry(tls: ListenerTls) -> Metric:
    expires = GaugeMetricFamily(
        "gateway_tls_certificate_expires_timestamp_seconds",
        "When the certificate of the data port ends, in seconds since the epoch.",
    )
    expires.add_metric((), tls.expires)
    return expires
