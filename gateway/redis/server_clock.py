"""The time of the Redis server, which all replicas share, without a question for every request.

Limits and reports are compared between replicas, and a clock that is 20 s ahead on one of them would have the
others refuse everything. So the server's TIME is taken now and then, and extrapolated by the monotonic clock.
Where the server does not give it (a command list without TIME), the replica's own clock is used.
"""

import time
from collections.abc import Callable

_MAX_ROUND_TRIP_SECONDS = 0.05
"""The error is up to half of the round trip: a slower answer does not replace a good one."""


class ServerClock:
    """`clock` is the replica's own, in seconds since the epoch; `monotonic` never goes back."""

    def __init__(
        self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = clock() - monotonic()
        self.is_shared = False
        """Whether it shows the server's time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._monotonic() + self._offset

    @property
    def ahead_seconds(self) -> float:
        """How far the replica's own clock is ahead of the server's; negative if it is behind."""
        return self._clock() - self.now()

    def start(self) -> float:
        """To be called before the question, and its result handed to `set`."""
        return self._monotonic()

    def set(self, started_at: float, answer: list[bytes]) -> None:
        """Take the answer to TIME: seconds since the epoch, and microseconds."""
        ended_at = self._monotonic()
        if self.is_shared and ended_at - started_at > _MAX_ROUND_TRIP_SECONDS:
            return
        server = int(answer[0]) + int(answer[1]) / 1_000_000
        self._offset = server - (started_at + ended_at) / 2
        self.is_shared = True

    def use_own(self) -> None:
        """The server does not tell its time."""
        self._offset = self._clock() - self._monotonic()
        self.is_shared = False
