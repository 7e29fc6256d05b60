"""The one timer of a connection: it looks at a deadline when it fires, because most deadlines move before."""

import asyncio
from collections.abc import Callable
from typing import Final

_NEVER: Final = float("inf")
_FIRST_LOOK_SECONDS: Final = 10.0
"""When a new timer fires first, at the latest: what follows a connection's first deadline is mostly sooner (a
tunnel's handshake, a head that comes in pieces), and would need a second timer."""
_SLACK_SECONDS: Final = 0.001
"""uvloop's timers count whole milliseconds; a deadline that is computed twice differs in the last digits."""


class ConnectionTimer:
    """Calls one function once its deadline has passed; setting another deadline replaces the first."""

    __slots__ = ("_deadline", "_fires_at", "_handle", "_loop", "on_late")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_late: Callable[[], object]) -> None:
        self._loop = loop
        self._deadline = _NEVER
        self._fires_at = _NEVER
        self._handle: asyncio.TimerHandle | None = None
        self.on_late = on_late

    def set(self, seconds: float, on_late: Callable[[], object]) -> None:
        """Call `on_late` after `seconds`, unless `set` or `clear` is called before."""
        self.on_late = on_late
        now = self._loop.time()
        self._deadline = deadline = now + seconds
        if deadline < self._fires_at - _SLACK_SECONDS:
            if self._handle is None:
                self._fire_at(min(deadline, now + _FIRST_LOOK_SECONDS))
            else:
                self._handle.cancel()
                self._fire_at(deadline)

    def clear(self) -> None:
        """Remove the deadline."""
        self._deadline = _NEVER

    def close(self) -> None:
        """Never fire again, and drop all references."""
        self._deadline = _NEVER
        self.on_late = _nothing
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire_at(self, moment: float) -> None:
        self._fires_at = moment
        self._handle = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._handle = None
        self._fires_at = _NEVER
        if self._deadline is _NEVER:
            return
        if self._loop.time() < self._deadline:
            self._fire_at(self._deadline)
        else:
            self._deadline = _NEVER
            self.on_late()


def _nothing() -> None:
    """The callback of a closed timer."""
