"""Keeps what is known of consumers' keys: in Redis for all replicas, else in a file, else in this process.

Runs on the loop of the admin port. Requests wait for nothing here, and a store that is away delays nothing.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Literal

from gateway.background.breathing import breathe, short_turns
from gateway.background.daemon_thread import run_in_thread
from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.identity.authentication import SHOWN_DIGITS, KeyEntry
from gateway.key_usage.former_keys import FormerKey, FormerKeys
from gateway.key_usage.known_key import FORMER_SECONDS, KnownKey
from gateway.key_usage.usage_file import UsageFile
from gateway.key_usage.usage_store import UsageStore
from gateway.key_usage.usage_table import KeyName, KeyUsageTable
from gateway.redis.availability import StoreState, StoreUnavailable
from gateway.redis.redis_store import RedisStore

ROUND_SECONDS: Final = 10.0
_STORE_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 5.0
_READ_ROUNDS: Final = 6
_CONFIGURED_SECONDS: Final = 3600.0
"""How often it is stored that a key is still configured."""

Kept = Literal["redis", "file", "memory"]


class UsageKeeper:
    """One per process, on the admin loop. `keys` gives those that are configured, by hex digest; `refresh`
    has the table take in what has finished. The file is used without Redis only. `shows_addresses` says
    whether addresses that are kept may be shown.
    """

    def __init__(
        self,
        table: KeyUsageTable,
        former: FormerKeys,
        keys: Callable[[], Mapping[str, KeyEntry]],
        refresh: Callable[[], object],
        file: UsageFile | None,
        clock: Callable[[], float] = time.time,
        shows_addresses: Callable[[], bool] = lambda: True,
    ) -> None:
        self.shows_addresses = shows_addresses
        self.table = table
        self.known: dict[str, KnownKey] = {}
        self.since = clock()
        self.trouble = ""
        """Why the file cannot be read or written."""
        self.former = former
        self._keys = keys
        self._refresh = refresh
        self._file = file
        self._clock = clock
        self._opening: tuple[Callable[[], str], str] | None = None
        self._opened = False
        self._loops: BackgroundLoops | None = None
        self._redis: RedisStore | None = None
        self._store: UsageStore | None = None
        self._named: Mapping[str, KeyEntry] | None = None
        self._digests: dict[KeyName, str] = {}
        self._changed: set[str] = set()
        self._stored_at: dict[str, float] = {}
        self._rounds = 0
        self._running: asyncio.Task[None] | None = None

    @property
    def kept(self) -> Kept:
        """Where it survives a restart; `memory`: nowhere."""
        if self._opening is not None:
            return "redis"
        return "memory" if self._file is None else "file"

    def start(self, url: Callable[[], str] | None, prefix: str, loops: BackgroundLoops) -> None:
        """Begin to keep it, on the running loop; in Redis, if `url` reveals where one is."""
        self._opening = None if url is None else (url, prefix)
        self._loops = loops
        self._running = loops.start("key_usage", 3 * ROUND_SECONDS, self._run)

    async def close(self) -> None:
        """Keep the last uses."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if self._opened:
            with suppress(TimeoutError):  # a path that does not answer holds up no exit
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self.round()
        if self._redis is not None:
            await self._redis.close()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock()

    def update(self) -> None:
        """Take in what has finished and what is configured now. Does no I/O."""
        now, configured = self._clock(), dict(self._keys())  # a reload empties what it has replaced
        former: dict[str, FormerKey] = {}
        with short_turns():
            for digest, entry in configured.items():
                known = self.known.get(digest)
                if known is None or known.consumer != entry.consumer.name:
                    self.known[digest] = KnownKey(entry.consumer.name, now, now)
                else:
                    known.configured_at = now
                breathe()
            self.take_uses()
            self._forget(now)
            for digest, known in self.known.items():
                if digest not in configured:
                    former[digest] = FormerKey(known.consumer, known.configured_at)
                breathe()
        self.former.add(former, configured.keys(), now)

    def take_uses(self) -> None:
        """Take in what has finished: cheaper than `update` with many keys."""
        self._refresh()
        configured = self._keys()
        if configured is not self._named:
            self._named = configured
            self._digests = {
                (entry.consumer.name, digest[:SHOWN_DIGITS]): digest
                for digest, entry in list(configured.items())
            }
        for name, use in self.table.take().items():
            if digest := self._digests.get(name, ""):
                known = self.known.get(digest)
                if known is None or known.consumer != use.consumer:
                    self.known[digest] = use
                else:
                    use.seen_at = min(known.seen_at, use.seen_at)
                    known.merge(use)
                self._changed.add(digest)

    async def round(self) -> None:
        """Update, and keep what changed."""
        store, due = self._store, set[str]()
        try:
            if store is not None and self._rounds % _READ_ROUNDS == 0:
                self._merge(await store.read(self._clock()))
            self.update()
            due, self._changed = self._changed | self._unconfirmed(), set()
            changed = {digest: self.known[digest] for digest in due if digest in self.known}
            if store is not None:
                await store.merge(changed)
            elif self._file is not None and changed:
                await self._write(self._file)
        except StoreUnavailable:
            self._changed |= due
            self.update()
            return
        self._rounds += 1
        now = self._clock()
        self._stored_at.update(dict.fromkeys(changed, now))
        for digest in self._stored_at.keys() - self.known.keys():
            del self._stored_at[digest]

    def _unconfirmed(self) -> set[str]:
        """Keys of which it was not stored for an hour that they are configured."""
        before = self._clock() - _CONFIGURED_SECONDS
        return {digest for digest in self._keys() if self._stored_at.get(digest, 0.0) <= before}

    async def _run(self, loop: BackgroundLoop) -> None:
        if not self._opened:
            await self._open()
        while True:
            await self.round()
            loop.beat()
            await asyncio.sleep(ROUND_SECONDS)

    async def _open(self) -> None:
        """Read what was known."""
        if self._opening is not None:
            url, prefix = self._opening
            redis = RedisStore(
                url(),
                _ignore,
                prefix=prefix,
                loops=self._loops,
                answer_seconds=_STORE_SECONDS,
                name="key_usage_store",
            )
            await redis.open()
            self._redis, self._store = redis, UsageStore(redis)
        elif self._file is not None:
            try:
                self._merge(await run_in_thread(self._file.read))
            except (OSError, ValueError) as error:
                self.trouble = str(error)
        self._opened = True

    async def _write(self, file: UsageFile) -> None:
        content = file.dump(self.known)
        try:
            await run_in_thread(lambda: file.write(content))
        except OSError as error:
            self.trouble = str(error)
        else:
            self.trouble = ""

    def _merge(self, others: Mapping[str, KnownKey]) -> None:
        for digest, other in others.items():
            known = self.known.get(digest)
            if known is None:
                self.known[digest] = other
            elif known.consumer == other.consumer:
                known.merge(other)

    def _forget(self, now: float) -> None:
        old = [d for d, each in self.known.items() if now - each.configured_at >= FORMER_SECONDS]
        for digest in old:
            del self.known[digest]


def _ignore(_: StoreState) -> None:
    """The data loop's own connection is the one whose state is shown and logged."""
