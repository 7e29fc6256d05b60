"""Records of keyed requests in Redis, for all replicas: leases, and writes that are still to be done.

A flight is a hash; beside it is a lease that expires by Redis' own clock. A flight without a lease is lost.
Key names are digests: no consumer, target or key can be read from them. What cannot be written is written
when the store is available again. Knows nothing of HTTP.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.background.loops import BackgroundLoops
from gateway.background.unwaited import UnwaitedTasks
from gateway.idempotency.claim_rules import ClaimState, Record, decode_answer
from gateway.idempotency.record_scripts import BEGIN, RELEASE, RENEW, SETTLE
from gateway.policy.idempotency_key import Claim
from gateway.redis.availability import StoreUnavailable, UnusableKey
from gateway.redis.late_writes import LateWrites
from gateway.redis.script import Script, ScriptStore

LEASE_SECONDS = 30.0
RENEW_SECONDS = 1.0
"""How long a claim may be missing that Redis forgot (FLUSHALL, eviction), and be made by another replica."""
_RENEW_SECONDS_MAX = LEASE_SECONDS / 3
_RENEWALS_MAX = 1000
"""For each second: with more claims in flight than that, each is renewed less often."""
_TOKENS_MAX = 8
_LATE_MS = 60_000


class Lease:
    """The right to send one claim.

    `tokens` are its own and those of earlier leases that may still be in Redis. `end` is the record to write,
    or None. `is_unsure` says that a script that begins the flight was not answered. `number` counts leases in
    the order in which they were made.
    """

    __slots__ = ("claim", "end", "is_lost", "is_unsure", "number", "timer", "tokens")

    def __init__(self, claim: Claim, number: int) -> None:
        self.claim = claim
        self.number = number
        self.tokens: tuple[str, ...] = (secrets.token_hex(16),)
        self.timer: asyncio.TimerHandle | None = None
        self.end: Record | None = None
        self.is_unsure = False
        self.is_lost = False

    @property
    def scope(self) -> str:
        """That of its claim."""
        return self.claim.scope

    def supersede(self, earlier: "Lease") -> None:
        """Whatever ends this one ends `earlier` as well, whose own end Redis does not have."""
        self.tokens = tuple(dict.fromkeys((*self.tokens, *earlier.tokens)))[:_TOKENS_MAX]
        self.is_unsure = self.is_unsure or earlier.is_unsure


class RedisRecords:
    """The records of all replicas.

    `find` returns this process's record of a scope, for the answers of late writes; `on_written` is called
    once Redis has it. `on_second_holder` is called if another replica has taken over a claim that is held
    here. At most `unwritten_max` records are queued; dropped ones read as unknown. `sleep` waits for some
    seconds.
    """

    def __init__(
        self,
        store: ScriptStore,
        *,
        ttl_seconds: float,
        unwritten_max: int,
        find: Callable[[str], Record | None],
        on_written: Callable[[str], None],
        on_second_holder: Callable[[], None] = lambda: None,
        loops: BackgroundLoops | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._store = store
        self._ttl_ms = round(ttl_seconds * 1000)
        self._lease_ms = round(lease_seconds * 1000)
        self._renew_seconds = renew_seconds
        self._find = find
        self._on_written = on_written
        self._on_second_holder = on_second_holder
        self._leases = 0
        self._renewed: set[Lease] = set()
        self._unwritten: LateWrites[Lease] = LateWrites(
            self._write,
            unwritten_max,
            name="idempotency_writes",
            loops=loops if loops is not None else BackgroundLoops(),
            sleep=sleep,
        )
        self._tasks = UnwaitedTasks()

    def resize(self, ttl_seconds: float, unwritten_max: int) -> None:
        """Apply new bounds."""
        self._ttl_ms = round(ttl_seconds * 1000)
        self._unwritten.most = unwritten_max

    def lease(self, claim: Claim) -> Lease:
        """A lease that Redis does not know yet. It supersedes an earlier one that could not be taken back."""
        self._leases += 1
        lease = Lease(claim, self._leases)
        earlier = self._unwritten.take(claim.scope)
        if earlier is not None:
            lease.supersede(earlier)
        return lease

    @property
    def is_available(self) -> bool:
        """Whether the store counts as available."""
        return self._store.state.available

    async def begin(self, lease: Lease) -> Record | None:
        """Begin a flight, or return the record that exists; one that cannot be read is an unknown outcome.

        Raises `StoreUnavailable`: it is then uncertain which; the same lease may be begun again.
        """
        try:
            found = await self._run(BEGIN, lease, *_describe(lease.claim), self._flight_ms, self._lease_ms)
        except UnusableKey:
            return _unknown_record(lease.claim)
        except BaseException:
            lease.is_unsure = True
            raise
        return None if found is None else _read_record(found, lease.claim)

    def keep_renewed(self, lease: Lease) -> None:
        """Renew the lease regularly, until it is settled or released."""
        self._renewed.add(lease)
        pause = max(self._renew_seconds, min(len(self._renewed) / _RENEWALS_MAX, _RENEW_SECONDS_MAX))
        lease.timer = asyncio.get_running_loop().call_later(pause, self._renew_soon, lease)

    async def settle(self, lease: Lease, end: Record | None) -> None:
        """Write the outcome, or take the flight back (None).

        Never fails: what cannot be written now is written later. A cancellation does not undo it either.
        """
        await asyncio.shield(self.settle_soon(lease, end))

    def settle_soon(self, lease: Lease, end: Record | None) -> asyncio.Task[None]:
        """The same, without waiting."""
        self._stop_renewing(lease)
        lease.end = end
        return self._tasks.start(self._write_or_queue(lease))

    async def close(self, seconds: float = 1.0) -> None:
        """Give writes under way `seconds`. What remains unwritten reads as unknown, never as free."""
        await self._tasks.close(seconds, self._unwritten.tasks)

    @property
    def _flight_ms(self) -> int:
        return self._ttl_ms + self._lease_ms

    async def _run(self, script: Script, lease: Lease, *args: bytes | str | int) -> Any:
        record = "idempotency:{" + lease.claim.scope + "}"
        keys = (record, record + ":lease", record + ":released")
        return await self._store.run(script, keys, (*args, *lease.tokens))

    def _renew_soon(self, lease: Lease) -> None:
        self.keep_renewed(lease)
        self._tasks.start(self._renew(lease))

    def _stop_renewing(self, lease: Lease) -> None:
        self._renewed.discard(lease)
        if lease.timer is not None:
            lease.timer.cancel()
            lease.timer = None

    async def _renew(self, lease: Lease) -> None:
        was_unsure, lease.is_unsure = lease.is_unsure, True  # until it is answered, it may still run
        try:
            renewed = await self._run(RENEW, lease, *_describe(lease.claim), self._flight_ms, self._lease_ms)
        except StoreUnavailable:
            return  # the next timer tries again
        lease.is_unsure = was_unsure
        if renewed == -1:
            self._lost(lease)

    async def _write_or_queue(self, lease: Lease) -> None:
        if await self._write(lease):
            return
        if lease.end is not None and lease.end.answer:  # this process's table bounds the bytes of answers
            lease.end = lease.end._replace(state=ClaimState.SPENT, answer=b"")
        self._unwritten.add(lease)

    async def _write(self, lease: Lease) -> bool:
        scope, end = lease.claim.scope, lease.end
        try:
            if end is None:
                await self._run(RELEASE, lease, _LATE_MS if lease.is_unsure else 0)
                return True
            if not end.answer:
                end = self._fuller(scope) or end
            fields = (*_describe(lease.claim), self._ttl_ms, end.state, end.status, end.answer)
            if await self._run(SETTLE, lease, *fields) == 1:
                self._on_written(scope)
            else:
                self._lost(lease)
        except StoreUnavailable:
            return False
        return True

    def _lost(self, lease: Lease) -> None:
        """Redis forgot the claim, and another replica has claimed it since: both may have sent."""
        self._stop_renewing(lease)
        if not lease.is_lost:
            lease.is_lost = True
            self._on_second_holder()

    def _fuller(self, scope: str) -> Record | None:
        record = self._find(scope)
        return record if record is not None and record.state is ClaimState.KEPT else None


def _describe(claim: Claim) -> tuple[str, str, str]:
    return claim.fingerprint_v1, claim.fingerprint, " ".join(claim.identities)


def _read_record(found: list[Any], claim: Claim) -> Record:
    """A record of this version or the previous one, which has no second fingerprint and no identities.

    One of another form says that something was begun, and no more.
    """
    state, fingerprint, status, answer, fingerprint_2, identities = (field or b"" for field in found[:6])
    try:
        record = Record(
            ClaimState(state.decode()),
            (fingerprint_2 or fingerprint).decode(),
            int(status),
            answer,
            bool(found[6]),
            tuple(identities.decode().split()),
        )
        if record.state is ClaimState.KEPT:
            decode_answer(answer)
    except ValueError:
        return _unknown_record(claim)
    return record


def _unknown_record(claim: Claim) -> Record:
    return Record(ClaimState.UNKNOWN, claim.fingerprint, identities=claim.identities)
