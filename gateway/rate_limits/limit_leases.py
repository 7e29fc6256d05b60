"""Small leases on large limits: Redis is asked once in 20 ms, not for every request (`docs/design.md` 4.6).

If every limit of a request is 100/s or more, a replica spends in Redis what it will probably need in the next
20 ms, and admits from that without asking. Error bound: what was spent may be used up to 20 ms later, so a
window may hold `rate x 20 ms` more than burst and rate allow, whatever the number of replicas. What is not
used is lost. Only what remains above half of the burst is leased, so this costs at most the upper half.
"""

from collections.abc import Callable, Sequence

from gateway.consumers.rate_limit_rules import Limit, LimitKey, Per
from gateway.rate_limits.gcra import LimitDecision, Reservation, Verdict
from gateway.rate_limits.memory_limits import LimitRequest, LimitResult
from gateway.rate_limits.redis_limits import RedisLimits

LEASE_US = 20_000
_MAX_LEASED_COST_US = 10_000  # 100/s


class _Lease:
    """What is left of one batch, in requests. `tat` is the state of the limit once all of it is used."""

    __slots__ = ("asking", "batch", "ends", "granted", "left", "tat")

    def __init__(self) -> None:
        self.asking = False
        self.batch = 0
        self.ends = 0
        self.granted = 0
        self.left = 0
        self.tat = 0

    def next_batch(self, limit: Limit, now: int) -> int:
        """Twice the last batch if it was used up in time, else what was used of it."""
        wanted = max(1, 2 * self.batch) if now < self.ends else self.granted - self.left
        self.batch = min(wanted, LEASE_US // limit.cost_us)
        return self.batch

    def renew(self, granted: int, tat: int, now: int) -> None:
        self.granted = self.left = granted
        self.tat = tat
        self.ends = now + LEASE_US

    def covers(self, now: int) -> bool:
        return self.left > 0 and now < self.ends


class LeasedLimits:
    """A `LimitStore` over Redis, on the same clock (seconds). It holds one lease per large limit."""

    def __init__(self, shared: RedisLimits, clock: Callable[[], float]) -> None:
        self._shared = shared
        self._clock = clock
        self._leases: dict[str, _Lease] = {}

    async def spend(self, request: LimitRequest) -> LimitResult:
        """From leases alone if they cover all limits, else by one round trip."""
        if request.held is not None or not all(_is_leased(limit) for limit, _ in request.keys):
            return await self._shared.spend(request)
        now = round(self._clock() * 1_000_000)
        leases = [self._leases.get(key) or self._leases.setdefault(key, _Lease()) for _, key in request.keys]
        if all(lease.covers(now) for lease in leases):
            return _spend_leased(request, leases, now)
        # Of several concurrent requests, one asks for a batch.
        renewed = [not lease.asking and not lease.covers(now) for lease in leases]
        batches = [
            lease.next_batch(each.limit, now) if is_renewed else 0
            for each, lease, is_renewed in zip(request.keys, leases, renewed, strict=True)
        ]
        for lease, is_renewed in zip(leases, renewed, strict=True):
            lease.asking = lease.asking or is_renewed
        try:
            result, granted = await self._shared.spend_more(request, batches)
            for which, lease in enumerate(leases):
                if renewed[which]:
                    lease.renew(granted[which], result.decision.tats[which], now)
        finally:
            for lease, is_renewed in zip(leases, renewed, strict=True):
                lease.asking = lease.asking and not is_renewed
        return result

    async def release(self, key: LimitKey, held: Reservation) -> None:
        await self._shared.release(key, held)

    async def read_uses(self, limits: Sequence[Limit]) -> list[float]:
        return await self._shared.read_uses(limits)


def _is_leased(limit: Limit) -> bool:
    """Not a limit with a wait: its reservations are in line, which a batch would break."""
    return (
        limit.cost_us <= _MAX_LEASED_COST_US
        and not limit.max_wait_us
        and not limit.reports
        and limit.per is not Per.DESTINATION
    )


def _spend_leased(request: LimitRequest, leases: list[_Lease], now: int) -> LimitResult:
    tats: list[int] = []
    for (limit, _), lease in zip(request.keys, leases, strict=True):
        lease.left -= 1
        tats.append(lease.tat - lease.left * limit.cost_us)
    return LimitResult(LimitDecision(Verdict.ADMITTED, -1, 0, False, tats), now, request.keys)
