"""Replicas that share a store: publishing demand, and taking the share that follows (design 4.6).

The arithmetic is `sharing.py`; here are the rounds, by the wall clock that all replicas have, and the store.
While the store is away, the governors go back to meeting each other at Twilio's door.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter, ConcurrencyLimiters, LimiterKey
from gateway.concurrency.share_split import ROUND_SECONDS, SETTLE_SECONDS, Report, split_limit
from gateway.redis.availability import StoreUnavailable
from gateway.redis.redis_store import Script

_FORGET_SECONDS = 60
_PUBLISH = Script.of(f"""
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], {_FORGET_SECONDS})
return 1
""")
_READ = Script.of("return redis.call('HGETALL', KEYS[1])")
_DROP = Script.of("return redis.call('HDEL', KEYS[1], unpack(ARGV))")


class SharingStore(Protocol):
    """As much of `RedisStore` as is needed."""

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> Any: ...


class LimitSharing:
    """One per process. `clock` is in seconds since the epoch."""

    def __init__(
        self, gates: ConcurrencyLimiters, store: SharingStore, clock: Callable[[], float] = time.time
    ) -> None:
        self.replica = secrets.token_hex(8)
        self._gates = gates
        self._store = store
        self._clock = clock
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take part in every round from now on."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take leave, so that the others need not wait for our reports to grow old."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        try:
            for name, _ in self._gates:
                await self._store.run(_DROP, [_key(name)], [self.replica])
        except StoreUnavailable:
            return  # they find out by our age

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS - self._clock() % ROUND_SECONDS)
            published: list[tuple[LimiterKey, ConcurrencyLimiter, int]] = []
            try:
                for name, gate in self._gates:
                    published.append((name, gate, gate.adaptive_limit.limit))
                    await self._store.run(_PUBLISH, [_key(name)], [self.replica, self._write(gate)])
                await asyncio.sleep(SETTLE_SECONDS)
                for name, gate, reported in published:
                    await self._take_share(name, gate, reported)
            except StoreUnavailable:
                for _, gate in self._gates:
                    gate.adaptive_limit.yields = True

    async def _take_share(self, name: LimiterKey, gate: ConcurrencyLimiter, reported: int) -> None:
        found = await self._store.run(_READ, [_key(name)], [])
        reports = self._read(found)
        gate.adaptive_limit.yields = False
        share = split_limit(reports, self.replica)
        if share != reported:
            gate.set_share(gate.adaptive_limit.limit + share - reported)

    def _write(self, gate: ConcurrencyLimiter) -> str:
        demand = gate.in_flight + gate.waiting
        return f"{gate.adaptive_limit.limit} {gate.in_flight} {demand} {self._clock():.3f}"

    def _read(self, found: list[bytes]) -> list[Report]:
        now = self._clock()
        reports: list[Report] = []
        for replica, value in zip(found[::2], found[1::2], strict=True):
            limit, in_flight, demand, written = value.split()
            age = max(0.0, now - float(written))
            reports.append(Report(replica.decode(), int(limit), int(in_flight), int(demand), age))
        return reports


def _key(name: LimiterKey) -> str:
    return f"gateway:shares:{{{name.account}:{name.region}:{name.product}}}"
