"""When a shared store counts as unavailable: the state that callers, `/readyz` and metrics see.

Pure: answers and failures are reported to it, and its only clock is the one it is given.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

_STEADY_SECONDS: Final = 60.0
MAX_PAUSE_SECONDS: Final = 30.0
STORE_ADVICE: Final = (
    "check that Redis runs, can be reached from here and takes writes (the log has the reason)"
)
"""For operators, wherever the page says that the store is away: the reason names classes and addresses."""


class StoreUnavailable(Exception):
    """The store gave no usable answer. The script may or may not have run."""


class UnusableKey(StoreUnavailable):
    """A key holds what it is not meant to hold. The store is well: the other keys are as they were."""


class StoreState(NamedTuple):
    """`since` is in seconds since the epoch; `reason` is '' while the store is available."""

    available: bool
    since: float
    reason: str


class ProbePause:
    """How long to wait before an unavailable store is probed, in seconds; `clock` in seconds.

    Normally `usual`. A store that refuses again soon after a good probe refuses only some scripts (it has not
    all slots of a cluster): it is left alone for longer each time, instead of being used in turns.
    """

    def __init__(self, usual: float, clock: Callable[[], float]) -> None:
        self._usual = usual
        self._clock = clock
        self._available_at = -math.inf
        self.seconds = usual

    def available(self) -> None:
        """A probe was good."""
        self._available_at = self._clock()

    def silent(self) -> None:
        """It became unavailable since it did not answer."""
        self.seconds = self._usual

    def refused(self) -> None:
        """It became unavailable since it refused."""
        is_again = self._clock() - self._available_at < _STEADY_SECONDS
        self.seconds = min(2 * self.seconds, MAX_PAUSE_SECONDS) if is_again else self._usual


class Breaker:
    """Opens after `failures_max` failures without an answer between them; a good probe closes it.

    A rejection by the server counts as it is. Silence counts only once it has lasted `silent_seconds`: a
    pause of the server is no outage. `on_change` is called with each new state, never twice with the same.
    """

    def __init__(
        self,
        failures_max: int,
        silent_seconds: float,
        clock: Callable[[], float],
        on_change: Callable[[StoreState], None],
    ) -> None:
        self._failures_max = failures_max
        self._silent_seconds = silent_seconds
        self._clock = clock
        self._on_change = on_change
        self._failures = 0
        self._silent_since = 0.0
        self.state = StoreState(True, clock(), "")

    def succeeded(self) -> None:
        """An answer came."""
        self._failures = 0

    def rejected(self, reason: str) -> bool:
        """The server is there, but refuses to do it. Returns whether it is unavailable from now on."""
        self._failures += 1
        if self._failures < self._failures_max or not self.state.available:
            return False
        self.open(reason)
        return True

    def failed(self, reason: str) -> None:
        """No answer came, or no connection."""
        now = self._clock()
        if not self._failures or now < self._silent_since:
            self._silent_since = now
        self._failures += 1
        if self._failures >= self._failures_max and now - self._silent_since >= self._silent_seconds:
            self.open(reason)

    def open(self, reason: str) -> None:
        """The store is unavailable."""
        if self.state.available:
            self._enter(StoreState(False, self._clock(), reason))

    def close(self) -> None:
        """A probe got its answer: the store is available again."""
        self._failures = 0
        if not self.state.available:
            self._enter(StoreState(True, self._clock(), ""))

    def _enter(self, state: StoreState) -> None:
        self.state = state
        self._on_change(state)
