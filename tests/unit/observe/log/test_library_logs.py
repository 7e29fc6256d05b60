"""What Python and its libraries say goes to one log, and keeps none that was replaced."""

import gc
import logging
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator

import pytest

from gateway.observe.log.library_logs import route_libraries
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.structured_log import open_log


@pytest.fixture(autouse=True)
def _hooks_come_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = warnings.showwarning, sys.unraisablehook, threading.excepthook
    yield
    root.handlers = handlers
    root.setLevel(level)
    warnings.showwarning, sys.unraisablehook, threading.excepthook = hooks


def test_a_replaced_log_is_freed() -> None:
    """Also by a thread that was made meanwhile, which keeps the hook of its time."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    writers = [LineWriter(descriptor) for _ in range(2)]
    first = weakref.ref(writers[0])
    route_libraries(open_log(writers[0], "info", "json"))
    thread = threading.Thread(target=gc.collect)
    route_libraries(open_log(writers[1], "info", "json"))
    writers.pop(0).close()
    gc.collect()
    assert first() is None
    thread.start()
    thread.join()
    writers[0].close()
    os.close(descriptor)
