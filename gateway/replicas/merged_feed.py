"""The exchanges of all replicas as they come in, numbered here, for those who follow them.

A number is good on the replica that made it. It grows over restarts, so that a reader who reconnects
elsewhere gets some exchanges twice rather than never; `replica` and `seq` tell. Belongs to the admin thread.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from gateway.observe.live.recent_exchanges import MAX_KEPT, Filter
from gateway.replicas.row_filter import Row, admits_row


class MergedFeed:
    """The last `MAX_KEPT` of all. `now` (seconds since the epoch) is when the first number is made.

    `shows_addresses` says whether callers' addresses may be shown: replicas may have published some before.
    """

    def __init__(self, now: float, shows_addresses: Callable[[], bool] = lambda: True) -> None:
        self._shows_addresses = shows_addresses
        self.last_number = int(now * 1_000_000)
        self._rows: deque[Row] = deque(maxlen=MAX_KEPT)

    def add(self, rows: Iterable[Row]) -> None:
        """Number rows, those that ended first before the others."""
        new = sorted(rows, key=lambda row: (row["at"], row["seq"]))
        self.last_number += len(new)
        self._rows.extend(new)

    def find(self, wanted: Filter, replica: str, most: int, after: int) -> tuple[list[Row], int]:
        """The newest that came after a number, newest first, and how many more there are."""
        matching = list(self._matching(wanted, replica, after))
        return self.shown(matching[:most]), max(0, len(matching) - most)

    def shown(self, rows: Iterable[Row]) -> list[Row]:
        """Rows of other replicas, without what may not be shown."""
        return list(rows) if self._shows_addresses() else [{**row, "address": ""} for row in rows]

    def _matching(self, wanted: Filter, replica: str, after: int) -> Iterator[Row]:
        newer = islice(reversed(self._rows), max(0, self.last_number - after))
        for row in newer:
            if (not replica or row["replica"] == replica) and admits_row(wanted, row):
                yield row
