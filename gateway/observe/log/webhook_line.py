"""What is written of an event: the level and the fields of its one line. No path, query, body or number."""

from typing import Any

from gateway.observe.log.structured_log import Logger
from gateway.webhooks.webhook_record import WebhookEvent, WebhookOutcome

_GOOD = frozenset({WebhookOutcome.RELAYED, WebhookOutcome.REPEATED})


def log_webhook(log: Logger, event: WebhookEvent) -> None:
    """Failures and refusals are warnings, our own faults errors, the rest is `info`."""
    if event.outcome is WebhookOutcome.FAILED:
        log.error("webhook", **webhook_values(event))
    elif event.outcome in _GOOD and event.status < 500 and not event.would_refuse and not event.unreachable:
        log.info("webhook", **webhook_values(event))
    else:
        log.warning("webhook", **webhook_values(event))


def webhook_values(event: WebhookEvent) -> dict[str, Any]:
    """Fields by name, in the order in which they are written."""
    values: dict[str, Any] = {
        "request_id": event.request_id,
        "route": event.route,
        "account": event.account,
        "method": event.method,
        "outcome": event.outcome,
        "status": event.status,
        "seconds": round(event.seconds, 6),
        "service_seconds": round(event.service_seconds, 6),
        "attempts": event.attempts,
        "bytes_in": event.bytes_in,
        "bytes_out": event.bytes_out,
    }
    for name in ("reason", "would_refuse", "secret", "sid"):
        if value := getattr(event, name):
            values[name] = value
    if event.replaced_urls:
        values["replaced_urls"] = event.replaced_urls
    if event.unreachable:
        values["unreachable_hosts"] = list(event.unreachable[:5])
    return values
