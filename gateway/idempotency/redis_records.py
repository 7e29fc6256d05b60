"""Records of idempotent requests in Redis, for all replicas: scripts, leases, and what must still be written.

A flight is a hash and beside it a lease that expires by Redis's own clock; a flight without a lease was lost.
Key names are hashes of hashes: no consumer, target or key can be read in them. What could not be written is
written when the store is back. Knows nothing of HTTP.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.idempotency.claim_rules import ClaimState, Record
from gateway.policy.idempotency_key import Claim
from gateway.redis.availability import StoreUnavailable
from gateway.redis.redis_store import Script

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
_CATCH_UP_SECONDS = 0.5
_TOKENS_MAX = 8

# KEYS: record, lease. ARGV: the holder's token and the tokens it supersedes, after the numbered ones.
_MINE = """
local function mine(owner, first)
  for i = first, #ARGV do if ARGV[i] == owner then return true end end
  return false
end
local owner = redis.call('HGET', KEYS[1], 'owner')
"""
_BEGIN_FLIGHT = """
redis.call('HSET', KEYS[1], 'owner', ARGV[4], 'state', 'flight', 'fingerprint', ARGV[1],
  'status', 0, 'answer', '')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
"""
_BEGIN = Script.of(
    _MINE
    + """
if owner then
  local found = redis.call('HMGET', KEYS[1], 'state', 'fingerprint', 'status', 'answer')
  if found[1] ~= 'flight' or not mine(owner, 4) then
    found[5] = redis.call('EXISTS', KEYS[2])
    return found
  end
end
"""
    + _BEGIN_FLIGHT
    + "return false"
)
_RENEW = Script.of(
    _MINE
    + """
if owner and not (mine(owner, 4) and redis.call('HGET', KEYS[1], 'state') == 'flight') then return 0 end
"""
    + _BEGIN_FLIGHT
    + "return 1"
)
_SETTLE = Script.of(
    _MINE
    + """
if owner and not mine(owner, 6) then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[6], 'state', ARGV[3], 'fingerprint', ARGV[1], 'status', ARGV[4],
  'answer', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
)
_RELEASE = Script.of(
    _MINE
    + """
if owner and mine(owner, 1) and redis.call('HGET', KEYS[1], 'state') == 'flight' then
  redis.call('DEL', KEYS[1], KEYS[2])
end
return 1
"""
)


class RecordStore(Protocol):
    """What is used of `RedisStore`."""

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> Any: ...


class Lease:
    """The right to send one claim. `tokens` are its own and those of earlier tries that may lie in Redis;
    `end` is what is to be remembered, or None for nothing."""

    __slots__ = ("claim", "end", "timer", "tokens")

    def __init__(self, claim: Claim, supersedes: tuple[str, ...] = ()) -> None:
        self.claim = claim
        self.tokens = (secrets.token_hex(16), *supersedes)[:_TOKENS_MAX]
        self.timer: asyncio.TimerHandle | None = None
        self.end: Record | None = None


