"""One timer for a connection's whole life, for a moment that is moved far more often than it comes."""

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
        """There is nothing to watch for now."""
        self._due = math.inf

    def stop(self) -> None:
        """Leave no timer behind, and no reference to what was watched. Nothing is watched any more."""
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
    """What a watchdog that was stopped would do."""
