"""When a shared store counts as away: the state that callers, `/readyz` and metrics see.

Pure: it is told of answers and failures, and asks no clock but the one it is given.
"""

from collections.abc import Callable
from typing import NamedTuple


class StoreUnavailable(Exception):
    """The store gave no usable answer. What was asked of it may or may not have happened."""


class StoreState(NamedTuple):
    """`since` is in seconds since the epoch; `reason` is '' while the store is available."""

    available: bool
    since: float
    reason: str


class Breaker:
    """Opens after `failures_max` failures with no answer between them; a good probe closes it.

    `on_change` is called with each new state, and never twice with the same.
    """

    def __init__(
        self, failures_max: int, clock: Callable[[], float], on_change: Callable[[StoreState], None]
    ) -> None:
        self._failures_max = failures_max
        self._clock = clock
        self._on_change = on_change
        self._failures = 0
        self.state = StoreState(True, clock(), "")

    def succeeded(self) -> None:
        """An answer came while the store was thought available."""
        self._failures = 0

    def failed(self, reason: str) -> None:
        """No usable answer came."""
        self._failures += 1
        if self._failures >= self._failures_max:
            self.open(reason)

    def open(self, reason: str) -> None:
        """The store is away."""
        if self.state.available:
            self._enter(StoreState(False, self._clock(), reason))

    def close(self) -> None:
        """A probe got its answer: the store is back."""
        self._failures = 0
        if not self.state.available:
            self._enter(StoreState(True, self._clock(), ""))

    def _enter(self, state: StoreState) -> None:
        self.state = state
        self._on_change(state)
