"""Structured logs: one line per exchange and one per event, by allow-list (design 1, 4.9).

No body, header value, query, phone number or secret has a way in: only the fields named here are written.
Messages of libraries appear by their unformatted text and the type of their exception.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from gateway.exchange import Ending, Exchange
from gateway.observe.lines import LineWriter

Logger = structlog.typing.FilteringBoundLogger

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _LineLogger:
    """What structlog calls at the end of its chain."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def msg(self, line: str | bytes) -> None:
        data = line if isinstance(line, bytes) else line.encode()
        self._writer.write(data + b"\n")

    debug = info = warning = error = critical = exception = msg


class _JsonLines:
    """Mixed into structlog's logger: a way past its chain for an exchange's line, as most lines are."""

    least: int
    _logger: _LineLogger

    def write_exchange(self, level: str, values: dict[str, Any]) -> None:
        """Write what `log.<level>("exchange", **values)` would, byte for byte (docs/performance.md)."""
        if _LEVELS[level] >= self.least:
            values["event"] = "exchange"
            self._logger.msg(_render_json(None, level, values))


def open_log(writer: LineWriter, level: str, style: str) -> Logger:
    """A logger that writes JSON lines, or coloured ones on a terminal (`style`: auto, json, console)."""
    console = style == "console" or (style == "auto" and sys.stdout.isatty())
    processors: list[structlog.typing.Processor] = [_render_json]
    wrapper: type[Logger] = structlog.make_filtering_bound_logger(_LEVELS[level])
    if not console:
        wrapper = type("JsonLogger", (_JsonLines, wrapper), {"least": _LEVELS[level]})
    else:
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(),
        ]
    logger: Logger = structlog.wrap_logger(
        _LineLogger(writer),
        processors=processors,
        wrapper_class=wrapper,
    )
    return logger.bind()  # not the proxy, which would look for its logger at each line


def _render_json(_: Any, level: str, event: structlog.typing.EventDict) -> bytes:
    """What three processors of structlog's make, in one: half of what a line costs (docs/performance.md)."""
    event["level"] = level
    event["timestamp"] = datetime.now(UTC)
    return orjson.dumps(event, option=orjson.OPT_UTC_Z)


def log_exchange(log: Logger, exchange: Exchange) -> None:
    """The one line of an exchange. Failures and refusals are warnings, our own faults errors."""
    values: dict[str, Any] = {
        "request_id": exchange.request_id,
        "consumer": exchange.consumer,
        "method": exchange.method,
        "product": exchange.product,
        "route": exchange.label,
        "status": exchange.status,
        "seconds": round(exchange.seconds, 6),
        "upstream_seconds": round(exchange.upstream_seconds, 6),
        "queue_seconds": round(exchange.queued_seconds, 6),
        "overhead_seconds": round(exchange.overhead_seconds, 6),
        "attempts": exchange.attempts,
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
    }
    if exchange.account:
        values["account"] = exchange.account
    if exchange.slug:
        values["gateway_error"] = exchange.slug
    if exchange.twilio_code:
        values["twilio_code"] = exchange.twilio_code
    if exchange.twilio_request_id:
        values["twilio_request_id"] = exchange.twilio_request_id
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
    if exchange.unknown:
        values["outcome"] = "unknown"
    if exchange.ending is not Ending.ANSWERED:
        values["ending"] = exchange.ending
    level = "info"
    if exchange.slug == "internal_error":
        level = "error"
    elif exchange.status >= 400 or exchange.ending is not Ending.ANSWERED or exchange.reported:
        level = "warning"
    if isinstance(log, _JsonLines):
        log.write_exchange(level, values)
    else:
        getattr(log, level)("exchange", **values)


def log_fault(log: Logger, error: BaseException, request_id: str) -> None:
    """An unforeseen exception: its type and place, but not its text, which may quote a caller."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("internal error", request_id=request_id, error=type(error).__name__, where=where[-12:])


class LibraryHandler(logging.Handler):
    """Brings the messages of aiohttp and asyncio into our shape, without their arguments."""

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; the text is the template, which holds no caller's bytes."""
        values: dict[str, Any] = {"library": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            values["error"] = record.exc_info[0].__name__
        text = str(record.msg).split("\n", 1)[0].partition("<")[0][:120].strip()
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(self._log, level)(text or "library message", **values)


def route_libraries(log: Logger) -> None:
    """Send what libraries log to our log only."""
    root = logging.getLogger()
    root.handlers = [LibraryHandler(log)]
    root.setLevel(logging.WARNING)
