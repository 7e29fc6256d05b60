"""The single sink for finished exchanges and events: it feeds log, metrics, live page and traces."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.config.schema.secret_values import SecretEvent
from gateway.consumers.credentials import mask_sid
from gateway.exchange import Exchange, Trace
from gateway.http.trace_context import TraceContext
from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.live.recent_webhooks import RecentWebhooks
from gateway.observe.log.structured_log import Logger, exchange_writer, log_fault
from gateway.observe.log.webhook_line import log_webhook
from gateway.observe.metrics.registry import Metrics
from gateway.observe.traces.tracer import Tracer
from gateway.redis.availability import StoreState
from gateway.repeat_guard.open_outcomes import OpenOutcome
from gateway.stops.stop_table import Stop
from gateway.upstream.key_health import KeyEvent
from gateway.webhooks.signature_hints import Hint
from gateway.webhooks.webhook_record import WebhookEvent

_KEY_EVENTS = {
    KeyEvent.REFUSED: "credential key refused",
    KeyEvent.DISABLED: "credential key disabled",
    KeyEvent.RESTORED: "credential key restored",
}


class Observers:
    """One per process; every method is called on the data loop."""

    def __init__(
        self, log: Logger, metrics: Metrics, exchange_queue: ExchangeQueue, tracer: Tracer | None
    ) -> None:
        self.log = log
        self._write_exchange = exchange_writer(log)
        self.metrics = metrics
        self.recent_webhooks = RecentWebhooks()
        self.records_addresses = True
        """Whether callers' addresses may be recorded; may be changed while running."""
        self._count = metrics.observe
        self._queue = exchange_queue.put
        self._tracer = tracer

    def write_to(self, log: Logger) -> None:
        """Replace the log."""
        self.log = log
        self._write_exchange = exchange_writer(log)

    def begin_trace(self, context: TraceContext | None) -> Trace | None:
        """The caller's trace context, even while tracing is off; else a new one while tracing is on."""
        if self._tracer is not None:
            return self._tracer.begin(context)
        return None if context is None else Trace(context.trace_id, context.parent_id)

    def upstream_trace(self, trace: Trace | None, states: Callable[[bytes], Sequence[str]]) -> bytes:
        """Field lines for Twilio; none unless configured. `states` gives the caller's fields of a name."""
        if trace is None or self._tracer is None:
            return b""
        return self._tracer.upstream_fields(trace, states(b"tracestate"))

    def finish(self, exchange: Exchange) -> None:
        """An exchange has ended."""
        self._count(exchange)
        self._write_exchange(exchange)
        self._queue(exchange)
        if self._tracer is not None:
            self._tracer.finish(exchange)

    def webhook_finished(self, event: WebhookEvent) -> None:
        """An event of Twilio's has ended."""
        self.metrics.webhooks.add(event)
        log_webhook(self.log, event)
        self.recent_webhooks.add(event)
        if self._tracer is not None:
            self._tracer.finish_webhook(event)

    def webhook_hint(self, route: str, request_id: str, reason: str, hint: Hint) -> None:
        """What would have matched, of an event that could not be verified."""
        self.log.warning(
            "webhook not verified",
            route=route,
            request_id=request_id,
            reason=reason,
            would_match=hint.part,
            hint=hint.text,
        )

    @property
    def traces_dropped(self) -> int:
        """Exchanges that are missing from the traces."""
        return 0 if self._tracer is None else self._tracer.dropped

    async def close(self) -> None:
        """Export the remaining traces, for a bounded time."""
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)

    def fault(self, error: BaseException, request_id: str) -> None:
        """Log an unexpected exception."""
        log_fault(self.log, error, request_id)

    def loop_failed(self, name: str, error: BaseException) -> None:
        """A background loop has failed; it starts again after a pause."""
        log_fault(self.log, error, f"background loop {name}")

    def store_changed(self, state: StoreState) -> None:
        """The shared store became unavailable or available again."""
        if state.available:
            self.log.info("store available")
        else:
            self.log.warning("store unavailable", reason=state.reason)

    def secret_event(self, event: SecretEvent, reference: str, why: str) -> None:
        """A secret was asked for again."""
        if event is SecretEvent.KEPT:
            self.log.warning(
                "secret refresh failed, using the last known value", secret=reference, reason=why
            )
        else:
            self.log.info(f"secret {event}", secret=reference)

    def handshake_failed(self, reason: str, words: str) -> None:
        """A caller's TLS handshake failed; `words` say more where its certificate was refused."""
        self.log.info("tls handshake failed", reason=reason, detail=words)

    def issuer_changed(self, name: str, failure: str) -> None:
        """An issuer's keys could not be fetched; an empty `failure` says that they could again."""
        if failure:
            self.log.warning("issuer unavailable", issuer=name, reason=failure)
        else:
            self.log.info("issuer available", issuer=name)

    def stop_changed(self, act: str, stop: Stop, address: str) -> None:
        """An operator stopped or started something."""
        values = {"consumer": stop.consumer, "prefix": stop.prefix, **self._shown(address)}
        self.log.warning(f"operator {act}", **values)

    def stops_not_kept(self, reason: str) -> None:
        """The file of stops cannot be read or written; an empty reason says that it could again."""
        if reason:
            self.log.error("stops not kept", reason=reason)

    def admin_refused(self, address: str) -> None:
        """A caller of the admin port presented a wrong token."""
        self.log.warning("admin token refused", **self._shown(address))

    def outcome_asked(self, outcome: OpenOutcome, address: str) -> None:
        """A person had Twilio asked about an outcome."""
        subject = outcome.subject
        self.log.info(
            "audit",
            action="unknown.resolve",
            **self._shown(address),
            outcome=outcome.id,
            consumer=subject.consumer,
            account=mask_sid(subject.account),
            route=subject.route,
            state=outcome.state,
        )

    def shows_addresses(self) -> bool:
        """Whether those that were recorded before may be shown."""
        return self.records_addresses

    def _shown(self, address: str) -> dict[str, str]:
        return {"address": address} if self.records_addresses else {}

    def key_event(self, event: KeyEvent, account_sid: str, key_label: str) -> None:
        """Count and log an event of a Twilio key."""
        self.metrics.count_key_event(event, key_label)
        write = self.log.info if event is KeyEvent.RESTORED else self.log.warning
        write(_KEY_EVENTS[event], account=mask_sid(account_sid), key=key_label)
