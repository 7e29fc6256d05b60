"""The time of the Redis server, which all replicas share, without a question for every request.

Limits and reports are compared between replicas, and a clock that is 20 s ahead on one of them would have the
others refuse everything. So the server's TIME is taken now and then, and extrapolated by the monotonic clock.
Where the server does not give it (a command list without TIME), the replica's own clock is used.
"""

import time
from collections.abc import Callable

_GOOD_ROUND_TRIP_SECONDS = 0.05
"""The error is up to half of the round trip: a slower answer replaces no good one that it may agree with."""


class ServerClock:
    """`clock` is the replica's own, in seconds since the epoch; `monotonic` never goes back."""

    def __init__(
        self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = clock() - monotonic()
        self._error = 0.0
        self.is_shared = False
        """Whether it shows the server's time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._monotonic() + self._offset

    def moment(self) -> float:
        """Seconds of a clock that never goes back and never jumps."""
        return self._monotonic()

    @property
    def offset(self) -> float:
        """From `moment` to `now`."""
        return self._offset

    @property
    def is_good(self) -> bool:
        """Whether the last answer that counts was quick."""
        return self.is_shared and 2 * self._error <= _GOOD_ROUND_TRIP_SECONDS

    @property
    def ahead_seconds(self) -> float:
        """How far the replica's own clock is ahead of the server's; negative if it is behind."""
        return self._clock() - self.now()

    def set(self, started_at: float, answer: list[bytes]) -> None:
        """Take the answer to TIME, which was asked at the moment `started_at`: seconds since the epoch, and
        microseconds.

        A slow one counts if the server's clock cannot be what it was taken for: it was set, or another
        server has taken its place.
        """
        ended_at = self._monotonic()
        server = int(answer[0]) + int(answer[1]) / 1_000_000
        offset = server - (started_at + ended_at) / 2
        error = (ended_at - started_at) / 2
        is_slow = ended_at - started_at > _GOOD_ROUND_TRIP_SECONDS
        if self.is_shared and is_slow and abs(offset - self._offset) <= error + self._error:
            return
        self._offset = offset
        self._error = error
        self.is_shared = True

    def use_own(self) -> None:
        """The server does not tell its time."""
        self._offset = self._clock() - self._monotonic()
        self.is_shared = False
