"""Times by key in this process's memory, each forgotten once it is past and never before.

Bounded: a table that is full of moments still to come takes no new key, and whoever asks shares another one.
Knows nothing of what the moments mean.
"""

from collections import OrderedDict

KEYS_MAX = 100_000
_LOOKED_AT = 4


class ExpiryTable:
    """Whole microseconds by key. Must not be read around `find`: an entry may be past."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._moments: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._moments)

    def find(self, key: str) -> int:
        """The moment of a key, 0 if it has none."""
        return self._moments.get(key, 0)

    def has_room(self, key: str, now: int) -> bool:
        """Whether `key` may be put. Makes room on the way: each new key looks at a few of the oldest."""
        moments = self._moments
        if key in moments:
            return True
        for _ in range(min(_LOOKED_AT, len(moments))):
            oldest = next(iter(moments))
            if moments[oldest] > now:
                moments.move_to_end(oldest)  # still to come: looked at again after all others
            else:
                del moments[oldest]
        return len(moments) < self._keys_max

    def put(self, key: str, moment: int) -> None:
        """Set a key that there is room for."""
        self._moments[key] = moment
