"""The log line of an exchange: its level and its fields (docs/design.md 4.9)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from gateway.exchange import Ending, Exchange

_ANSWERED: Final = Ending.ANSWERED  # looked up once: an enumeration's members are slow to get at


LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_dumps: Final = orjson.dumps
_NEWLINE: Final = orjson.OPT_APPEND_NEWLINE


class JsonLines:
    """Writes the line of each exchange from level `least` up in JSON, by the names of `values_of`.

    What structlog's chain writes, byte for byte; but the time is that of the exchange's end, and its text is
    made once a second up to the fraction: `orjson` takes a third of a line's cost for a `datetime`.
    """

    def __init__(self, least: int, write: Callable[[bytes], None]) -> None:
        self._least = least
        self._write = write
        self._second = -1
        self._text = ""

    def write(self, exchange: Exchange) -> None:
        """Write its line."""
        level = level_of(exchange)
        if LEVELS[level] < self._least:
            return
        values = values_of(exchange)
        values["event"] = "exchange"
        values["level"] = level
        at = exchange.ended_at_epoch
        second = int(at)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        values["timestamp"] = self._text + str(1_000_000 + int((at - second) * 1e6))[1:] + "Z"
        self._write(_dumps(values, option=_NEWLINE))


def level_of(exchange: Exchange) -> str:
    """Failures and refusals are warnings, our own faults errors, the rest is `info`."""
    if exchange.slug == "internal_error":
        return "error"
    if exchange.status >= 400 or exchange.ending is not _ANSWERED or exchange.reported:
        return "warning"
    return "info"


def values_of(exchange: Exchange) -> dict[str, Any]:
    """Fields by name, in the order in which they are written."""
    seconds = exchange.ended_at - exchange.started_at
    upstream, queued = exchange.upstream_seconds, exchange.queued_seconds
    own = seconds - upstream - queued - exchange.backoff_seconds - exchange.caller_seconds
    values: dict[str, Any] = {
        "request_id": exchange.request_id,
        "consumer": exchange.consumer,
        "sdk": exchange.sdk,
        "method": exchange.method,
        "product": exchange.product,
        "route": exchange.label,
        "status": exchange.status,
        # Whole microseconds, in a third of what `round` takes.
        "seconds": int(seconds * 1e6 + 0.5) / 1e6,
        "upstream_seconds": int(upstream * 1e6 + 0.5) / 1e6,
        "queue_seconds": int(queued * 1e6 + 0.5) / 1e6,
        "overhead_seconds": int(own * 1e6 + 0.5) / 1e6 if own > 0.0 else 0.0,
        "attempts": exchange.attempts,
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
    }
    if account := exchange.account:
        values["account"] = account
    if credential := exchange.credential:
        values["credential"] = credential
    if key := exchange.key:
        values["key"] = key
    if consumer_key := exchange.consumer_key:
        values["consumer_key"] = consumer_key
    if exchange.former_consumer:
        values["former_consumer"] = exchange.former_consumer
    if address := exchange.address:
        values["address"] = address
    if rule := exchange.rule:
        values["rule"] = rule
    if exchange.limit:
        values["limit"] = exchange.limit
    if resource_sid := exchange.resource_sid:
        values["resource_sid"] = resource_sid
    if created_sid := exchange.created_sid:
        values["created_sid"] = created_sid
    if twilio_request_id := exchange.twilio_request_id:
        values["twilio_request_id"] = twilio_request_id
    if exchange.trace is not None:
        values["trace_id"] = exchange.trace.trace_id
        if exchange.trace.span_id:
            values["span_id"] = exchange.trace.span_id
    _add_outcome(exchange, values)
    return values


def _add_outcome(exchange: Exchange, values: dict[str, Any]) -> None:
    """What most exchanges lack: errors, retries, and how they ended."""
    if exchange.slug:
        values["gateway_error"] = exchange.slug
    if exchange.reason:
        values["unreachable"] = exchange.reason
    if exchange.twilio_code:
        values["twilio_code"] = exchange.twilio_code
    if exchange.reported:
        values["would_refuse"] = exchange.reported
    if exchange.backoff_seconds:
        values["backoff_seconds"] = round(exchange.backoff_seconds, 6)
    if exchange.signals:
        values["signals"] = exchange.signals
    if exchange.retries:
        values["retries"] = exchange.retries
    if exchange.failovers:
        values["key_failovers"] = exchange.failovers
    if exchange.outcome:
        values["outcome"] = exchange.outcome
    elif exchange.unknown:
        values["outcome"] = "unknown"
    if exchange.ending is not _ANSWERED:
        values["ending"] = exchange.ending
