"""One place that is told of everything: log, metrics, page and traces are fed from the same record."""

import asyncio

from multidict import CIMultiDictProxy, istr

from gateway.consumers.credentials import mask_sid
from gateway.exchange import Exchange, Trace
from gateway.http.trace_context import read_trace_context
from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.log.structured_log import Logger, log_exchange, log_fault
from gateway.observe.metrics.registry import Metrics
from gateway.observe.traces.tracer import Tracer
from gateway.redis.availability import StoreState

_TRACEPARENT, _TRACESTATE = istr("traceparent"), istr("tracestate")


class Observers:
    """Told of finished exchanges, faults and events of keys."""

    def __init__(self, log: Logger, metrics: Metrics, feed: ExchangeQueue, tracer: Tracer | None) -> None:
        self.log = log
        self.metrics = metrics
        self._feed = feed
        self._tracer = tracer

    def begin_trace(self, headers: CIMultiDictProxy[str]) -> Trace | None:
        """An exchange's place in a trace: the caller's, even while tracing is off; else ours, if on."""
        context = read_trace_context(headers.getall(_TRACEPARENT)) if _TRACEPARENT in headers else None
        if self._tracer is not None:
            return self._tracer.begin(context)
        return None if context is None else Trace(context.trace_id, context.parent_id)

    def upstream_trace(self, trace: Trace | None, headers: CIMultiDictProxy[str]) -> bytes:
        """Field lines for Twilio; none unless configured."""
        if trace is None or self._tracer is None:
            return b""
        return self._tracer.upstream_fields(trace, headers.getall(_TRACESTATE, ()))

    def finish(self, exchange: Exchange) -> None:
        """An exchange has ended."""
        self.metrics.observe(exchange)
        log_exchange(self.log, exchange)
        self._feed.put(exchange)
        if self._tracer is not None:
            self._tracer.finish(exchange)

    @property
    def traces_dropped(self) -> int:
        """How many exchanges are missing in the traces."""
        return 0 if self._tracer is None else self._tracer.dropped

    async def close(self) -> None:
        """Export what is left of the traces, for a moment at most."""
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)

    def fault(self, error: BaseException, request_id: str) -> None:
        """An exception that nobody foresaw."""
        log_fault(self.log, error, request_id)

    def store_changed(self, state: StoreState) -> None:
        """The shared store went away or came back."""
        if state.available:
            self.log.info("store is back")
        else:
            self.log.warning("store is away", reason=state.reason)

    def secret_event(self, event: str, reference: str, why: str) -> None:
        """A secret store gave another value (`rotated`), is away (`kept`), or is back (`confirmed`)."""
        if event == "kept":
            self.log.warning(
                "secret not confirmed, the last good value is in use", secret=reference, reason=why
            )
        else:
            self.log.info("secret " + event, secret=reference)

    def handshake_failed(self, reason: str, words: str) -> None:
        """A caller's TLS handshake failed; `words` say more where its certificate was refused."""
        self.log.info("tls handshake failed", reason=reason, detail=words)

    def issuer_changed(self, name: str, failure: str) -> None:
        """An issuer's keys could not be fetched ('': they could again)."""
        if failure:
            self.log.warning("issuer is away", issuer=name, reason=failure)
        else:
            self.log.info("issuer is back", issuer=name)

    def admin_refused(self, address: str) -> None:
        """Somebody showed the admin port a wrong token."""
        self.log.warning("admin token refused", address=address)

    def key_event(self, event: str, account_sid: str, key_label: str) -> None:
        """A Twilio key was refused, put aside or restored."""
        self.metrics.count_key_event(event, key_label)
        write = self.log.info if event == "restored" else self.log.warning
        write("credential key " + event.replace("_", " "), account=mask_sid(account_sid), key=key_label)
