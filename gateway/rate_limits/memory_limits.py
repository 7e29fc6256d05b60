"""Where limits keep their state: in this process, or in Redis for all replicas (design 4.6).

Both do the same to it, which is `gcra.decide`; here in Python, in `limit_redis.py` by a script.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from gateway.consumers.rate_limit_rules import Limit, LimitKey
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.gcra import LimitDecision, Reservation, decide, give_back

_OVERFLOW = "overflow"


class LimitRequest(NamedTuple):
    """What one request wants of its limits; `gcra.decide` says what the numbers mean."""

    keys: tuple[LimitKey, ...]
    waited_us: int = 0
    left_us: int = 0
    held: Reservation | None = None


class Taken(NamedTuple):
    """The decision, the moment it was taken (microseconds on the store's clock), and the keys as counted."""

    decision: LimitDecision
    now: int
    keys: tuple[LimitKey, ...]


class LimitStore(Protocol):
    """Raises `StoreUnavailable` where it cannot tell."""

    async def take(self, ask: LimitRequest) -> Taken: ...

    async def release(self, key: LimitKey, held: Reservation) -> None:
        """Give a reservation back."""
        ...


class MemoryLimits:
    """The limits of one process. Survives a reload; `clock` is monotonic, in seconds."""

    def __init__(self, moments: ExpiryTable, clock: Callable[[], float]) -> None:
        self._moments = moments
        self._clock = clock

    async def take(self, ask: LimitRequest) -> Taken:
        return self.take_now(ask)

    async def release(self, key: LimitKey, held: Reservation) -> None:
        self._moments.put(key.key, give_back(key.limit, self._moments.find(key.key), held.tat))

    def take_now(self, ask: LimitRequest) -> Taken:
        """`take`, without the cost of awaiting it."""
        keys, waited_us, left_us, held = ask
        now = int(self._clock() * 1_000_000)
        moments = self._moments
        tats = [moments.find(key) for _, key in keys]
        if 0 in tats and held is None:
            keys, tats = self._make_room(keys, tats, now)
        decision = decide(keys, tats, now, waited_us, left_us, held)
        for (_, key), before, after in zip(keys, tats, decision.tats, strict=True):
            if after != before:
                moments.put(key, after)
        return Taken(decision, now, keys)

    def use_of(self, limit: Limit) -> float:
        """How much of a limit per consumer is used up, 0 to 1. May be asked from any thread."""
        ahead = self._moments.find(limit.name) - int(self._clock() * 1_000_000)
        return round(min(1.0, max(0, ahead) / limit.tolerance_us), 3)

    def _make_room(
        self, keys: tuple[LimitKey, ...], tats: list[int], now: int
    ) -> tuple[tuple[LimitKey, ...], list[int]]:
        """Where the table is full of limits in force, new keys of a limit share one: they get too little,
        and nobody who is held back is forgotten."""
        found: dict[str, LimitKey] = {}
        for each, tat in zip(keys, tats, strict=True):
            if not tat and not self._moments.has_room(each.key, now):
                each = LimitKey(each.limit, f"{each.limit.name}:{_OVERFLOW}")
            found[each.key] = each
        return tuple(found.values()), [self._moments.find(key) for key in found]
