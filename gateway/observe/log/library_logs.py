"""Routes warnings and log messages of Python and its libraries into the structured log, without caller data.

Messages of `logging` appear by their unformatted text and the type of their exception; warnings and uncaught
exceptions by type and place.
"""

import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any, TextIO

from gateway.config.schema.observe_settings import Log
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.structured_log import Logger, open_log

_MAX_TEXT = 120


class LibraryHandler(logging.Handler):
    """Brings the messages of aiohttp, asyncio and others into our shape, without their arguments."""

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; the text is the template, which holds no caller's bytes."""
        values: dict[str, Any] = {"library": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            values["error"] = record.exc_info[0].__name__
        text = str(record.msg).split("\n", 1)[0].partition("<")[0][:_MAX_TEXT].strip()
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(self._log, level)(text or "library message", **values)


def open_routed_log(writer: LineWriter, options: Log) -> Logger:
    """The log that the options ask for, with what libraries say in it."""
    log = open_log(writer, options.level, options.format, options.sample_successes, options.schema_)
    route_libraries(log)
    return log


def route_libraries(log: Logger) -> None:
    """Send all of it to `log` only."""
    root = logging.getLogger()
    root.handlers = [LibraryHandler(log)]
    root.setLevel(logging.WARNING)
    _target[:] = [log]
    warnings.showwarning = _show_warning
    sys.unraisablehook = _show_unraisable
    threading.excepthook = _show_thread


_target: list[Logger] = []
"""The log that the hooks write to. A thread keeps the hook that was there when it was made, and with a log in
that hook it would keep everything that ever belonged to that log."""


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _target[0].warning("python warning", error=category.__name__, where=f"{_short(filename)}:{lineno}")


def _show_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    if _is_server_name(unraisable):
        return
    error, where = unraisable.exc_type.__name__, _where(unraisable.exc_traceback)
    _target[0].error("exception ignored", error=error, where=where)


def _is_server_name(unraisable: "sys.UnraisableHookArgs") -> bool:
    """Whether a caller asked by SNI for a name that is not ASCII: `ssl` reports that here, before any
    callback of ours, and refuses the handshake, which is counted and logged as such (`CALLBACK_FAILED`)."""
    error = unraisable.exc_value
    return isinstance(error, UnicodeDecodeError) and error.object == unraisable.object


def _show_thread(ended_at: threading.ExceptHookArgs) -> None:
    error, where = ended_at.exc_type.__name__, _where(ended_at.exc_traceback)
    _target[0].error("thread failed", error=error, where=where)


def _where(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return f"{_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _short(filename: str) -> str:
    return filename.rpartition("/")[2]
