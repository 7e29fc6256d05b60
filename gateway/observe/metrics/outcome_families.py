"""Metrics of open outcomes: the looks at Twilio, and what became known.

Called on the admin thread; it only reads numbers, each of which is right at the moment it is read.
"""

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.observe.metrics.exchange_families import counter, single_gauge
from gateway.outcome_resolution.look_verdict import LookVerdict
from gateway.outcome_resolution.outcome_resolver import OutcomeResolver
from gateway.repeat_guard.open_outcomes import OutcomeState

_ENDS = (OutcomeState.FOUND, OutcomeState.ABSENT, OutcomeState.UNKNOWN)


class OutcomeCollector(Collector):
    """Labels are of fixed sets."""

    def __init__(self, resolver: OutcomeResolver) -> None:
        self._resolver = resolver

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield counter(
            "gateway_outcome_looks",
            "Looks at Twilio for what a create with a lost answer may have made.",
            ("result",),
            [((verdict.value,), float(self._resolver.looks[verdict])) for verdict in LookVerdict],
        )
        yield counter(
            "gateway_outcomes_resolved",
            "Creates with a lost answer that Twilio was asked about, by how that ended.",
            ("outcome",),
            [((state.value,), float(self._resolver.resolved[state])) for state in _ENDS],
        )
        yield single_gauge(
            "gateway_outcomes_pursued",
            "Creates with a lost answer that Twilio is being asked about.",
            self._resolver.pursued,
        )
