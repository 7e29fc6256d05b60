"""One timer for a connection's whole life, whose deadline is moved far more often than it passes."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

_SLACK_SECONDS: Final = 0.001  # uvloop's timers count whole milliseconds, and may be early by half of one


class Watchdog:
    """Calls `on_due` once `due` has come (the loop's clock). Moving `due` further away costs nothing."""

    __slots__ = ("_due", "_loop", "_on_due", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], None]) -> None:
        self._loop = loop
        self._on_due = on_due
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def watch(self, due: float) -> None:
        """Call at `due`, instead of when it was asked for before."""
        self._due = due
        timer = self._timer
        if timer is None or self._timer_at > due:
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(due, self._look)
            self._timer_at = due

    def rest(self) -> None:
        """Remove the deadline."""
        self._due = math.inf

    def stop(self) -> None:
        """Cancel the timer, and drop the reference to what was watched."""
        self._due = math.inf
        self._on_due = _nothing
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        if self._loop.time() + _SLACK_SECONDS < self._due:
            self.watch(self._due)
        else:
            self._due = math.inf
            self._on_due()


def _nothing() -> None:
    """The callback of a stopped watchdog."""
