"""The spans of a finished exchange or webhook event: itself and its steps, as its timeline has them.

Names and attributes follow OpenTelemetry's HTTP conventions, beside ours that begin with `gateway.` and
`twilio.`; by allow-list, as in the log: no path beyond the route's template, no query, no secret.
Needs the optional packages; only `tracer.py` imports it.
"""

import random
from collections.abc import Iterator

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from gateway.exchange import UNKNOWN_SDK, Ending, Exchange, Phase, PhaseKind, Trace
from gateway.http.trace_context import TraceContext
from gateway.webhooks.webhook_record import WebhookEvent, WebhookOutcome

Attributes = dict[str, str | int | float | bool]

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)
_UNSET = Status(StatusCode.UNSET)
_FAILED = Status(StatusCode.ERROR)
_RECORDED = Decision.RECORD_AND_SAMPLE
_WAITS = {
    PhaseKind.LIMIT: "rate limit wait",
    PhaseKind.QUEUE: "queue wait",
    PhaseKind.BACKOFF: "backoff",
    PhaseKind.LOOK: "outcome look",
}
_WEBHOOK_FAILURES = frozenset(
    {WebhookOutcome.FALLBACK, WebhookOutcome.UNANSWERED, WebhookOutcome.BUSY, WebhookOutcome.FAILED}
)


class SpanMaker:
    """Made once; `samples` is called on the data loop, `make` on the exporter's thread."""

    def __init__(self, sampler: Sampler, resource: Resource, version: str) -> None:
        self._sampler = sampler
        self._resource = resource
        self._scope = InstrumentationScope("gateway", version)

    def samples(self, trace_id: str, caller: TraceContext | None) -> bool:
        """Whether a trace is recorded, by the configured sampler and what the caller decided."""
        context = Context()
        if caller is not None:
            flags = _SAMPLED if caller.sampled else _NOT_SAMPLED
            parent = SpanContext(
                int(trace_id, 16), int(caller.parent_id, 16), is_remote=True, trace_flags=flags
            )
            context = set_span_in_context(NonRecordingSpan(parent), context)
        return self._sampler.should_sample(context, int(trace_id, 16), "exchange").decision is _RECORDED

    def make(self, exchange: Exchange) -> Iterator[ReadableSpan]:
        """One span for the exchange and one for each step, none of which begins before or ends after it."""
        trace = exchange.trace
        assert trace is not None
        trace_id = int(trace.trace_id, 16)
        own = SpanContext(trace_id, int(trace.span_id, 16), is_remote=False, trace_flags=_SAMPLED)
        parent = None
        if trace.parent_id:
            parent = SpanContext(trace_id, int(trace.parent_id, 16), is_remote=True, trace_flags=_SAMPLED)
        attributes = _exchange_attributes(exchange)
        yield self._span(
            exchange, own, parent, attributes, SpanKind.SERVER, exchange.started_at, exchange.ended_at
        )
        attempts = 0
        for step in exchange.steps:
            span_id = random.getrandbits(64) or 1
            context = SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)
            ended_at = step.started_at + step.seconds
            if step.kind is PhaseKind.ATTEMPT:
                attributes = _attempt_attributes(exchange, step, attempts)
                attempts += 1
                yield self._span(
                    exchange, context, own, attributes, SpanKind.CLIENT, step.started_at, ended_at
                )
            else:
                wait = _WAITS[step.kind]
                yield self._span(
                    exchange, context, own, {}, SpanKind.INTERNAL, step.started_at, ended_at, wait
                )

    def make_webhook(self, event: WebhookEvent, trace: Trace) -> Iterator[ReadableSpan]:
        """One span for the event, which begins a trace: Twilio sends none; and one for each step."""
        trace_id = int(trace.trace_id, 16)
        own = SpanContext(trace_id, int(trace.span_id, 16), is_remote=False, trace_flags=_SAMPLED)
        attributes = _webhook_attributes(event)
        yield self._span(event, own, None, attributes, SpanKind.SERVER, event.started_at, event.ended_at)
        for step in event.steps:
            context = SpanContext(
                trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED
            )
            kind = SpanKind.CLIENT if step.kind == "service" else SpanKind.INTERNAL
            yield self._span(
                event, context, own, {}, kind, step.started_at, step.started_at + step.seconds, step.kind
            )

    def _span(
        self,
        record: Exchange | WebhookEvent,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Attributes,
        kind: SpanKind,
        started_at: float,
        ended_at: float,
        name: str = "",
    ) -> ReadableSpan:
        # Not by `Tracer.start_span`, which takes 13 times as long and chooses the ids itself.
        return ReadableSpan(
            name or _name_of(record),
            context,
            parent,
            self._resource,
            attributes,
            kind=kind,
            status=_FAILED if "error.type" in attributes else _UNSET,
            start_time=_epoch_nanoseconds(record, started_at),
            end_time=_epoch_nanoseconds(record, min(ended_at, record.ended_at)),  # a wait may be broken off
            instrumentation_scope=self._scope,
        )


