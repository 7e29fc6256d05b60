"""Metrics of tunnels (CONNECT) and of minted certificates.

Called on the admin thread; it only reads numbers, each of which is right at the moment it is read.
"""

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.listener.tunnels import TunnelBounds
from gateway.observe.metrics.exchange_families import counter, gauge, single_counter, single_gauge


class TunnelCollector(Collector):
    """Labels are OpenSSL's names of reasons: bounded. `expires` gives 0 while no CA is configured."""

    def __init__(
        self, tunnels: TunnelBounds, minted: Callable[[], int], expires: Callable[[], float]
    ) -> None:
        self._tunnels = tunnels
        self._minted = minted
        self._expires = expires

    def collect(self) -> Iterable[Metric]:
        """All families."""
        tunnels = self._tunnels
        yield single_gauge("gateway_tunnels", "Tunnels (CONNECT) that are open.", tunnels.open)
        yield single_counter("gateway_tunnels_opened", "Tunnels since the start.", tunnels.opened)
        yield counter(
            "gateway_tunnel_handshake_failures",
            "TLS handshakes inside tunnels that failed.",
            ("reason",),
            [((reason,), float(count)) for reason, count in list(tunnels.failures.items())],
        )
        yield single_counter(
            "gateway_certificates_minted", "Certificates that were signed with `ca`.", self._minted()
        )
        expires = self._expires()
        yield gauge(
            "gateway_ca_expires_timestamp_seconds",
            "When the intermediate of `ca` ends, in seconds since the epoch.",
            (),
            [((), expires)] if expires else [],
        )
