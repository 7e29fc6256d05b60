"""Traces: continues a caller's trace or begins one, and hands finished exchanges to OpenTelemetry.

A thread makes the spans of each exchange's timeline (`spans.py`) and exports them, so that no request waits
for a collector. The packages are optional: nothing here imports them until `open_tracer`. The standard
variables choose exporters and sampler.
"""

import os
import random
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.exchange import Exchange, Trace
from gateway.http.trace_context import TraceContext, build_trace_fields, read_trace_state
from gateway.webhooks.webhook_record import WebhookEvent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from gateway.observe.traces.spans import SpanMaker

_EXPORT_SECONDS = 10.0  # how long an exporter may take
_SERVICE = "twilio-gateway"
_FLUSH_SECONDS = 3.0
_DELAY_MILLISECONDS = 1_000
_MAX_WAITING = 8_192
_BATCH = 128  # exchanges; each is three spans or so, and 512 spans a batch are OpenTelemetry's own default


class Tracer:
    """One per process. `begin` and `finish` are called on the data loop and never wait.

    `dropped` counts exchanges for which there was no room, because a collector was unavailable or slow.
    """

    def __init__(
        self, spans: "SpanMaker", exporters: Sequence["SpanExporter"], *, send_upstream: bool
    ) -> None:
        self.dropped = 0
        self._spans = spans
        self._exporters = exporters
        self._send_upstream = send_upstream
        self._most = _read_number("OTEL_BSP_MAX_QUEUE_SIZE", _MAX_WAITING)
        self._delay_seconds = _read_number("OTEL_BSP_SCHEDULE_DELAY", _DELAY_MILLISECONDS) / 1000
        self._ended: deque[Exchange | tuple[WebhookEvent, Trace]] = deque()
        self._stopping = threading.Event()
        self._given_up = False
        self.loops = BackgroundLoops()
        self._thread = self.loops.start_thread(
            "trace_exporter", self._delay_seconds + _EXPORT_SECONDS, self._run, self._stopping
        )

    def begin(self, context: TraceContext | None) -> Trace:
        """The place of an exchange: below the caller's span, or at the beginning of a trace of our own."""
        span_id = f"{random.getrandbits(64) or 1:016x}"
        if context is None:
            trace_id = f"{random.getrandbits(128) or 1:032x}"
            return Trace(trace_id, "", span_id, self._spans.samples(trace_id, None))
        return Trace(
            context.trace_id, context.parent_id, span_id, self._spans.samples(context.trace_id, context)
        )

    def upstream_fields(self, trace: Trace, states: Sequence[str]) -> bytes:
        """Field lines for Twilio, b'' unless configured; `states` are the caller's `tracestate` fields."""
        if not self._send_upstream:
            return b""
        state = read_trace_state(states) if trace.parent_id else ""
        return build_trace_fields(trace.trace_id, trace.span_id, state, sampled=trace.sampled)

    def finish(self, exchange: Exchange) -> None:
        """An exchange has ended; its spans are made later, elsewhere."""
        if exchange.trace is not None and exchange.trace.sampled:
            self._add(exchange)

    def finish_webhook(self, event: WebhookEvent) -> None:
        """An event of Twilio's has ended: a trace of its own."""
        trace = self.begin(None)
        if trace.sampled:
            self._add((event, trace))

    def _add(self, ended: Exchange | tuple[WebhookEvent, Trace]) -> None:
        if len(self._ended) >= self._most:
            self.dropped += 1
        else:
            self._ended.append(ended)

    def close(self) -> None:
        """Export the remaining exchanges, for a bounded time. Blocks."""
        self._stopping.set()
        self._thread.join(_FLUSH_SECONDS)
        self._given_up = True
        for exporter in self._exporters:
            exporter.shutdown()

    def _run(self, loop: BackgroundLoop) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(self._delay_seconds)
            while self._ended and not self._given_up:
                count = min(_BATCH, len(self._ended))
                batch = [self._ended.popleft() for _ in range(count)]
                spans = [span for ended in batch for span in self._make(ended)]
                for exporter in self._exporters:
                    exporter.export(spans)
            loop.beat()

    def _make(self, ended: Exchange | tuple[WebhookEvent, Trace]) -> "Iterator[ReadableSpan]":
        return self._spans.make(ended) if isinstance(ended, Exchange) else self._spans.make_webhook(*ended)


def open_tracer(version: str, *, send_upstream: bool) -> Tracer | None:
    """A tracer as the `OTEL_*` variables say; None if they switch it off.

    Raises `ImportError` without the packages, `LookupError` for an exporter that is not installed.
    """
    if _is_disabled():
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from gateway.observe.traces.spans import SpanMaker

    attributes = {"service.version": version}
    named_among = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not os.environ.get("OTEL_SERVICE_NAME") and "service.name=" not in named_among:
        attributes["service.name"] = _SERVICE
    exporters = _open_exporters(os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp")
    # The provider is asked only what the variables say; spans are made past it (spans.py).
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    return Tracer(
        SpanMaker(provider.sampler, provider.resource, version), exporters, send_upstream=send_upstream
    )


def require_tracer() -> None:
    """Raise what `open_tracer` would raise; also `ValueError` for a variable that cannot be used."""
    if _is_disabled():
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
    for exporter in _open_exporters(os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"):
        exporter.shutdown()


def _is_disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _open_exporters(names: str) -> list["SpanExporter"]:
    """By their names in OTEL_TRACES_EXPORTER; OTLP is spoken over HTTP unless a variable says grpc."""
    exporters: list[SpanExporter] = []
    for name in (each.strip() for each in names.split(",")):
        if name == "none":
            continue
        if name == "otlp":
            protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
                "OTEL_EXPORTER_OTLP_PROTOCOL", ""
            )
            name = "otlp_proto_grpc" if protocol.strip() == "grpc" else "otlp_proto_http"
        found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
        if not found:
            raise LookupError(name)
        if name == "console":
            exporters.append(_open_console())
        else:
            exporters.append(found[0].load()())
    return exporters


def _open_console() -> "SpanExporter":
    """On standard error: standard output is the log's, and is never to be waited for."""
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    return ConsoleSpanExporter(service_name=_SERVICE, out=sys.stderr)


def _read_number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) else default
