"""What this replica publishes to the others in each round: itself, new exchanges, and at times tables."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.consumers.rate_limit_rules import Limit
from gateway.observe.live.recent_exchanges import Filter, Recent
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from gateway.replicas.merged_tables import Tables
from gateway.replicas.published_rows import MOST_TABLE_ROWS, write_about, write_row, write_tables
from gateway.replicas.questions import Answers
from gateway.replicas.report_sharing import ReportSharing, ReportSources
from gateway.replicas.view_store import Published, ViewStore

_TABLE_ROUNDS: Final = 20
"""Tables are published every tenth second, and in every other round while all are looked at."""
_ROWS_UNVIEWED: Final = 25
ROWS_VIEWED: Final = 250


class ViewSources(NamedTuple):
    """What is published of this replica, called on the admin thread.

    `about` is what it says of itself, `recent` gives its exchanges.
    """

    about: Callable[[], Mapping[str, object]]
    tables: Callable[[], Tables]
    answers: Answers
    recent: Callable[[], Recent]
    limits: Callable[[], Sequence[Sequence[Limit]]]
    """The limits per consumer, of each consumer: what is used of them is known to the store only."""
    reports: ReportSources
    shows_addresses: Callable[[], bool]
    set_uses: Callable[[Mapping[str, float]], None]
    """Gets their use from 0 to 1 by key; nothing while the store is unavailable."""


class ReplicaPublisher:
    """One per process with a store, on the admin loop. Exchanges up to number `published` are left out."""

    def __init__(
        self,
        redis: RedisStore,
        store: ViewStore,
        replica: str,
        sources: ViewSources,
        reports: ReportSharing,
        published: int,
    ) -> None:
        self._redis = redis
        self._store = store
        self._replica = replica
        self._sources = sources
        self._reports = reports
        self._published = published
        self._rounds = 0
        self._viewed = False

    async def publish(self, *, stopped: bool = False) -> Published:
        """Publish what is due, and learn who looks and asks. `stopped`: for the last time.

        Raises `StoreUnavailable`.
        """
        recent = self._sources.recent()
        most = ROWS_VIEWED if self._viewed else _ROWS_UNVIEWED
        new = reversed(recent.find(Filter(), most, after=self._published))
        rows = [(each.seq, text) for each in new if (text := write_row(self._replica, each))]
        self._published = recent.last_seq
        due = self._rounds % (2 if self._viewed else _TABLE_ROUNDS) == 0
        self._rounds += 1
        if due and not stopped:
            await self._read_uses()
            await self._reports.publish()
        tables = write_tables(self._sources.tables()) if due or stopped else b""
        about = write_about(self._sources.about(), stopped=stopped)
        published = await self._store.publish(about, tables, rows)
        self._viewed = published.viewed
        return published

    def store_failed(self) -> None:
        """Forget what the store said: whether all replicas are looked at, and the use of limits."""
        self._viewed = False
        self._sources.set_uses({})
        self._reports.forget()

    async def _read_uses(self) -> None:
        """One question a consumer, as the limits of one share a slot of a cluster; all are sent together."""
        limits = RedisLimits(self._redis, self._redis.server_clock.now)
        wanted = [each for each in self._sources.limits() if each][:MOST_TABLE_ROWS]
        found = await asyncio.gather(*map(limits.read_uses, wanted))
        self._sources.set_uses(
            {
                limit.key: used
                for some, uses in zip(wanted, found, strict=True)
                for limit, used in zip(some, uses, strict=True)
            }
        )
