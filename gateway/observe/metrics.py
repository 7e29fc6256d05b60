"""The gateway's metrics. Labels come from the catalogue and the configuration only, so they are bounded."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.exchange import Exchange

_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class Metrics:
    """Owns its registry; child objects are cached, because `labels()` costs as much as the count itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gateway_requests",
            "Exchanges finished.",
            ("product", "method", "status_class"),
            registry=self.registry,
        )
        self._refusals = Counter(
            "gateway_refusals", "Answers of ours, by slug.", ("slug",), registry=self.registry
        )
        self._seconds = Histogram(
            "gateway_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("product",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._keys = Counter(
            "gateway_credential_key_events",
            "Twilio keys refused, put aside and restored.",
            ("event", "key"),
            registry=self.registry,
        )
        self._idempotency = Counter(
            "gateway_idempotency_events",
            "What became of requests with an Idempotency-Key.",
            ("event",),
            registry=self.registry,
        )
        self._request_children: dict[tuple[str, str, int], Counter] = {}
        self._second_children: dict[str, Histogram] = {}

    def observe(self, exchange: Exchange) -> None:
        """Count one finished exchange."""
        key = (exchange.product, exchange.method, exchange.status // 100)
        child = self._request_children.get(key)
        if child is None:
            labels = (exchange.product, exchange.method, f"{exchange.status // 100}xx")
            child = self._request_children[key] = self._requests.labels(*labels)
        child.inc()
        seconds = self._second_children.get(exchange.product)
        if seconds is None:
            seconds = self._second_children[exchange.product] = self._seconds.labels(exchange.product)
        seconds.observe(exchange.ended - exchange.began)
        if exchange.slug:
            self._refusals.labels(exchange.slug).inc()

    def count_key_event(self, event: str, key_label: str) -> None:
        """`event`: refused, put_aside, restored. `key_label` is the masked SID."""
        self._keys.labels(event, key_label).inc()

    def count_idempotency_event(self, event: str) -> None:
        """`event`: sent, waited, replayed, forgotten, store_away, or the slug of a refusal."""
        self._idempotency.labels(event).inc()

    def exposition(self) -> bytes:
        """The text format of all metrics."""
        return generate_latest(self.registry)
