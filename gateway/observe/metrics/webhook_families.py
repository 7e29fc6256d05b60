"""Metric families of the webhook port: events by route, signatures by secret, connections of its own.

Made at each scrape, on the admin thread. Labels are routes and places of secrets of the configuration, and
fixed sets; a path never is one.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gateway.listener.connections import Closed, ConnectionTracker
from gateway.listener.tls_context import ListenerTls
from gateway.observe.metrics.exchange_families import counter, gauge, single_counter, single_gauge
from gateway.observe.metrics.webhook_counts import SECONDS, WebhookCounts, WebhookDurations
from gateway.webhooks.webhook_handler import WebhookHandler
from gateway.webhooks.webhook_record import WebhookOutcome

_EXPECTED = (
    (WebhookOutcome.RELAYED, 2),
    (WebhookOutcome.FALLBACK, 2),
    (WebhookOutcome.UNANSWERED, 5),
    (WebhookOutcome.BAD_SIGNATURE, 4),
)
"""There from the start, with 0: `increase()` would miss the first one otherwise."""


class WebhookState(NamedTuple):
    """What is read off the running port."""

    handler: WebhookHandler
    tracker: ConnectionTracker
    tls: ListenerTls | None


class WebhookCollector(Collector):
    """Registered where there is a webhook port."""

    def __init__(self, counts: WebhookCounts, state: Callable[[], WebhookState]) -> None:
        self._counts = counts
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """All families."""
        state = self._state()
        routes = [route.path for route in state.handler.rules.routes]
        yield from self._collect_events(routes)
        yield from _collect_state(state)

    def _collect_events(self, routes: list[str]) -> Iterator[Metric]:
        counts = self._counts
        events = {(route, outcome, status): 0 for route in routes for outcome, status in _EXPECTED}
        events |= counts.events.copy()
        yield counter(
            "gateway_webhooks",
            "Events of Twilio's that have ended, by route.",
            ("route", "outcome", "status_class"),
            (((route, outcome, f"{status}xx"), count) for (route, outcome, status), count in events.items()),
        )
        yield _histogram(
            "gateway_webhook_seconds", "Time from an event's head to the end of its answer.", counts.total
        )
        yield _histogram(
            "gateway_webhook_service_seconds", "Time at the service, connecting included.", counts.service
        )
        yield counter(
            "gateway_webhook_signatures",
            "Verified events, by the secret that signed them.",
            ("account", "secret"),
            counts.signatures.copy().items(),
        )
        for name, text, table in (
            ("would_refuse", "Events that `mode: report` let through.", counts.would_refuse),
            ("connect_retries", "Failed tries to connect to a service.", counts.connect_retries),
            ("unreachable_urls", "URLs in answers that Twilio cannot reach.", counts.unreachable),
        ):
            rows = dict.fromkeys(routes, 0) | table.copy()
            yield counter(
                f"gateway_webhook_{name}",
                text,
                ("route",),
                (((route,), count) for route, count in rows.items()),
            )


def _collect_state(state: WebhookState) -> Iterator[Metric]:
    handler, tracker, tls = state
    yield gauge(
        "gateway_webhooks_in_flight",
        "Verified events under way, by route.",
        ("route",),
        (((route.path,), handler.limits.in_flight.get(route.path, 0)) for route in handler.rules.routes),
    )
    yield single_gauge(
        "gateway_webhook_answers_kept",
        "First answers that are kept for repeats.",
        len(handler.delivery.repeats),
    )
    shared = handler.delivery.shared
    yield counter(
        "gateway_webhook_shared_repeats",
        "What events with an idempotency token met at the store that replicas share.",
        ("event",),
        (((event.value,), count) for event, count in (shared.counts.items() if shared else ())),
    )
    yield single_gauge(
        "gateway_webhook_connections", "Connections of the webhook port that are open.", tracker.open
    )
    yield single_counter(
        "gateway_webhook_connections_accepted",
        "Connections of the webhook port since the start.",
        tracker.accepted,
    )
    yield counter(
        "gateway_webhook_connections_closed",
        "Connections of the webhook port that the gateway closed, by reason.",
        ("reason",),
        (((reason.value,), tracker.closed[reason]) for reason in Closed),
    )
    if tls is not None:
        yield single_gauge(
            "gateway_webhook_tls_certificate_expires_timestamp_seconds",
            "When the certificate of the webhook port ends, in seconds since the epoch.",
            tls.expires,
        )
        yield counter(
            "gateway_webhook_tls_handshake_failures",
            "TLS handshakes of the webhook port that failed.",
            ("reason",),
            (((reason,), count) for reason, count in list(tls.failures.items())),
        )


def _histogram(name: str, text: str, table: dict[str, WebhookDurations]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=("route",))
    bounds = [*map(floatToGoString, SECONDS), "+Inf"]
    for route, cell in table.copy().items():
        sums = accumulate(cell.counts.copy())
        family.add_metric((route,), list(zip(bounds, sums, strict=True)), cell.seconds[0])
    return family
