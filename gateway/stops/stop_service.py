"""Stops of all replicas: a change is put into the store; each replica polls it and says what it has in force.

Without a store, and while it is unavailable, a change holds on the replica that was asked, and is put into
the store once that is back. A store that has lost its data is written again.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.background.daemon_thread import run_in_thread
from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.redis.availability import StoreUnavailable
from gateway.redis.redis_store import RedisStore
from gateway.redis.script import Script
from gateway.stops.stop_file import StopFile
from gateway.stops.stop_table import Stop, StopTable, parse_stops

POLL_SECONDS: Final = 0.25
ACKNOWLEDGE_SECONDS: Final = 5.0
_LIVE_SECONDS: Final = 30.0
"""A replica that has not polled for longer has vanished; it is not late."""
_KEYS: Final = ("stops", "stops-version", "stops-replicas")

# KEYS: stops, version, replicas. ARGV: this replica, the version it has in force, now (seconds).
_POLL = Script.of("""
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
local version = redis.call('GET', KEYS[2]) or '0'
if version == ARGV[2] then return {version} end
return {version, redis.call('HGETALL', KEYS[1])}
""")
# ARGV: subject, its JSON or '' to start it again; and so on.
_CHANGE = Script.of("""
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i])
  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return redis.call('INCR', KEYS[2])
""")
# ARGV: the version that was known, then subjects and JSON of all stops: after a FLUSHALL.
_RESTORE = Script.of("""
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then return 0 end
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('SET', KEYS[2], ARGV[1] + 1)
return 1
""")
_REPLICAS = Script.of("return redis.call('HGETALL', KEYS[3])")
_LEAVE = Script.of("return redis.call('HDEL', KEYS[3], unpack(ARGV))")


class Acknowledgement(NamedTuple):
    """A replica, and whether it has a change in force."""

    replica: str
    done: bool


class Change(NamedTuple):
    """`shared`: whether the store has it; None without a store."""

    shared: bool | None
    replicas: list[Acknowledgement]


class StopService:
    """One per process, on the data loop. `replica` is its name in acknowledgements.

    `on_trouble` is called with why stops cannot be kept, and with '' once they can be.
    """

    def __init__(
        self,
        replica: str,
        store: RedisStore | None,
        file: StopFile | None,
        on_trouble: Callable[[str], object],
    ) -> None:
        self.table = StopTable()
        self.replica = replica
        self.known = file is None
        """Whether the stops were read, from the file or the store: the replica is not ready before."""
        self._store = store
        self._file = file
        self._on_trouble = on_trouble
        self._version = 0
        self._pending: dict[str, Stop | None] = {}
        self._running: asyncio.Task[None] | None = None

    async def open(self, loops: BackgroundLoops) -> None:
        """Read what was last known, and begin to poll."""
        if self._file is not None:
            await self._read_file(self._file)
        if self._store is not None:
            await self._poll(self._store)
            self._running = loops.start("stops", 10 * POLL_SECONDS, self._run)

    async def close(self) -> None:
        """Leave the replicas that are asked to acknowledge."""
        if self._running is None or self._store is None:
            return
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        try:
            await self._store.run(_LEAVE, _KEYS, [self.replica])
        except StoreUnavailable:
            return

    async def change(self, stop: Stop, *, stopped: bool) -> Change:
        """Stop or start something, here at once and on every replica. Returns within about five seconds who
        has it in force."""
        self._pending[stop.subject] = stop if stopped else None
        await self._put_in_force(self._with_pending(self.table.stops))
        version = None
        if self._store is not None:
            version = await self._send_pending(self._store)
        if self._store is None or version is None:
            shared = None if self._store is None else False
            return Change(shared, [Acknowledgement(self.replica, done=True)])
        return Change(True, await self._await_replicas(self._store, version))

    async def _run(self, loop: BackgroundLoop) -> None:
        assert self._store is not None
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._poll(self._store)
            loop.beat()

    async def _poll(self, store: RedisStore) -> None:
        try:
            if self._pending:
                await self._send_pending(store)
            now = store.server_clock.now()
            answer = await store.run(
                _POLL, _KEYS, [self.replica, self._version, f"{now:.3f}"], is_vital=False
            )
        except StoreUnavailable:
            return
        version = int(answer[0])
        if version < self._version:
            await self._restore(store)
        elif version != self._version:
            self._version = version
            await self._put_in_force(self._with_pending(_read_hash(answer[1])))
        self.known = True

    async def _restore(self, store: RedisStore) -> None:
        pairs = [text for stop in self.table.stops.values() for text in (stop.subject, _written(stop))]
        try:
            await store.run(_RESTORE, _KEYS, [self._version, *pairs], is_vital=False)
        except StoreUnavailable:
            return

    async def _send_pending(self, store: RedisStore) -> int | None:
        """The version that has what was changed here; None while the store is unavailable."""
        sent = dict(self._pending)
        pairs = [text for subject, stop in sent.items() for text in (subject, _written(stop))]
        try:
            version = int(await store.run(_CHANGE, _KEYS, pairs, is_vital=False))
        except StoreUnavailable:
            return None
        for subject, stop in sent.items():
            if self._pending.get(subject) is stop:
                del self._pending[subject]
        return version

    async def _await_replicas(self, store: RedisStore, version: int) -> list[Acknowledgement]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ACKNOWLEDGE_SECONDS
        while True:
            await self._poll(store)
            try:
                found = await store.run(_REPLICAS, _KEYS, [], is_vital=False)
            except StoreUnavailable:
                return [Acknowledgement(self.replica, done=True)]
            replicas = _read_replicas(found, version, store.server_clock.now())
            if all(each.done for each in replicas) or loop.time() > deadline:
                return replicas
            await asyncio.sleep(POLL_SECONDS / 2)

    def _with_pending(self, stops: Mapping[str, Stop]) -> dict[str, Stop]:
        found = dict(stops)
        for subject, stop in self._pending.items():
            if stop is None:
                found.pop(subject, None)
            else:
                found[subject] = stop
        return found

    async def _put_in_force(self, stops: Mapping[str, Stop]) -> None:
        self.table.replace(stops)
        if (file := self._file) is not None:
            try:
                await run_in_thread(lambda: file.write(stops))
            except OSError as error:
                self._on_trouble(f"{file.path} cannot be written ({error.strerror})")
            else:
                self._on_trouble("")

    async def _read_file(self, file: StopFile) -> None:
        try:
            self.table.replace(await run_in_thread(file.read))
            self.known = True
        except (OSError, ValueError) as error:
            self._on_trouble(getattr(error, "strerror", None) or str(error))


def _written(stop: Stop | None) -> str:
    return "" if stop is None else json.dumps(stop.as_json())


def _read_hash(flat: Any) -> dict[str, Stop]:
    """The values of a HGETALL."""
    found = []
    for text in flat[1::2]:
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return parse_stops(found)


def _read_replicas(flat: Any, version: int, now: float) -> list[Acknowledgement]:
    replicas = []
    for name, text in zip(flat[::2], flat[1::2], strict=True):
        has, _, at = text.decode().partition(" ")
        if now - float(at or 0) < _LIVE_SECONDS:
            replicas.append(Acknowledgement(name.decode(), int(has) >= version))
    return sorted(replicas)