def _name_of(record: Exchange | WebhookEvent) -> str:
    label = record.label if isinstance(record, Exchange) else record.route
    return f"{record.method or 'HTTP'} {label}".rstrip()


def _epoch_nanoseconds(record: Exchange | WebhookEvent, moment: float) -> int:
    """A moment on the record's clock as the wall clock has it."""
    return round(record.ended_at_epoch * 1e9) - round((record.ended_at - moment) * 1e9)


def _webhook_attributes(event: WebhookEvent) -> Attributes:
    """`error.type` is of failures: to refuse what is not Twilio's is none."""
    attributes: Attributes = {
        "http.request.method": event.method or "_OTHER",
        "http.route": event.route,
        "http.response.status_code": event.status,
        "error.type": str(event.outcome) if event.outcome in _WEBHOOK_FAILURES else "",
        "gateway.request_id": event.request_id,
        "gateway.account": event.account,
        "gateway.attempts": event.attempts,
        "gateway.outcome": str(event.outcome),
        "gateway.reason": event.reason,
        "gateway.would_refuse": event.would_refuse,
        "gateway.resource_sid": event.sid,
    }
    return {name: value for name, value in attributes.items() if value}


def _exchange_attributes(exchange: Exchange) -> Attributes:
    attributes: Attributes = {
        "http.request.method": exchange.method or "_OTHER",
        "http.route": exchange.label,
        "http.response.status_code": exchange.status,
        "error.type": _error_of(exchange),
        "gateway.request_id": exchange.request_id,
        "gateway.consumer": exchange.consumer,
        "gateway.product": exchange.product,
        "gateway.credential": exchange.credential,
        "gateway.account": exchange.account,
        "gateway.attempts": exchange.attempts,
        "gateway.error": exchange.slug,
        "gateway.would_refuse": exchange.reported,
        "gateway.outcome": exchange.told_outcome,
        "gateway.key": exchange.key,
        "gateway.consumer_key": exchange.consumer_key,
        "gateway.rule": exchange.rule,
        "gateway.limit": exchange.limit,
        "gateway.resource_sid": exchange.resource_sid,
        "gateway.created_sid": exchange.created_sid,
        "gateway.sdk": exchange.sdk if exchange.sdk != UNKNOWN_SDK else "",
        "client.address": exchange.address,
        "gateway.ending": "" if exchange.ending is Ending.ANSWERED else str(exchange.ending),
        "twilio.error_code": exchange.twilio_code,
        "twilio.request_id": exchange.twilio_request_id,
    }
    return {name: value for name, value in attributes.items() if value}


def _error_of(exchange: Exchange) -> str:
    """What OpenTelemetry calls `error.type`: of a server's span, its own failures only."""
    if exchange.slug:
        return exchange.slug if exchange.status >= 500 else ""
    if exchange.ending is Ending.ABORTED:
        return str(exchange.ending)
    return str(exchange.status) if exchange.status >= 500 else ""


def _attempt_attributes(exchange: Exchange, step: Phase, before: int) -> Attributes:
    error = step.failed
    if not error and step.status == 0:
        error = "given_up"
    elif step.status >= 400:
        error = str(step.status)
    attributes: Attributes = {
        "http.request.method": exchange.method,
        "url.template": exchange.label,
        "http.request.resend_count": before,
        "http.response.status_code": step.status,
        "error.type": error,
        "gateway.product": exchange.product,
        "gateway.key": step.key,
        "gateway.then": step.then,
        "twilio.error_code": step.code,
    }
    return {name: value for name, value in attributes.items() if value}
