"""Timestamps by key, in memory; each is dropped once it has passed, never earlier.

Bounded: a table full of timestamps in the future takes no new key. Knows nothing of their meaning.
"""

from collections import OrderedDict
from typing import Final

KEYS_MAX: Final = 100_000
_CHECKED: Final = 4


class ExpiryTable:
    """Whole microseconds by key. `find` may return a timestamp that has passed."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._expiries: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._expiries)

    def find(self, key: str) -> int:
        """The timestamp of a key, or 0."""
        return self._expiries.get(key, 0)

    def has_room(self, key: str, now: int) -> bool:
        """Whether `key` may be put. Each new key also checks a few of the oldest, to make room."""
        expiries = self._expiries
        if key in expiries:
            return True
        for _ in range(min(_CHECKED, len(expiries))):
            oldest = next(iter(expiries))
            if expiries[oldest] > now:
                expiries.move_to_end(oldest)  # in the future: checked again after all others
            else:
                del expiries[oldest]
        return len(expiries) < self._keys_max

    def put(self, key: str, expiry: int) -> None:
        """Set a key for which there is room."""
        self._expiries[key] = expiry
