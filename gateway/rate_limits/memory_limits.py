"""Rate limits in this process, and the interface of every store of limits (`docs/design.md` 4.6).

Every store applies `gcra.decide`: here in Python, in `redis_limits.py` as a script.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from gateway.consumers.rate_limit_rules import Limit, LimitKey, LimitSet
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.gcra import LimitDecision, Reservation, decide, give_back

_OVERFLOW: Final = "overflow"


class LimitRequest(NamedTuple):
    """The limits that one request must pass; `gcra.decide` explains the numbers."""

    keys: tuple[LimitKey, ...]
    waited_us: int = 0
    left_us: int = 0
    held: Reservation | None = None


class LimitResult(NamedTuple):
    """The decision, its time (microseconds on the store's clock), and the keys that were counted."""

    decision: LimitDecision
    now: int
    keys: tuple[LimitKey, ...]


class LimitStore(Protocol):
    """Raises `StoreUnavailable` if it cannot decide."""

    async def spend(self, request: LimitRequest) -> LimitResult:
        """Decide on a request, and spend its limits if it is admitted."""
        ...

    async def release(self, key: LimitKey, held: Reservation) -> None:
        """Give a reservation back."""
        ...

    async def read_uses(self, limits: Sequence[Limit]) -> list[float]:
        """How much of each limit per consumer is used, from 0 to 1; all are of one consumer."""
        ...


class MemoryLimits:
    """The limits of one process. Survives a reload; `clock` is monotonic, in seconds."""

    def __init__(self, expiries: ExpiryTable, clock: Callable[[], float]) -> None:
        self._expiries = expiries
        self._clock = clock

    async def spend(self, request: LimitRequest) -> LimitResult:
        return self.spend_now(request)

    async def release(self, key: LimitKey, held: Reservation) -> None:
        self._expiries.put(key.key, give_back(key.limit, self._expiries.find(key.key), held.tat))

    async def read_uses(self, limits: Sequence[Limit]) -> list[float]:
        return [self.use_of(limit) for limit in limits]

    def spend_now(self, request: LimitRequest) -> LimitResult:
        """`spend`, without the cost of awaiting it."""
        keys, waited_us, left_us, held = request
        now = int(self._clock() * 1_000_000)
        expiries = self._expiries
        tats = [expiries.find(key) for _, key in keys]
        if 0 in tats and held is None:
            keys, tats = self._make_room(keys, tats, now)
        decision = decide(keys, tats, now, waited_us, left_us, held)
        for (_, key), before, after in zip(keys, tats, decision.tats, strict=True):
            if after != before:
                expiries.put(key, after)
        return LimitResult(decision, now, keys)

    def spend_fixed(self, limits: LimitSet) -> bytes | None:
        """`spend_now` and `write_fields` in one pass, for the usual case: every limit admits.

        Returns the answer's fields, or None if it is another case; nothing is spent then.
        """
        now = int(self._clock() * 1_000_000)
        expiries = self._expiries
        items: list[bytes] = []
        spent: list[tuple[str, int]] = []
        for limit, key in limits.fixed or ():
            tat = expiries.find(key)
            if not tat:
                return None  # perhaps there is no room for it
            then = (tat if tat > now else now) + limit.cost_us
            left = limit.tolerance_us - (then - now)
            if left < 0:
                return None
            units, part = divmod(left, limit.unit_us)
            items.append(b"%b;r=%d;t=%d" % (limit.label, units, -((part - limit.unit_us) // 1_000_000)))
            spent.append((key, then))
        for key, then in spent:
            expiries.put(key, then)
        return b"%b%b\r\n" % (limits.fields, b", ".join(items))

    def use_of(self, limit: Limit) -> float:
        """How much of a limit per consumer is used, from 0 to 1. Thread-safe."""
        return share_used(limit, self._expiries.find(limit.key), int(self._clock() * 1_000_000))

    def _make_room(
        self, keys: tuple[LimitKey, ...], tats: list[int], now: int
    ) -> tuple[tuple[LimitKey, ...], list[int]]:
        """While the table is full of active limits, the new keys of a limit share one.

        These get too little together, but no caller that is being limited is forgotten.
        """
        found: dict[str, LimitKey] = {}
        for each, tat in zip(keys, tats, strict=True):
            if not tat and not self._expiries.has_room(each.key, now):
                each = LimitKey(each.limit, f"{each.limit.key}:{_OVERFLOW}")
            found[each.key] = each
        return tuple(found.values()), [self._expiries.find(key) for key in found]


def share_used(limit: Limit, tat: int, now: int) -> float:
    """How much of a limit is used, from 0 to 1, by its stored time; both times are microseconds."""
    return round(min(1.0, max(0, tat - now) / limit.tolerance_us), 3)
