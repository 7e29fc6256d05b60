"""A POST with an Idempotency-Key is sent once (design 4.7, ADR 6): who sends, who waits, who gets a replay.

What follows from a record is decided in `idempotency_rules.py`. The table of this process comes first, Redis
(where there is one) behind it. Knows nothing of attempts: whoever holds a claim says how it ended, and an end
that nobody told of counts as unknown, never as free.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

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
from gateway.idempotency.redis_records import Lease, RecordStore, RedisRecords
from gateway.policy.idempotency_key import Claim
from gateway.redis.availability import StoreUnavailable

_FIRST_POLL_SECONDS = 0.01
_MAX_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class IdempotencyOptions:
    """Sizes in bytes, times in seconds. `refuses` is `on_store_failure: refuse`; `releases_503` is
    `retry.post_on_503`, by which a 503 counts as not processed."""

    ttl_seconds: float = 86_400
    max_bytes: int = 64 * 1024 * 1024
    max_entries: int = 100_000
    refuses: bool = False
    releases_503: bool = False


class Idempotency:
    """One per process. `on_event` is called with each event."""

    def __init__(
        self,
        options: IdempotencyOptions,
        clock: Callable[[], float],
        *,
        store: RecordStore | None = None,
        on_event: Callable[[IdempotencyEvent], None] = lambda event: None,
    ) -> None:
        self.options = options
        self._on_event = on_event
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
            )

    def apply(self, options: IdempotencyOptions) -> None:
        """Other sizes and times for what is remembered from now on."""
        self.options = options
        self._memory.resize(options.ttl_seconds, options.max_bytes, options.max_entries)
        if self._shared is not None:
            self._shared.resize(options.ttl_seconds, options.max_entries)

    @property
    def entries(self) -> int:
        """Records in this process; with Redis, those in flight or not yet written there."""
        return len(self._memory)

    @property
    def answer_bytes(self) -> int:
        """Bytes of answers kept in this process."""
        return self._memory.answer_bytes

    def hold(self, claim: Claim | None, *, deadline: float, in_doubt: Callable[[], bool]) -> "ClaimGuard":
        """Hold a claim while it is sent; None holds nothing, and everything about it is free.

        `deadline` is by the loop's clock. `in_doubt` says whether anything was sent that may have been
        processed; it is asked if the block ends by an exception.
        """
        return ClaimGuard(self, claim, deadline, in_doubt)

    async def close(self) -> None:
        """End what is being written. Call it when no exchange is left."""
        if self._shared is not None:
            await self._shared.close()

    async def _begin(self, claim: Claim, deadline: float) -> tuple[Lease | None, Response | None]:
        """The right to send, or the answer of the one who did. Raises `Refusal`."""
        loop = asyncio.get_running_loop()
        poll = _FIRST_POLL_SECONDS
        waited = False
        while True:
            record = self._memory.find(claim.scope)
            if record is not None and decide_begin(record, claim.fingerprint) is Begin.WAIT:
                waited = self._record_wait(waited)
                try:
                    async with asyncio.timeout_at(deadline):
                        await self._memory.wait_finished(claim.scope)
                except TimeoutError:
                    raise self._recorded(in_flight()) from None
                continue
            lease: Lease | None = None
            if record is None:
                lease, record = await self._enter(claim)
                if record is None:
                    self._on_event(IdempotencyEvent.SENT)
                    return lease, None
            begin = decide_begin(record, claim.fingerprint)
            if begin is not Begin.WAIT:
                return None, self._replay(begin, record)
            waited = self._record_wait(waited)
            if loop.time() >= deadline:
                raise self._recorded(in_flight())
            await asyncio.sleep(min(poll, max(deadline - loop.time(), 0)))
            poll = min(poll * 2, _MAX_POLL_SECONDS)

    async def _enter(self, claim: Claim) -> tuple[Lease | None, Record | None]:
        """Enter a flight here, then in Redis; or the record that was found there."""
        memory, shared = self._memory, self._shared
        try:
            memory.begin(claim.scope)
        except Refusal as refusal:
            raise self._recorded(refusal) from None
        lease: Lease | None = None
        if shared is not None:
            lease = shared.lease(claim)
            try:
                record = await shared.begin(lease)
            except StoreUnavailable:
                self._on_event(IdempotencyEvent.STORE_AWAY)
                if self.options.refuses:
                    memory.finish(claim.scope, None)
                    shared.settle_soon(lease, None)
                    raise self._recorded(store_unavailable()) from None
                record = None  # this process's table is what is left (ADR 6)
            except BaseException:
                memory.finish(claim.scope, None)
                shared.settle_soon(lease, None)  # it may have been entered all the same
                raise
            if record is not None:
                memory.finish(claim.scope, None)
                return None, record
            shared.keep_renewed(lease)
        memory.confirm(claim.scope, claim.fingerprint)
        return lease, None

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
    """An async context manager. If `replay` is set, that is the answer; else send, and `keep` what comes.

    A block that is left without `keep`, `release` or `unknown` is remembered as unknown, unless an exception
    ends it while nothing is in doubt: that releases the claim. `waited_seconds` is what it took to begin.
    """

    __slots__ = ("_claim", "_deadline", "_in_doubt", "_lease", "_open", "_room", "replay", "waited_seconds")

    def __init__(
        self, room: Idempotency, claim: Claim | None, deadline: float, in_doubt: Callable[[], bool]
    ) -> None:
        self._room = room
        self._claim = claim
        self._deadline = deadline
        self._in_doubt = in_doubt
        self._lease: Lease | None = None
        self._open = False
        self.replay: Response | None = None
        self.waited_seconds = 0.0

    async def __aenter__(self) -> Self:
        """Take off, wait for the first, or raise `Refusal` (409, 422, 502, 503)."""
        if self._claim is not None:
            began = time.perf_counter()
            try:
                self._lease, self.replay = await self._room._begin(self._claim, self._deadline)
            finally:
                self.waited_seconds = time.perf_counter() - began
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
        """Remember what its status asks for, before anything is done to the answer; hands it back."""
        if self._claim is not None:
            record = record_of(answer, self._claim, releases_503=self._room.options.releases_503)
            try:
                await self._end(record)
            except BaseException:
                answer.close()  # cancelled while it was written: nobody will read the rest
                raise
        return answer

    async def unknown(self) -> None:
        """Remember that nobody can tell what became of it."""
        if self._claim is not None:
            await self._end(Record(ClaimState.UNKNOWN, self._claim.fingerprint))

    async def release(self) -> None:
        """Nothing was done: the key may be used again."""
        await self._end(None)

    def _is_in_doubt(self, error: BaseException) -> bool:
        return (isinstance(error, UpstreamFailure) and error.unknown) or self._in_doubt()

    async def _end(self, record: Record | None) -> None:
        if self._open and self._claim is not None:
            self._open = False
            await self._room._end(self._claim, self._lease, record)
