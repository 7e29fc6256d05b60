"""A POST with an Idempotency-Key is sent once (`docs/design.md` 4.7, ADR 6): repeats wait, or get a replay.

What follows from a record is decided in `claim_rules.py`. The table of this process comes first, Redis (if
there is one) second. Knows nothing of attempts: the holder of a claim reports its outcome, and a claim whose
outcome was not reported counts as unknown, never as free.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.background.loops import BackgroundLoops
from gateway.errors import Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.idempotency.claim_rules import (
    Begin,
    ClaimState,
    IdempotencyEvent,
    Record,
    decide_begin,
    decode_answer,
    in_flight,
    make_refusal,
    record_of,
    store_unavailable,
)
from gateway.idempotency.memory_records import MemoryRecords
from gateway.idempotency.redis_records import Lease, RedisRecords
from gateway.policy.idempotency_key import Claim
from gateway.redis.availability import StoreUnavailable
from gateway.redis.script import ScriptStore

_FIRST_POLL_SECONDS = 0.01
_MAX_POLL_SECONDS = 0.1
_CLAIM_AGAIN_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class IdempotencyOptions:
    """Sizes in bytes, times in seconds.

    `refuses` is `on_store_failure: refuse`.
    """

    ttl_seconds: float = 86_400
    max_bytes: int = 64 * 1024 * 1024
    max_entries: int = 100_000
    refuses: bool = False


class Idempotency:
    """One per process. `on_event` is called with each `IdempotencyEvent`; `sleep` waits for some seconds."""

    def __init__(
        self,
        options: IdempotencyOptions,
        clock: Callable[[], float],
        *,
        store: ScriptStore | None = None,
        loops: BackgroundLoops | None = None,
        on_event: Callable[[IdempotencyEvent], None] = lambda event: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.options = options
        self._on_event = on_event
        self._sleep = sleep
        self._memory = MemoryRecords(
            ttl_seconds=options.ttl_seconds,
            max_bytes=options.max_bytes,
            max_entries=options.max_entries,
            clock=clock,
            on_forgotten=lambda: on_event(IdempotencyEvent.FORGOTTEN),
        )
        self._shared: RedisRecords | None = None
        if store is not None:
            self._shared = RedisRecords(
                store,
                ttl_seconds=options.ttl_seconds,
                unwritten_max=options.max_entries,
                find=self._memory.find,
                on_written=self._memory.forget,
                loops=loops,
                on_second_holder=lambda: on_event(IdempotencyEvent.SECOND_HOLDER),
                sleep=sleep,
            )

    def apply(self, options: IdempotencyOptions) -> None:
        """Apply new bounds to the records that follow."""
        self.options = options
        self._memory.resize(options.ttl_seconds, options.max_bytes, options.max_entries)
        if self._shared is not None:
            self._shared.resize(options.ttl_seconds, options.max_entries)

    @property
    def entries(self) -> int:
        """Records in this process; with Redis, only those in flight or not yet written there."""
        return len(self._memory)

    @property
    def answer_bytes(self) -> int:
        """Bytes of answers kept in this process."""
        return self._memory.answer_bytes

    def hold(self, claim: Claim | None, *, deadline: float, in_doubt: Callable[[], bool]) -> "ClaimGuard":
        """Hold a claim while its request is sent; with None the guard does nothing.

        `deadline` is on the loop's clock. `in_doubt` returns whether anything was sent that may have been
        processed; it is called if the block ends with an exception.
        """
        return ClaimGuard(self, claim, deadline, in_doubt)

    async def close(self) -> None:
        """Finish what is being written. Call it when no exchange is left."""
        if self._shared is not None:
            await self._shared.close()

    async def _begin(self, claim: Claim, deadline: float) -> tuple[Lease | None, Response | None]:
        """The right to send, or the answer of the request that was sent. Raises `Refusal`."""
        loop = asyncio.get_running_loop()
        poll = _FIRST_POLL_SECONDS
        waited = False
        while True:
            record = self._memory.find(claim.scope)
            if record is not None and decide_begin(record, claim) is Begin.WAIT:
                waited = self._record_wait(waited)
                try:
                    async with asyncio.timeout_at(deadline):
                        await self._memory.wait_finished(claim.scope)
                except TimeoutError:
                    raise self._recorded(in_flight()) from None
                continue
            begin = decide_begin(record, claim)
            if begin is Begin.SEND:
                lease, record = await self._enter(claim, deadline)
                if record is None:
                    self._on_event(IdempotencyEvent.SENT)
                    return lease, None
                begin = decide_begin(record, claim)
            if record is not None and begin not in (Begin.WAIT, Begin.SEND):
                return None, self._replay(begin, record)
            waited = self._record_wait(waited)
            if loop.time() >= deadline:
                raise self._recorded(in_flight())
            await self._sleep(min(poll, max(deadline - loop.time(), 0)))
            poll = min(poll * 2, _MAX_POLL_SECONDS)

    async def _enter(self, claim: Claim, deadline: float) -> tuple[Lease | None, Record | None]:
        """Register the claim in memory, then in Redis. Returns the record if Redis already has one."""
        memory, shared = self._memory, self._shared
        memory.forget(claim.scope)  # a record of another consumer
        try:
            memory.begin(claim.scope)
        except Refusal as refusal:
            raise self._recorded(refusal) from None
        lease: Lease | None = None
        if shared is not None:
            lease = shared.lease(claim)
            try:
                record = await self._claim_shared(shared, lease, deadline)
            except BaseException:
                memory.finish(claim.scope, None)
                shared.settle_soon(lease, None)  # the script may have run nevertheless
                raise
            if record is not None:
                memory.finish(claim.scope, None)
                return None, record
            shared.keep_renewed(lease)
        memory.confirm(claim.scope, claim)
        return lease, None

    async def _claim_shared(self, shared: RedisRecords, lease: Lease, deadline: float) -> Record | None:
        """The record that Redis has, or None if this process now holds the claim.

        A claim without an answer is repeated until the deadline: it may or may not have been registered, and
        another replica may hold it. The memory of this process alone is used only once the store counts as
        unavailable (ADR 6).
        """
        loop = asyncio.get_running_loop()
        is_slow = False
        while True:
            try:
                return await shared.begin(lease)
            except StoreUnavailable:
                if not shared.is_available and not self.options.refuses:
                    self._on_event(IdempotencyEvent.STORE_AWAY)
                    return None
            if not is_slow:
                is_slow = True
                self._on_event(IdempotencyEvent.STORE_SLOW)
            if not shared.is_available or loop.time() + _CLAIM_AGAIN_SECONDS >= deadline:
                raise self._recorded(store_unavailable())
            await self._sleep(_CLAIM_AGAIN_SECONDS)

    async def _end(self, claim: Claim, lease: Lease | None, record: Record | None) -> None:
        self._memory.finish(claim.scope, record)
        if self._shared is not None and lease is not None:
            await self._shared.settle(lease, record)

    def _replay(self, begin: Begin, record: Record) -> Response:
        if begin is Begin.REPLAY:
            self._on_event(IdempotencyEvent.REPLAYED)
            return decode_answer(record.answer)
        raise self._recorded(make_refusal(begin, record))

    def _record_wait(self, before: bool) -> bool:
        if not before:
            self._on_event(IdempotencyEvent.WAITED)
        return True

    def _recorded(self, refusal: Refusal) -> Refusal:
        self._on_event(IdempotencyEvent(refusal.slug))
        return refusal


class ClaimGuard:
    """An async context manager. If `replay` is set, it is the answer; else send, and `keep` the answer.

    A block that ends without `keep`, `release` or `unknown` leaves the outcome unknown, unless an exception
    ends it while nothing is in doubt: then the claim is released. `waited_seconds` is the time to begin.
    """

    __slots__ = ("_claim", "_deadline", "_in_doubt", "_lease", "_open", "_owner", "replay", "waited_seconds")

    def __init__(
        self, owner: Idempotency, claim: Claim | None, deadline: float, in_doubt: Callable[[], bool]
    ) -> None:
        self._owner = owner
        self._claim = claim
        self._deadline = deadline
        self._in_doubt = in_doubt
        self._lease: Lease | None = None
        self._open = False
        self.replay: Response | None = None
        self.waited_seconds = 0.0

    async def __aenter__(self) -> Self:
        """Register the claim, wait for the first request, or raise `Refusal` (409, 422, 502, 503)."""
        if self._claim is not None:
            started_at = time.perf_counter()
            try:
                self._lease, self.replay = await self._owner._begin(self._claim, self._deadline)
            finally:
                self.waited_seconds = time.perf_counter() - started_at
            self._open = self.replay is None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._open:
            return
        if error is None or self._is_in_doubt(error):
            await self.unknown()
        else:
            await self.release()

    async def keep(self, answer: Response) -> Response:
        """Record an answer by its status, before anything is changed in it; returns it."""
        if self._claim is not None:
            record = record_of(answer, self._claim)
            try:
                await self._end(record)
            except BaseException:
                answer.close()  # cancelled while the record was written: the rest of the answer has no reader
                raise
        return answer

    async def unknown(self) -> None:
        """Record that the outcome is unknown."""
        if self._claim is not None:
            claim = self._claim
            await self._end(Record(ClaimState.UNKNOWN, claim.fingerprint, identities=claim.identities))

    async def release(self) -> None:
        """Nothing was sent: the key may be used again."""
        await self._end(None)

    def _is_in_doubt(self, error: BaseException) -> bool:
        return (isinstance(error, UpstreamFailure) and error.unknown) or self._in_doubt()

    async def _end(self, record: Record | None) -> None:
        if self._open and self._claim is not None:
            self._open = False
            await self._owner._end(self._claim, self._lease, record)
