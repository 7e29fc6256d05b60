"""Limits that replicas share: one atomic script per admission, over all of its keys (`docs/design.md` 4.6).

The script is `gcra.decide` in Lua. `now` is the server's time, but handed in: on some servers a script that
asks for the time may not write. Keys expire by themselves; with another `maxmemory-policy` than `noeviction`
Redis may forget active limits.
"""

from collections.abc import Callable, Sequence

from gateway.consumers.rate_limit_rules import Limit, LimitKey
from gateway.rate_limits.gcra import LimitDecision, Reservation, Verdict
from gateway.rate_limits.memory_limits import LimitRequest, LimitResult, share_used
from gateway.redis.answer_forms import integer, items, optional, text
from gateway.redis.redis_store import RedisStore
from gateway.redis.script import Script

_SPEND = Script.of(
    """
local now, waited, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held, held_tat = tonumber(ARGV[4]), tonumber(ARGV[5])
local found = redis.call('MGET', unpack(KEYS))
local stored, tats, after = {}, {}, {}
local worst, longest, refused, reported = 0, 0, false, 0
for i = 1, #KEYS do
  local at = 1 + 5 * i
  local cost, tolerance = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local max_wait, reports = tonumber(ARGV[at + 2]), ARGV[at + 3] == '1'
  local tat = tonumber(found[i] or '0') or 0
  stored[i] = tat
  local next = math.max(tat, now) + cost
  local wait = next - tolerance - now
  if i ~= held and wait > cost + max_wait then
    tat = now + tolerance + max_wait
    next = tat + cost
    wait = cost + max_wait
  end
  tats[i] = tat
  after[i] = next
  if i == held then
    after[i] = tat
  elseif wait > 0 and reports then
    if wait > max_wait then
      after[i] = tat
      reported = 1
    end
  elseif wait > 0 then
    if wait > left or wait > max_wait - waited then refused = true end
    if wait > longest then worst, longest = i, wait end
  end
end
local verdict, granted = 0, {}
if worst > 0 then
  local reserved = after[worst]
  after = {unpack(tats)}
  if held > 0 and tats[held] == held_tat then
    after[held] = held_tat - tonumber(ARGV[1 + 5 * held])
  end
  verdict = 2
  if not refused then
    verdict = 1
    after[worst] = reserved
  end
end
for i = 1, #KEYS do
  local at = 1 + 5 * i
  granted[i] = 0
  if verdict == 0 and ARGV[at + 4] ~= '0' then
    local spare = math.floor((now + tonumber(ARGV[at + 1]) / 2 - after[i]) / tonumber(ARGV[at]))
    granted[i] = math.max(0, math.min(tonumber(ARGV[at + 4]), spare))
    after[i] = after[i] + granted[i] * tonumber(ARGV[at])
  end
  if after[i] ~= stored[i] then
    local life = math.max(1, math.ceil((after[i] - now) / 1000) + 1000)
    redis.call('SET', KEYS[i], string.format('%d', after[i]), 'PX', string.format('%d', life))
  end
end
for i = 1, #KEYS do after[#KEYS + i] = granted[i] end
return {verdict, worst - 1, longest, reported, unpack(after)}
""",
    items(integer, 6),
)

_RELEASE = Script.of(
    """
local tat = redis.call('GET', KEYS[1])
if tat == ARGV[1] then
  redis.call('SET', KEYS[1], string.format('%d', tonumber(tat) - tonumber(ARGV[2])), 'KEEPTTL')
end
return 1
""",
    integer,
)


_READ = Script.of(
    """
return redis.call('MGET', unpack(KEYS))
""",
    items(optional(text)),
)


class RedisLimits:
    """A `LimitStore`. `clock` gives the server's time in seconds since the epoch."""

    def __init__(self, store: RedisStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def spend(self, request: LimitRequest) -> LimitResult:
        """One round trip, whatever the number of limits."""
        return (await self.spend_more(request, [0] * len(request.keys)))[0]

    async def spend_more(
        self, request: LimitRequest, batches: Sequence[int]
    ) -> tuple[LimitResult, list[int]]:
        """Also spend up to a batch of requests of each limit in advance; returns how many these were.

        Only what remains above half of the burst is given in advance.
        """
        keys, waited_us, left_us, held = request
        now = round(self._clock() * 1_000_000)
        args = [now, waited_us, left_us, held.which + 1 if held else 0, held.tat if held else 0]
        for (limit, _), batch in zip(keys, batches, strict=True):
            args += (limit.cost_us, limit.tolerance_us, limit.max_wait_us, int(limit.reports), batch)
        answer = await self._store.run(_SPEND, [redis_key(each) for each in keys], args)
        verdict, which, wait_us, reported, *rest = answer
        tats, granted = rest[: len(keys)], rest[len(keys) :]
        decision = LimitDecision(Verdict(verdict), which, wait_us, bool(reported), tats)
        return LimitResult(decision, now, keys), granted

    async def release(self, key: LimitKey, held: Reservation) -> None:
        await self._store.run(_RELEASE, [redis_key(key)], [held.tat, key.limit.cost_us])

    async def read_uses(self, limits: Sequence[Limit]) -> list[float]:
        """Over all replicas; what one has spent in advance counts as used."""
        if not limits:
            return []
        keys = [redis_key(LimitKey(limit, limit.key)) for limit in limits]
        found = await self._store.run(_READ, keys, [])
        now = round(self._clock() * 1_000_000)
        return [share_used(limit, int(tat or 0), now) for limit, tat in zip(limits, found, strict=True)]


def redis_key(key: LimitKey) -> str:
    """'billing/0:…' as 'limit:{billing}/0:…': a consumer's limits share one slot of a cluster."""
    consumer, _, rest = key.key.partition("/")
    return f"limit:{{{consumer}}}/{rest}"
