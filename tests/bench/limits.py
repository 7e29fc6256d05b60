"""What rate limits cost: µs per request beside a dict's look-up in the same run, in memory and in Redis.

python -m tests.bench.limits
"""

import asyncio
import shutil
import time
from collections.abc import Callable

import uvloop

from gateway.consumers.rate_limit_rules import LimitKey, Per, make_limit_set, select_limits
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.gcra import decide
from gateway.rate_limits.limit_leases import LeasedLimits
from gateway.rate_limits.memory_limits import LimitRequest, LimitStore, MemoryLimits
from gateway.rate_limits.rate_limit_headers import write_fields
from gateway.rate_limits.rate_limiter import RateLimiter
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from tests.support.limits import keys, limit
from tests.support.redis import redis_server

_ROUNDS = 5
_CALLS = 40_000
_CALLERS = 64
_REDIS_CALLS = 20_000

LARGE = keys(limit("1000/s", 2_000), limit("60000/m", 60_000, "app/1"))
"""Two limits, as large as those that are leased."""


def _measure(call: Callable[[], object]) -> float:
    """µs per call, the best of several rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_CALLS):
            call()
        best = min(best, time.process_time() - began)
    return best / _CALLS * 1e6


def _report(name: str, microseconds: float, unit: float) -> None:
    print(f"{name:48} {microseconds:8.2f} µs {microseconds / unit:8.0f} look-ups")


def _in_memory() -> float:
    """Prints the parts of the memory path; returns a look-up's µs."""
    table = {"app/0": 1}
    unit = _measure(lambda: table["app/0"])
    memory = MemoryLimits(ExpiryTable(), time.perf_counter)
    ask = LimitRequest(LARGE)
    taken = memory.spend_now(ask)
    tats = taken.decision.tats
    routed = make_limit_set([limit(secret=b"s", per=Per.DESTINATION), limit()])
    _report("a dict's look-up", unit, unit)
    _report("decide, two limits", _measure(lambda: decide(LARGE, tats, taken.now)), unit)
    _report("memory store, two limits", _measure(lambda: memory.spend_now(ask)), unit)
    _report("header fields, two limits", _measure(lambda: write_fields(LARGE, tats, taken.now)), unit)
    _report(
        "selecting, one of two per destination",
        _measure(lambda: select_limits(routed, "POST", "api", "/", "AC0", ("15550100001",))),
        unit,
    )
    return unit


async def _admissions(limiter: RateLimiter, wanted: tuple[LimitKey, ...], callers: int, calls: int) -> float:
    """µs of this process's time per admission."""

    async def call() -> None:
        for _ in range(calls // callers):
            await limiter.admit_keys(wanted, time.monotonic() + 10)

    began = time.process_time()
    await asyncio.gather(*[call() for _ in range(callers)])
    return (time.process_time() - began) / calls * 1e6


def _limiter(shared: LimitStore | None) -> RateLimiter:
    return RateLimiter(MemoryLimits(ExpiryTable(), time.monotonic), shared, clock=time.monotonic)


async def _over_redis(unit: float) -> None:
    never_full = keys(limit("1000000/s", 100_000_000), limit("1000000/s", 100_000_000, "app/1"))
    alone = await _admissions(_limiter(None), never_full, 1, _REDIS_CALLS)
    _report("admit, memory, headers included", alone, unit)
    if shutil.which("redis-server") is None:
        print("redis-server is not installed: nothing measured over Redis")
        return
    with redis_server() as server:
        store = RedisStore(server.url, lambda _: None)
        shared = RedisLimits(store, time.time)
        rows: list[tuple[str, LimitStore, int]] = [
            ("admit, Redis, one caller", shared, 1),
            (f"admit, Redis, {_CALLERS} callers", shared, _CALLERS),
            ("admit, Redis with leases, one caller", LeasedLimits(shared, time.time), 1),
            (f"admit, Redis with leases, {_CALLERS} callers", LeasedLimits(shared, time.time), _CALLERS),
        ]
        for name, limits, callers in rows:
            asked = store.questions
            cost = await _admissions(_limiter(limits), never_full, callers, _REDIS_CALLS)
            _report(name, cost, unit)
            print(f"{'':48} {(store.questions - asked) / _REDIS_CALLS:8.3f} questions per request")
        await store.close()


def main() -> None:
    """Print the table."""
    uvloop.run(_over_redis(_in_memory()))


if __name__ == "__main__":
    main()
