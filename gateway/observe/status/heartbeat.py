"""Heartbeat of the data loop. Probes are answered on another thread, which cannot notice that it is stuck.

Only measures; `/livez` decides how long a silence is too long.
"""

import asyncio
import time

_BEAT_SECONDS = 1.0


class Heartbeat:
    """Beats once a second on one loop; read from any thread."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._next: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat now and every second, until `close`."""
        self._at = time.monotonic()
        self._next = loop.call_later(_BEAT_SECONDS, self.start, loop)

    def close(self) -> None:
        """Stop the heartbeat."""
        if self._next is not None:
            self._next.cancel()

    def silent_seconds(self) -> float:
        """Since the last beat."""
        return time.monotonic() - self._at
