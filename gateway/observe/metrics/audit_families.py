"""Metrics of the audit trail. Called on the admin thread; it only reads numbers."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.audit.audit_trail import AuditTrail


class AuditCollector(Collector):
    """Registered where there is a trail."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield CounterMetricFamily(
            "gateway_audit_lines", "Lines of the audit trail that were written.", value=self._trail.written
        )
        yield CounterMetricFamily(
            "gateway_audit_failures",
            "Lines of the audit trail that could not be written.",
            value=self._trail.failed,
        )
        yield GaugeMetricFamily(
            "gateway_audit_writable",
            "0 while the audit trail cannot be written.",
            value=0 if self._trail.failure else 1,
        )
