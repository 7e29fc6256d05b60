"""Lets a thread with much to compute hold the interpreter in short turns only, so that the data loop runs.

A thread that computes without a pause loses the processor while it holds the interpreter's lock, and the data
loop waits for it to be scheduled again: 50 ms and more on a loaded machine. One that sleeps often is seldom
interrupted by the system's scheduler (docs/performance.md).
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TURN_SECONDS: Final = 0.002
_PAUSE_SECONDS: Final = 0.0005
_SWITCH_SECONDS: Final = 0.0002


class _ShortTurn(threading.local):
    """When this thread's turn ends; None while it may compute as long as it likes."""

    ends: float | None = None


class _SwitchInterval:
    """Lowered while any thread takes short turns: several may, and end in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if self._threads == 0:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(self._usual, _SWITCH_SECONDS))
            self._threads += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads == 0:
                sys.setswitchinterval(self._usual)


_turn = _ShortTurn()
_switch_interval = _SwitchInterval()


def breathe() -> None:
    """Between two pieces of work: pause if the turn is over. Nothing happens outside `short_turns`."""
    if _turn.ends is not None and time.perf_counter() >= _turn.ends:
        time.sleep(_PAUSE_SECONDS)
        _turn.ends = time.perf_counter() + _TURN_SECONDS


@contextmanager
def short_turns() -> Iterator[None]:
    """Have `breathe` pause on this thread. Threads that ask for the interpreter's lock get it sooner, too:
    a turn of the loop waits 0.4 ms for a thread that never pauses, instead of 1.2."""
    with _switch_interval:
        before, _turn.ends = _turn.ends, time.perf_counter() + _TURN_SECONDS
        try:
            yield
        finally:
            _turn.ends = before
