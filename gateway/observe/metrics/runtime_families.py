"""Metrics read from the running parts at each scrape: limiters, budget, breakers, stores, connections.

Called on the admin thread; it only reads numbers, each of which is right at the moment it is read.
"""

import platform
import time
from collections.abc import Callable, Iterable, Iterator

import aiohttp
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.build_info import build_kind
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter
from gateway.consumers.consumer import Priority
from gateway.consumers.credentials import mask_sid
from gateway.consumers.rate_limit_rules import Per
from gateway.listener.connections import Closed
from gateway.observe.metrics.configuration_info import KeyName
from gateway.observe.metrics.exchange_families import counter, gauge, single_counter, single_gauge
from gateway.observe.runtime import Runtime
from gateway.policy.snapshot import Snapshot
from gateway.upstream.upstream_failures import REASONS

_LIMITER_LABELS = ("account", "region", "product")
_CLASSES = (*(each.name.lower() for each in Priority), "in_front")


class StateCollector(Collector):
    """Labels are masked SIDs, regions, products and hosts of the configuration: bounded."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield InfoMetricFamily(
            "gateway_build",
            "Version information.",
            {
                "version": __version__,
                "build": build_kind(),
                "python": platform.python_version(),
                "aiohttp": aiohttp.__version__,
            },
        )
        yield from self._collect_limiters()
        yield gauge(
            "gateway_rate_limit_used_ratio",
            "How much of a consumer's rate limit is used up; of limits per consumer that are counted here.",
            ("consumer", "limit"),
            self._read_limits(),
        )
        yield from self._collect_upstream()
        yield from self._collect_stores()
        yield from self._collect_listener()
        yield from self._collect_loops()

    def _collect_limiters(self) -> Iterator[Metric]:
        limiters = list(self._runtime.forwarder.limiters)

        def read(number: Callable[[ConcurrencyLimiter], float]) -> Iterable[tuple[tuple[str, ...], float]]:
            # Summed, for two masked SIDs could be the same, and a scrape with a series twice is refused.
            sums: dict[tuple[str, ...], float] = {}
            for key, limiter in limiters:
                labels = (mask_sid(key.account), key.region, key.product)
                sums[labels] = sums.get(labels, 0) + number(limiter)
            return sums.items()

        yield gauge(
            "gateway_concurrency_limit",
            "How many requests are sent at once, as learned.",
            _LIMITER_LABELS,
            read(lambda each: each.adaptive_limit.limit),
        )
        yield gauge(
            "gateway_in_flight",
            "Slots that attempts hold.",
            _LIMITER_LABELS,
            read(lambda each: each.in_flight),
        )
        yield gauge(
            "gateway_queued",
            "Attempts that wait for a slot.",
            _LIMITER_LABELS,
            read(lambda each: each.waiting),
        )
        yield counter(
            "gateway_concurrency_signals",
            "429 responses that signalled the concurrency limit.",
            _LIMITER_LABELS,
            read(lambda each: each.adaptive_limit.signals),
        )
        sizes = [limiter.waiting_by_class for _, limiter in limiters]
        yield gauge(
            "gateway_queued_by_priority",
            "Attempts that wait for a slot, of all accounts; in_front have been at Twilio before.",
            ("priority",),
            (((name,), sum(each[at] for each in sizes)) for at, name in enumerate(_CLASSES)),
        )

    def _read_limits(self) -> Iterator[tuple[tuple[str, str], float]]:
        """Not of limits per destination, which are as many as numbers, nor of those that the store counts."""
        for name, consumer in self._runtime.snapshot().consumers.items():
            for limit in consumer.limits.limits:
                used = self._runtime.limiter.use_of(limit) if limit.per is Per.CONSUMER else None
                if used is not None:
                    yield (name, limit.name), used

    def _collect_upstream(self) -> Iterator[Metric]:
        forwarder = self._runtime.forwarder
        now = time.monotonic()
        yield single_gauge(
            "gateway_retry_budget",
            "Retries that the retry budget allows at this moment.",
            max(0.0, forwarder.budget.left(now)),
        )
        yield single_counter(
            "gateway_retry_budget_exhausted",
            "Retries denied by the retry budget.",
            forwarder.budget.exhausted,
        )
        yield counter(
            "gateway_connect_failures",
            "Connections to Twilio that could not be made.",
            ("reason",),
            [((reason,), float(forwarder.breakers.failures[reason])) for reason in REASONS],
        )
        yield gauge(
            "gateway_breaker_open",
            "1 while the circuit breaker of an upstream host is open.",
            ("host",),
            (((host,), 1.0) for host in forwarder.breakers.states(now)),
        )

    def _collect_stores(self) -> Iterator[Metric]:
        """Without a shared store its families have no sample."""
        store = self._runtime.store
        yield gauge(
            "gateway_store_available",
            "1 while the shared store answers.",
            (),
            [] if store is None else [((), float(store.state.available))],
        )
        yield counter(
            "gateway_store_questions",
            "Scripts sent to the shared store.",
            (),
            [] if store is None else [((), store.questions)],
        )
        idempotency = self._runtime.idempotency
        yield single_gauge(
            "gateway_idempotency_entries",
            "Keyed requests that this process remembers; with a shared store, those not yet written there.",
            idempotency.entries,
        )
        yield single_gauge(
            "gateway_idempotency_answer_bytes", "Their answers, in this process.", idempotency.answer_bytes
        )
        guard = self._runtime.repeat_guard
        yield single_gauge(
            "gateway_repeat_guard_entries", "Creates that the repeat guard remembers.", guard.entries
        )
        yield single_gauge(
            "gateway_repeat_guard_open_outcomes", "Those whose outcome is unknown.", guard.open_outcomes
        )

    def _collect_loops(self) -> Iterator[Metric]:
        loops = list(self._runtime.loops)
        yield gauge(
            "gateway_background_loop_age_seconds",
            "Time since a background loop last finished a round.",
            ("loop",),
            (((loop.name,), loop.age_seconds) for loop in loops),
        )
        yield gauge(
            "gateway_background_loop_interval_seconds",
            "The longest that a round of a background loop normally takes, its pause included.",
            ("loop",),
            (((loop.name,), loop.interval_seconds) for loop in loops),
        )
        yield counter(
            "gateway_background_loop_failures",
            "How often a background loop failed and was started again.",
            ("loop",),
            (((loop.name,), loop.failures) for loop in loops),
        )

    def _collect_listener(self) -> Iterator[Metric]:
        trackers = [(each.name, each.tracker) for each in self._runtime.listeners]
        yield gauge(
            "gateway_connections",
            "Connections that are open, by port: of callers (data), and of Twilio (webhooks).",
            ("listener",),
            (((name,), tracker.open) for name, tracker in trackers),
        )
        yield counter(
            "gateway_connections_accepted",
            "Connections since the start, by port.",
            ("listener",),
            (((name,), tracker.accepted) for name, tracker in trackers),
        )
        yield counter(
            "gateway_connections_closed",
            "Connections closed by the gateway, by port and reason.",
            ("listener", "reason"),
            (
                ((name, reason.value), tracker.closed[reason])
                for name, tracker in trackers
                for reason in Closed
            ),
        )
        yield from self._collect_work()

    def _collect_work(self) -> Iterator[Metric]:
        """What is in progress and held, and what was lost for lack of room."""
        buffers = self._runtime.buffers
        yield single_gauge(
            "gateway_buffered_bytes", "Bytes of bodies that are held for all callers together.", buffers.used
        )
        yield single_gauge(
            "gateway_buffered_bytes_limit", "How many there may be: `callers.buffered_bytes`.", buffers.limit
        )
        yield single_gauge(
            "gateway_exchanges_in_flight",
            "Requests in progress, including those that wait.",
            self._runtime.in_flight(),
        )
        yield single_gauge(
            "gateway_tasks",
            "asyncio tasks of the data port's loop; about one a connection.",
            self._runtime.tasks(),
        )
        yield single_counter(
            "gateway_log_lines_dropped",
            "Log lines lost because standard output did not take them (a slow reader, a full disk).",
            self._runtime.log_dropped(),
        )
        yield single_counter(
            "gateway_traces_dropped",
            "Exchanges missing from the traces because no collector accepted them.",
            self._runtime.traces_dropped(),
        )


def name_keys(snapshot: Snapshot) -> set[KeyName]:
    """Every key of Twilio's that a configuration holds."""
    return {
        KeyName(credential.name, key.label)
        for credential in snapshot.credentials.values()
        for account in (credential.account, *credential.subaccounts.values())
        for key in account.keys
    }
