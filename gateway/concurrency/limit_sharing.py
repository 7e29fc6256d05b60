"""Replicas that share a store publish their demand, and take the share that follows (`docs/design.md` 4.6).

The arithmetic is in `share_split.py`. Here are the rounds, on the store's clock, which all replicas have, and
the store. While the store is unavailable, the replicas coordinate by windows at Twilio instead. A report that
is missing or cannot be read is skipped: Redis may be flushed, or hold what another version wrote.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter, ConcurrencyLimiters, LimiterKey
from gateway.concurrency.share_split import ROUND_SECONDS, SETTLE_SECONDS, Report, split_limit
from gateway.redis.availability import StoreUnavailable
from gateway.redis.script import Script

_FORGET_SECONDS = 60
_LATE_SECONDS = 5.0  # of a round: two time-outs for each account, of which there are few
_MAX_NUMBER = 1_000_000
_PUBLISH = Script.of(f"""
local done = redis.pcall('HSET', KEYS[1], ARGV[1], ARGV[2])
if type(done) == 'table' and done['err'] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('EXPIRE', KEYS[1], {_FORGET_SECONDS})
return 1
""")
_READ = Script.of("return redis.call('HGETALL', KEYS[1])")
_DROP = Script.of("return redis.call('HDEL', KEYS[1], unpack(ARGV))")


class SharingStore(Protocol):
    """The part of `RedisStore` that is used."""

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[bytes | str | int], *, is_vital: bool = ...
    ) -> Any: ...


class _Published(NamedTuple):
    """What this replica has reported in a round."""

    key: LimiterKey
    limiter: ConcurrencyLimiter
    limit: int


class LimitSharing:
    """One per process. `clock` is the store's, in seconds since the epoch."""

    def __init__(
        self,
        limiters: ConcurrencyLimiters,
        store: SharingStore,
        clock: Callable[[], float],
        loops: BackgroundLoops,
    ) -> None:
        self.replica = secrets.token_hex(8)
        self._limiters = limiters
        self._store = store
        self._clock = clock
        self._loops = loops
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take part in every round."""
        self._running = self._loops.start("limit_sharing", _LATE_SECONDS, self._run)

    async def close(self) -> None:
        """Deregister this replica, so that the others need not wait until its report expires."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        try:
            for key, _ in self._limiters:
                await self._run_script(_DROP, key, self.replica)
        except StoreUnavailable:
            return  # our report will expire

    async def _run(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS - self._clock() % ROUND_SECONDS)
            try:
                if await self._take_part():
                    loop.beat()
            except BaseException:
                for _, limiter in self._limiters:  # without shares, windows coordinate
                    limiter.adaptive_limit.yields = True
                raise

    async def _take_part(self) -> bool:
        """One round, for every account. Returns whether the store answered all along."""
        published: list[_Published] = []
        for key, limiter in self._limiters:
            report = self._write(limiter)
            limit = limiter.adaptive_limit.limit
            try:
                await self._run_script(_PUBLISH, key, self.replica, report)
            except StoreUnavailable:
                limiter.adaptive_limit.yields = True
            else:
                published.append(_Published(key, limiter, limit))
        is_complete = len(published) == len(list(self._limiters))
        await asyncio.sleep(SETTLE_SECONDS)
        for each in published:
            try:
                await self._take_share(each)
            except StoreUnavailable:
                each.limiter.adaptive_limit.yields = True
                is_complete = False
        return is_complete

    async def _take_share(self, published: _Published) -> None:
        key, limiter, reported = published
        found = await self._run_script(_READ, key)
        reports, dead = read_reports(found, self._clock())
        if dead:
            await self._run_script(_DROP, key, *dead)
        if not any(report.replica == self.replica for report in reports):
            return  # flushed or evicted since it was published: the next round has it again
        limiter.adaptive_limit.yields = False
        share = split_limit(reports, self.replica)
        if share != reported:
            limiter.set_share(limiter.adaptive_limit.limit + share - reported)

    async def _run_script(self, script: Script, key: LimiterKey, *args: bytes | str) -> Any:
        """Not vital: if a user may not call HGETALL, limits and records still work."""
        return await self._store.run(script, [_redis_key(key)], args, is_vital=False)

    def _write(self, limiter: ConcurrencyLimiter) -> str:
        demand = limiter.in_flight + limiter.waiting
        return f"{limiter.adaptive_limit.limit} {limiter.in_flight} {demand} {self._clock():.3f}"


def read_reports(found: object, now: float) -> tuple[list[Report], list[bytes]]:
    """The reports in a reply to HGETALL, and the fields of replicas that have not reported for a minute.

    Fields that are no reports are skipped.
    """
    reports: list[Report] = []
    dead: list[bytes] = []
    fields = found if isinstance(found, list) else []
    for replica, value in zip(fields[::2], fields[1::2], strict=False):
        report = _read_report(replica, value, now)
        if report is None:
            continue
        if report.age > _FORGET_SECONDS:
            dead.append(replica)
        else:
            reports.append(report)
    return reports, dead


def _read_report(replica: object, value: object, now: float) -> Report | None:
    if not isinstance(replica, bytes) or not isinstance(value, bytes):
        return None
    try:
        limit, in_flight, demand, written = value.split()[:4]
        numbers = (int(limit), int(in_flight), int(demand))
        age = abs(now - float(written))  # a clock that is ahead is as wrong as one that is behind
        name = replica.decode("ascii")
    except ValueError:
        return None
    if not all(0 <= number <= _MAX_NUMBER for number in numbers) or not math.isfinite(age):
        return None
    return Report(name, *numbers, age)


def _redis_key(key: LimiterKey) -> str:
    return f"shares:{{{key.account}:{key.region}:{key.product}}}"
