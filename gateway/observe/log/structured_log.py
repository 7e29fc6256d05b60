"""Structured logs: one line per exchange and one per event, by allow-list (docs/design.md 1, 4.9).

Bodies, header values, queries, phone numbers and secrets cannot enter: only the fields named here are
written. `console.py` formats lines for people, `library_logs.py` routes what libraries log.
"""

import os
import sys
import traceback
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import structlog

from gateway.exchange import Exchange
from gateway.observe.log.console import ConsoleLines
from gateway.observe.log.exchange_line import LEVELS, JsonLines, level_of, values_of
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.log_schema import SCHEMAS, Rename

Logger = structlog.typing.FilteringBoundLogger

_Render = Callable[[Any, str, structlog.typing.EventDict], bytes]


class _LineLogger:
    """What structlog calls at the end of its chain."""

    def __init__(self, writer: LineWriter) -> None:
        self.write = writer.write

    def msg(self, line: bytes) -> None:
        self.write(line + b"\n")

    debug = info = warning = error = critical = exception = msg


class _Lines:
    """Mixed into structlog's logger: a short cut past its chain for the line of an exchange, which is what
    `log.<level>("exchange", **values)` writes, byte for byte (`exchange_writer`).

    `share` of plain successes is written, from 0 to 1.
    """

    least: int
    share: float
    render: _Render
    _logger: _LineLogger


def open_log(
    writer: LineWriter, level: str, style: str, sample_successes: float = 1.0, schema: str = "plain"
) -> Logger:
    """A logger that writes JSON lines, or coloured ones on a terminal (`style`: auto, json, console).

    `schema` names the fields of JSON lines: plain, ecs or gcp.
    """
    rename = SCHEMAS.get(schema)
    render: _Render = _render_json if rename is None else _Renamed(rename)
    if style == "console" or (style == "auto" and sys.stdout.isatty()):
        render = ConsoleLines(colours=not os.environ.get("NO_COLOR"))  # https://no-color.org
    writer.describe_drops = lambda total: (
        render(None, "warning", {"event": "log lines dropped", "total": total}) + b"\n"
    )
    members = {"least": LEVELS[level], "share": sample_successes, "render": staticmethod(render)}
    wrapper = type("LineLogger", (_Lines, structlog.make_filtering_bound_logger(LEVELS[level])), members)
    logger: Logger = structlog.wrap_logger(
        _LineLogger(writer),
        processors=[render],
        wrapper_class=wrapper,
    )
    return logger.bind()  # not the proxy, which would look for its logger at each line


def _render_json(_: Any, level: str, event: structlog.typing.EventDict) -> bytes:
    """What three processors of structlog's make, in one: half of what a line costs (docs/performance.md)."""
    event["level"] = level
    event["timestamp"] = datetime.now(UTC)
    return orjson.dumps(event, option=orjson.OPT_UTC_Z)


class _Renamed:
    """The same by the names that a collector expects."""

    def __init__(self, rename: Rename) -> None:
        self.rename = rename

    def __call__(self, _: Any, level: str, event: structlog.typing.EventDict) -> bytes:
        line = {**event, "level": level, "timestamp": datetime.now(UTC)}
        return orjson.dumps(self.rename(line), option=orjson.OPT_UTC_Z)


def log_exchange(log: Logger, exchange: Exchange) -> None:
    """The one line of an exchange. Failures and refusals are warnings, our own faults errors."""
    if isinstance(log, _Lines):
        exchange_writer(log)(exchange)
    else:
        getattr(log, level_of(exchange))("exchange", **values_of(exchange))


def exchange_writer(log: Logger) -> Callable[[Exchange], None]:
    """`log_exchange` of this logger, with all that is the same for each exchange looked up once."""
    if not isinstance(log, _Lines):
        return partial(log_exchange, log)
    least, share, render, write = log.least, log.share, log.render, log._logger.write
    if render is _render_json and share >= 1.0:
        return JsonLines(least, write).write

    def write_exchange(exchange: Exchange) -> None:
        level = level_of(exchange)
        if LEVELS[level] < least:
            return
        values = values_of(exchange)
        if share < 1.0 and level == "info" and exchange.attempts <= 1 and not exchange.unknown:
            if not is_sampled(exchange.request_id, share):
                return
            values["sample_rate"] = share
        values["event"] = "exchange"
        write(render(None, level, values) + b"\n")

    return write_exchange


def is_sampled(request_id: str, share: float) -> bool:
    """Whether a plain success is written: the same everywhere for the same request id."""
    return zlib.crc32(request_id.encode()) < share * 0x1_0000_0000


def log_fault(log: Logger, error: BaseException, request_id: str) -> None:
    """An unforeseen exception: its type and place, but not its text, which may quote a caller."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("internal error", request_id=request_id, error=type(error).__name__, where=where[-12:])
