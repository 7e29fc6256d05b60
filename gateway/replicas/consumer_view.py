"""What all replicas together counted of one consumer: for its page, and for the consumer itself.

What the consumer asks for does not make replicas publish more, and asks the store who is there at most every
other second, however many consumers ask.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from gateway.redis.availability import StoreUnavailable
from gateway.replicas.replica_listing import STORE_AWAY, Listing
from gateway.replicas.replica_view import ReplicaView
from gateway.replicas.report_sharing import MergedReport, alone

_LISTED_SECONDS: Final = 2.0


class ConsumerView:
    """One per process, on the admin loop. `own` gives what this replica counted; what others have published
    may hold addresses that `shows_addresses` forbids to show."""

    def __init__(
        self,
        view: ReplicaView,
        own: Callable[[str], dict[str, Any]],
        shows_addresses: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view = view
        self._own = own
        self._shows_addresses = shows_addresses
        self._clock = clock
        self._listed: tuple[float, Listing] | None = None

    async def here(self, consumer: str) -> MergedReport:
        """What this replica counted."""
        return alone(self._own(consumer), self._view.replica, "")

    async def everywhere(self, consumer: str, *, viewed: bool) -> MergedReport:
        """What the live replicas counted. `viewed`: an operator looks at it, not the consumer."""
        listing = await self._view.listing() if viewed else await self._list()
        return await self._read(consumer, listing)

    async def _read(self, consumer: str, listing: Listing) -> MergedReport:
        own, reports = self._own(consumer), self._view.reports
        if reports is None or not listing.shared:
            return alone(own, self._view.replica, listing.note)
        try:
            found = await reports.read(consumer, own, listing.live)
        except StoreUnavailable:
            return alone(own, self._view.replica, STORE_AWAY)
        note = "; ".join(filter(None, [self._view.note_of(listing), found.note]))
        figures = found.figures if self._shows_addresses() else {**found.figures, "addresses": []}
        return found._replace(note=note, figures=figures)

    async def _list(self) -> Listing:
        if self._listed is None or self._clock() - self._listed[0] >= _LISTED_SECONDS:
            self._listed = self._clock(), await self._view.listing(viewed=False)
        return self._listed[1]