class RedisRecords:
    """`find` gives this process's record of a scope, for the answers of what is written late; `on_written`
    says that Redis has it. At most `unwritten_max` ends are queued; what is dropped reads as unknown."""

    def __init__(
        self,
        store: RecordStore,
        *,
        ttl_seconds: float,
        unwritten_max: int,
        find: Callable[[str], Record | None],
        on_written: Callable[[str], None],
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._store = store
        self._ttl_ms = round(ttl_seconds * 1000)
        self._lease_ms = round(lease_seconds * 1000)
        self._renew_seconds = renew_seconds
        self._unwritten_max = unwritten_max
        self._find = find
        self._on_written = on_written
        self._unwritten: OrderedDict[str, Lease] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._catching_up = False

    def resize(self, ttl_seconds: float, unwritten_max: int) -> None:
        """Other bounds from now on."""
        self._ttl_ms = round(ttl_seconds * 1000)
        self._unwritten_max = unwritten_max

    def lease(self, claim: Claim) -> Lease:
        """A lease not yet known to Redis; it supersedes what an earlier one could not take back."""
        earlier = self._unwritten.pop(claim.scope, None)
        return Lease(claim, earlier.tokens if earlier is not None else ())

    async def begin(self, lease: Lease) -> Record | None:
        """Take off, or tell what is there. Raises `StoreUnavailable`: then, nobody knows which it was."""
        found = await self._run(_BEGIN, lease, lease.claim.fingerprint, self._flight_ms, self._lease_ms)
        return None if found is None else _read_record(found)

    def keep_renewed(self, lease: Lease) -> None:
        """Renew the lease from time to time, until it is settled or released."""
        loop = asyncio.get_running_loop()
        lease.timer = loop.call_later(self._renew_seconds, self._renew_soon, lease)

    async def settle(self, lease: Lease, end: Record | None) -> None:
        """Write how it ended, or take the flight back (None).

        Never fails: what cannot be written now is written later. A cancellation does not undo it either.
        """
        await asyncio.shield(self.settle_soon(lease, end))

    def settle_soon(self, lease: Lease, end: Record | None) -> asyncio.Task[None]:
        """The same without waiting."""
        if lease.timer is not None:
            lease.timer.cancel()
            lease.timer = None
        lease.end = end
        return self._spawn(self._write_or_queue(lease))

    async def close(self, seconds: float = 1.0) -> None:
        """Give what is being written `seconds`. What is left unwritten reads as unknown, never as free."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _flight_ms(self) -> int:
        return self._ttl_ms + self._lease_ms

    async def _run(self, script: Script, lease: Lease, *args: bytes | str | int) -> Any:
        record = "gateway:idempotency:{" + lease.claim.scope + "}"
        return await self._store.run(script, (record, record + ":lease"), (*args, *lease.tokens))

    def _renew_soon(self, lease: Lease) -> None:
        self.keep_renewed(lease)
        self._spawn(self._renew(lease))

    async def _renew(self, lease: Lease) -> None:
        try:
            await self._run(_RENEW, lease, lease.claim.fingerprint, self._flight_ms, self._lease_ms)
        except StoreUnavailable:
            return  # the next turn of the timer tries again

    async def _write_or_queue(self, lease: Lease) -> None:
        if await self._write(lease):
            return
        if lease.end is not None and lease.end.answer:  # the process's own table bounds the bytes kept
            lease.end = lease.end._replace(state=ClaimState.SPENT, answer=b"")
        self._unwritten[lease.claim.scope] = lease
        if len(self._unwritten) > self._unwritten_max:
            self._unwritten.popitem(last=False)
        if not self._catching_up:
            self._catching_up = True
            self._spawn(self._catch_up())

    async def _write(self, lease: Lease) -> bool:
        scope, end = lease.claim.scope, lease.end
        try:
            if end is None:
                await self._run(_RELEASE, lease)
                return True
            if not end.answer:
                end = self._fuller(scope) or end
            fields = (end.fingerprint, self._ttl_ms, end.state, end.status, end.answer)
            if await self._run(_SETTLE, lease, *fields):
                self._on_written(scope)
        except StoreUnavailable:
            return False
        return True

    def _fuller(self, scope: str) -> Record | None:
        record = self._find(scope)
        return record if record is not None and record.state is ClaimState.KEPT else None

    async def _catch_up(self) -> None:
        """Write what is left, oldest first. A lease stays in the queue meanwhile, to be superseded."""
        while self._unwritten:
            scope, lease = next(iter(self._unwritten.items()))
            if not await self._write(lease):
                await asyncio.sleep(_CATCH_UP_SECONDS)
            elif self._unwritten.get(scope) is lease:
                del self._unwritten[scope]
        self._catching_up = False

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _read_record(found: list[Any]) -> Record:
    state, fingerprint, status, answer, leased = found
    return Record(ClaimState(state.decode()), fingerprint.decode(), int(status), answer, bool(leased))
