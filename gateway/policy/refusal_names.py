"""The rule or limit of the configuration that an error of the gateway names in the record of an exchange."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.errors import GatewayError, Refusal, UpstreamFailure
from gateway.exchange import CONCURRENCY, Exchange

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "foreign_account": "credential",
        "management_endpoint": "allow",
        "not_allowed": "allow",
        "stopped": "stop",
        "wrong_region": "credential",
    }
)
"""By slug: what refuses. `allow` stands for all rules of the consumer, none of which covers the request."""
LIMITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "body_too_large": "callers.body_bytes",
        "buffers_full": "callers.buffered_bytes",
        "header_too_large": "callers.header_bytes",
        "idempotency_full": "idempotency.max_entries",
        "queue_full": "concurrency.queue",
        "queue_timeout": CONCURRENCY,
        "too_many_connections": "callers.connections",
        "too_many_failures": "wrong keys per address",
        "too_many_streams": "callers.streams",
    }
)
"""By slug: the setting that bounds what was too much. A rate limit's name comes with its refusal."""


def note_error(exchange: Exchange, error: GatewayError) -> None:
    """Record an error that the exchange ends with."""
    slug = exchange.slug = error.slug
    exchange.status = error.status
    exchange.unknown = isinstance(error, UpstreamFailure) and error.unknown
    rule, limit = RULES.get(slug, ""), LIMITS.get(slug, "")
    if isinstance(error, Refusal):
        rule, limit = error.rule or rule, error.limit or limit
        for name, value in error.headers:
            if name == "Gateway-Outcome":
                exchange.outcome = value
    exchange.rule = rule or exchange.rule
    exchange.limit = limit or exchange.limit
