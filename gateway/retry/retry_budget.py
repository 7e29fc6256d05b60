"""How much may be tried again: a share of recent requests, so that no outage is multiplied (docs/design.md
4.7).
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

_WINDOW_SECONDS: Final = 10.0
_SLICE_SECONDS: Final = 0.5


@dataclass(slots=True)
class _BudgetSlice:
    began: float
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """Allows `share` of the requests of the last ten seconds, and at least `floor` retries in that time.

    Pure: `now` is in seconds on a monotonic clock. Requeued signals and other keys are not retries.
    """

    def __init__(self, share: float = 0.2, floor: int = 3) -> None:
        self.share = share
        self.floor = floor
        self._slices: deque[_BudgetSlice] = deque()
        self._requests = 0
        self._retries = 0
        self.exhausted = 0
        """How often there was nothing left."""

    def note_request(self, now: float) -> None:
        """A request came in; it may pay for a part of a retry."""
        self._slice(now).requests += 1
        self._requests += 1

    def spend(self, now: float) -> bool:
        """Take one retry out of the budget; False if there is none left."""
        current = self._slice(now)
        if self._retries + 1 > max(self.floor, self.share * self._requests):
            self.exhausted += 1
            return False
        current.retries += 1
        self._retries += 1
        return True

    def left(self, now: float) -> float:
        """How many retries the budget would pay for at this moment."""
        # Asked from another thread as well: a copy is made in one step, and nothing is changed.
        recent = [each for each in tuple(self._slices) if now - each.began <= _WINDOW_SECONDS]
        requests = sum(each.requests for each in recent)
        return max(self.floor, self.share * requests) - sum(each.retries for each in recent)

    def _slice(self, now: float) -> _BudgetSlice:
        """The slice of `now`; what is older than the window is forgotten."""
        slices = self._slices
        while slices and now - slices[0].began > _WINDOW_SECONDS:
            old = slices.popleft()
            self._requests -= old.requests
            self._retries -= old.retries
        if not slices or now - slices[-1].began >= _SLICE_SECONDS:
            slices.append(_BudgetSlice(now))
        return slices[-1]
