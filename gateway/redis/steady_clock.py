"""The time of the Redis server as seconds that pass: it is set right slowly, where `ServerClock` jumps.

What is open counts seconds since its attempt, of which only two are to spare (`look_verdict.py`). A server's
time that was first taken while a machine stood still is wrong by seconds, and would be set right in between.
"""

from typing import Final

from gateway.redis.server_clock import ServerClock

_RATE: Final = 0.1
"""Ten seconds of it last from nine to eleven."""
_SET_SECONDS: Final = 10.0
"""The server's clock was set, or another server has taken its place: that is followed at once."""


class SteadyClock:
    """Follows `clock`, which says what the server's time is."""

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._offset = clock.offset
        self._at = clock.moment()
        self._was_shared = clock.is_shared  # before, it shows the time of this replica alone

    def now(self) -> float:
        """Seconds since the epoch."""
        clock = self._clock
        moment, offset = clock.moment(), clock.offset
        difference = offset - self._offset
        if difference:
            if abs(difference) > _SET_SECONDS or (clock.is_shared and not self._was_shared):
                self._offset, self._was_shared = offset, self._was_shared or clock.is_shared
            else:
                most = _RATE * (moment - self._at)
                self._offset += max(-most, min(most, difference))
        self._at = moment
        return moment + self._offset
