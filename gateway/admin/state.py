"""Metrics that are read off the running parts at each scrape: gates, budget, breakers, store.

Called on the admin thread; it only reads numbers, each of which is right at the moment it is read.
"""

import time
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.admission.gates import Gates
from gateway.policy.credentials import mask_sid
from gateway.store.redis import RedisStore
from gateway.upstream.breaker import Breakers
from gateway.upstream.budget import RetryBudget

_GATE_LABELS = ("account", "region", "product")


class StateCollector(Collector):
    """Labels are masked SIDs, regions, products and hosts of the configuration: bounded."""

    def __init__(
        self, gates: Gates, budget: RetryBudget, breakers: Breakers, store: RedisStore | None
    ) -> None:
        self._gates = gates
        self._budget = budget
        self._breakers = breakers
        self._store = store

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield from self._collect_gates()
        left = GaugeMetricFamily("gateway_retry_budget", "New tries that the budget would pay for now.")
        left.add_metric((), max(0.0, self._budget.left(time.monotonic())))
        yield left
        broken = GaugeMetricFamily(
            "gateway_breaker_open", "1 for an upstream host that is not tried for a while.", labels=("host",)
        )
        for host in self._breakers.states(time.monotonic()):
            broken.add_metric((host,), 1.0)
        yield broken
        if self._store is not None:
            available = GaugeMetricFamily("gateway_store_available", "1 while the shared store answers.")
            available.add_metric((), float(self._store.state.available))
            yield available
            questions = CounterMetricFamily(
                "gateway_store_questions", "Scripts that the store was asked to run."
            )
            questions.add_metric((), float(self._store.questions))
            yield questions

    def _collect_gates(self) -> Iterable[Metric]:
        limit = GaugeMetricFamily(
            "gateway_concurrency_limit",
            "How many requests are sent at once, as learned.",
            labels=_GATE_LABELS,
        )
        held = GaugeMetricFamily("gateway_in_flight", "Slots that attempts hold.", labels=_GATE_LABELS)
        waiting = GaugeMetricFamily("gateway_queued", "Attempts that wait for a slot.", labels=_GATE_LABELS)
        signals = CounterMetricFamily(
            "gateway_concurrency_signals", "429s that said: too many at once.", labels=_GATE_LABELS
        )
        for name, gate in self._gates:
            labels = (mask_sid(name.account), name.region, name.product)
            limit.add_metric(labels, gate.governor.limit)
            held.add_metric(labels, gate.in_flight)
            waiting.add_metric(labels, gate.waiting)
            signals.add_metric(labels, gate.governor.signals)
        return (limit, held, waiting, signals)
