"""What a gateway takes over of its process, given back when the last one within a test ends."""

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_open: list[object] = []
_give_back: list[Callable[[], None]] = []


@contextmanager
def kept_hooks() -> Iterator[None]:
    """Python's hooks and the root logger are afterwards as before; of several that overlap, after the last.

    `route_libraries` sets them for the life of a process. Without this, what pytest watches for (exceptions
    in finalizers, unclosed sockets) would go to the log of a gateway that has ended, for all later tests.
    """
    if not _open:
        _give_back.append(_remember())
    token = object()
    _open.append(token)
    try:
        yield
    finally:
        _open.remove(token)
        if not _open:
            _give_back.pop()()


def _remember() -> Callable[[], None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = warnings.showwarning, sys.unraisablehook, threading.excepthook

    def give_back() -> None:
        root.handlers = handlers
        root.setLevel(level)
        warnings.showwarning, sys.unraisablehook, threading.excepthook = hooks

    return give_back
