"""Calls that come when they are due to a few microseconds, by Linux's timerfd_create(2).

The event loops' own timers count whole milliseconds: what a proxy adds to the way there would vanish in the
rest of a millisecond, or count as a whole one.
"""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import Final

_MONOTONIC: Final = 1  # CLOCK_MONOTONIC, which time.monotonic() is
_NONBLOCK: Final = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE: Final = 1  # TFD_TIMER_ABSTIME


class _Times(ctypes.Structure):
    """`struct itimerspec`: no interval, and the moment."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class PreciseTimer:
    """Calls functions when they are due."""

    def __init__(self) -> None:
        """Inside the running loop, for the life of the process."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer: int = self._libc.timerfd_create(_MONOTONIC, _NONBLOCK)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        asyncio.get_running_loop().add_reader(self._timer, self._fire)

    def call_later(self, seconds: float, what: Callable[[], None]) -> None:
        """Call it in so many seconds; of those due at one moment, the one that was handed over first."""
        due = time.monotonic_ns() + int(seconds * 1e9)
        heappush(self._waiting, (due, next(self._order), what))
        if self._waiting[0][2] is what:
            self._set(due)

    def _fire(self) -> None:
        with suppress(BlockingIOError):  # set anew for an earlier call, after it had expired
            os.read(self._timer, 8)
        waiting = self._waiting
        while waiting and waiting[0][0] <= time.monotonic_ns():
            heappop(waiting)[2]()
        if waiting:
            self._set(waiting[0][0])

    def _set(self, due: int) -> None:
        times = _Times(0, 0, *divmod(due, 1_000_000_000))
        if self._libc.timerfd_settime(self._timer, _ABSOLUTE, ctypes.byref(times), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")
