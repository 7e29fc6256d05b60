"""This replica among the others: it publishes what it has seen, answers their questions, and asks them.

Everything runs on the loop of the admin port, over a connection of its own, so that no amount of what is
shown can delay an admission. Without a store, and while it is unavailable, the view is that of one replica.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.config.schema.secret_values import Secret
from gateway.observe.live.recent_exchanges import Filter
from gateway.observe.live.series_columns import merge_points, read_points
from gateway.observe.live.traffic_history import SeriesPoint
from gateway.redis.availability import StoreState, StoreUnavailable
from gateway.redis.redis_store import RedisStore
from gateway.replicas.merged_feed import MergedFeed
from gateway.replicas.merged_tables import Tables
from gateway.replicas.questions import (
    EXCHANGES_FIELD,
    HISTORY,
    HISTORY_FIELD,
    answer_questions,
    ask_replicas,
)
from gateway.replicas.replica_listing import LIVE, STORE_AWAY, Listing, Replica, describe_gone
from gateway.replicas.replica_publisher import ROWS_VIEWED, ReplicaPublisher, ViewSources
from gateway.replicas.report_sharing import ReportSharing
from gateway.replicas.row_filter import Row, admits_row, is_row
from gateway.replicas.view_store import VIEWED_SECONDS, ViewStore

ROUND_SECONDS: Final = 0.5
_STORE_SECONDS: Final = 1.0
_NO_STORE: Final = "without `store`, this is one replica: name the admin port of each by --admin"


class ViewOptions(NamedTuple):
    """`store` is the URL of Redis, None for none."""

    replica: str
    store: Secret | None
    prefix: str


class Found(NamedTuple):
    """Exchanges, newest first; the replicas that answered, in `note` what is missing; `late` are live ones
    that did not answer in time."""

    rows: list[Row]
    replicas: list[str]
    note: str
    late: list[str]


class Points(NamedTuple):
    """The points of some replicas, added up; who is in them, and in `note` what is missing."""

    points: list[SeriesPoint]
    replicas: list[str]
    note: str


class ReplicaView:
    """One per process; everything is called on the admin loop."""

    def __init__(self, options: ViewOptions, sources: ViewSources, loops: BackgroundLoops) -> None:
        self.replica = options.replica
        self.reports: ReportSharing | None = None  # without a store
        self.feed = MergedFeed(time.time(), sources.shows_addresses)
        self._options = options
        self._sources = sources
        self._loops = loops
        self._redis: RedisStore | None = None
        self._store: ViewStore | None = None
        self._publisher: ReplicaPublisher | None = None
        self._published = 0
        self._watched_until = 0.0
        self._known: dict[str, int] = {}
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish, on the running loop."""
        self._published = self._known[self.replica] = self._sources.recent().last_seq
        self._running = self._loops.start("replica_view", 10 * ROUND_SECONDS, self._run)

    async def close(self) -> None:
        """Say that this replica stops."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if self._publisher is not None and self._redis is not None:
            with suppress(StoreUnavailable):
                await self._publisher.publish(stopped=True)
            await self._redis.close()

    async def listing(self, *, viewed: bool = True) -> Listing:
        """The replicas. `viewed`: all of them publish more for a while."""
        store, note = self._store, _NO_STORE
        if self._redis is not None and store is not None:
            try:
                return Listing(self.replica, True, "", await store.replicas(viewed=viewed))
            except StoreUnavailable:
                note = STORE_AWAY
        elif self._options.store is not None:
            note = "Redis has not been asked yet: this is one replica"
        own = Replica(self.replica, LIVE, time.time(), self._sources.about())
        return Listing(self.replica, False, note, [own])

    def note_of(self, listing: Listing) -> str:
        """What the reader of all replicas should know."""
        now = time.time() if self._redis is None else self._redis.server_clock.now()
        return "; ".join(filter(None, [listing.note, *describe_gone(listing, now)]))

    async def tables(self, listing: Listing, replica: str) -> dict[str, Tables]:
        """The tables of the live replicas (`replica` is ''), this one first, or of one that may be gone."""
        wanted = listing.live if not replica else [replica]
        found: dict[str, Tables] = {}
        if not replica or replica == self.replica:
            found[self.replica] = self._sources.tables()
        others = [name for name in wanted if name != self.replica]
        if self._store is not None and others:
            try:
                found |= {name: _as_tables(each) for name, each in (await self._store.tables(others)).items()}
            except StoreUnavailable:
                return found
        return found

    async def search(self, query: str, wanted: Filter, most: int, replica: str = "") -> Found:
        """Exchanges of all replicas (`replica` is ''), or of one. Those that do not answer have what they
        published."""
        listing = await self.listing()
        rows = self._sources.answers.exchanges(query) if replica in ("", self.replica) else []
        answered = [self.replica] if replica in ("", self.replica) else []
        asked = [name for name in listing.live if replica in ("", name)]
        gone = [each.name for each in listing.replicas if each.name not in (self.replica, *asked)]
        silent = [name for name in gone if replica in ("", name)]
        notes = [self.note_of(listing)] if self._options.store is not None else []
        late: list[str] = []
        if self._store is not None and listing.shared and (asked or silent):
            try:
                for answer in await ask_replicas(self._store, query, asked, replica, EXCHANGES_FIELD):
                    rows += self.feed.shown(filter(is_row, answer["exchanges"]))
                    answered.append(answer["replica"])
                late = [name for name in asked if name not in answered]
                notes += [f"{name} did not answer: only what it published" for name in late]
                for published in (await self._store.latest(dict.fromkeys(silent + late, 0))).values():
                    rows += self.feed.shown(row for row in published if admits_row(wanted, row))
            except StoreUnavailable:
                notes.append(STORE_AWAY)
        rows.sort(key=lambda row: (row["at"], row["seq"]), reverse=True)
        return Found(rows[:most], answered, "; ".join(filter(None, notes)), late)

    async def points(self, query: str, replica: str = "") -> Points:
        """The points of a filtered history of all replicas (`replica` is ''), or of one; `query` is that of
        /api/history."""
        listing = await self.listing()
        own = replica in ("", self.replica)
        found = {self.replica: read_points(self._sources.answers.points(query))} if own else {}
        asked = [name for name in listing.live if replica in ("", name)]
        notes = [self.note_of(listing)] if self._options.store is not None else []
        if self._store is not None and listing.shared and asked:
            try:
                answers = await ask_replicas(self._store, HISTORY + query, asked, replica, HISTORY_FIELD)
            except StoreUnavailable:
                notes.append(STORE_AWAY)
            else:
                for answer in answers:
                    with suppress(ValueError):
                        found[answer["replica"]] = read_points(answer[HISTORY_FIELD])
                notes += [f"{name} did not answer: it is left out" for name in asked if name not in found]
        return Points(merge_points(list(found.values())), list(found), "; ".join(filter(None, notes)))

    def watch(self) -> None:
        """The feed is read: keep it up for a while."""
        self._watched_until = time.monotonic() + VIEWED_SECONDS

    async def _run(self, loop: BackgroundLoop) -> None:
        if self._store is None and self._options.store is not None:
            await self._open(self._options.store)
        while True:
            if self._store is not None and self._publisher is not None:
                try:
                    asked = (await self._publisher.publish()).questions
                    await answer_questions(self._store, self.replica, self._sources.answers, asked)
                except StoreUnavailable:
                    self._publisher.store_failed()
            if time.monotonic() < self._watched_until:
                await self._feed()
            loop.beat()
            await asyncio.sleep(ROUND_SECONDS)

    async def _open(self, url: Secret) -> None:
        redis = RedisStore(
            url.reveal(),
            _ignore,
            prefix=self._options.prefix,
            loops=self._loops,
            answer_seconds=_STORE_SECONDS,
            name="view",
        )
        await redis.open()
        self._redis, self._store = redis, ViewStore(redis, self.replica)
        self.reports = ReportSharing(redis, self.replica, self._sources.reports)
        self._publisher = ReplicaPublisher(
            redis, self._store, self.replica, self._sources, self.reports, self._published
        )

    async def _feed(self) -> None:
        """Take in what was published since, and what this replica has itself."""
        recent = self._sources.recent()
        rows: list[Row] = [
            {**each.as_json(), "replica": self.replica}
            for each in recent.find(Filter(), ROWS_VIEWED, after=self._known[self.replica])
        ]
        self._known[self.replica] = recent.last_seq
        listing = await self.listing()
        if self._store is not None and listing.shared:
            known = {name: self._known.get(name, 0) for name in listing.live}
            try:
                for name, published in (await self._store.latest(known)).items():
                    rows += published
                    self._known[name] = max((row["seq"] for row in published), default=known[name])
            except StoreUnavailable:
                pass
        self.feed.add(rows)


def _as_tables(content: Mapping[str, object]) -> Tables:
    return {name: rows for name, rows in content.items() if isinstance(rows, list)}


def _ignore(_: StoreState) -> None:
    """The data loop's own connection is the one whose state is shown and logged."""
