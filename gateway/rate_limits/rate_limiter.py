"""The rate limiter (`docs/design.md` 4.6): a request is admitted, waits for its turn, or is refused with 429.

It knows waiting, refusals and what to do while the shared store is unavailable. Which limits apply is decided
by `consumers/rate_limit_rules.py`, the arithmetic is `gcra.py`, and the state is in a store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.background.unwaited import UnwaitedTasks
from gateway.consumers.consumer import Consumer
from gateway.consumers.rate_limit_rules import Limit, LimitKey, LimitSet, Per, select_limits
from gateway.errors import Refusal
from gateway.policy.authorization import Grant
from gateway.policy.bodies import NO_BODY, Body
from gateway.rate_limits.destinations import find_destinations
from gateway.rate_limits.gcra import LimitDecision, Reservation, Verdict
from gateway.rate_limits.memory_limits import LimitRequest, LimitResult, LimitStore, MemoryLimits
from gateway.rate_limits.rate_limit_headers import write_fields, write_values
from gateway.redis.availability import StoreUnavailable

_SLUG: Final = "rate_limited"
_SECOND_US: Final = 1_000_000


class OnStoreFailure(StrEnum):
    """What to do while the shared store is unavailable: count in this process alone, or refuse."""

    LOCAL = "local"
    REFUSE = "refuse"


class Admission(NamedTuple):
    """`fields` are CRLF-ended header lines for the answer. `reported` is 'rate_limited' if a limit in report
    mode would have refused, else ''. `limit` is the name of the one that was waited for."""

    fields: bytes
    reported: str
    limit: str = ""


_new: Final = tuple.__new__  # what a NamedTuple's own constructor calls, for a third of what that costs
ADMITTED: Final = Admission(b"", "")
"""The result if no limit applies."""


class RateLimiter:
    """One per process. `clock` is that of deadlines (monotonic); `clock` and `sleep` are in seconds."""

    def __init__(
        self,
        memory: MemoryLimits,
        shared: LimitStore | None = None,
        *,
        on_store_failure: OnStoreFailure = OnStoreFailure.LOCAL,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._memory = memory
        self._shared = shared
        self.on_store_failure = on_store_failure
        """May be changed while running."""
        self._clock = clock
        self._sleep = sleep
        self._consumers: Mapping[str, Consumer] = {}
        self._sleeping: set[asyncio.Future[None]] = set()
        self._releasing = UnwaitedTasks()

    def apply(self, consumers: Mapping[str, Consumer], on_store_failure: OnStoreFailure) -> None:
        """Apply new limits, also to requests that wait for those that were replaced."""
        self.on_store_failure = on_store_failure
        self._consumers = consumers
        for sleeping in self._sleeping:
            sleeping.cancel()

    def use_of(self, limit: Limit) -> float | None:
        """How much of a limit per consumer is used, from 0 to 1; None if only the store knows."""
        return self._memory.use_of(limit) if self._shared is None else None

    async def read_uses(self, limits: LimitSet) -> dict[str, float]:
        """How much of each limit per consumer is used, from 0 to 1, by its name; of all replicas together,
        or of this one while the store is unavailable."""
        counted = [limit for limit in limits.limits if limit.per is Per.CONSUMER]
        try:
            uses = await (self._memory if self._shared is None else self._shared).read_uses(counted)
        except StoreUnavailable:
            uses = await self._memory.read_uses(counted)
        return {limit.name: used for limit, used in zip(counted, uses, strict=True)}

    async def admit(self, limits: LimitSet, grant: Grant, body: Body, deadline: float) -> Admission:
        """Spend the limits of a granted call, once per exchange; waits until `deadline` at most.

        Raises `Refusal` (rate_limited, store_unavailable). A cancelled wait gives its reservation back.
        """
        keys = limits.fixed
        if keys is None:
            keys = find_limits(limits, grant, body)
        elif limits.fields and self._shared is None:
            fields = self._memory.spend_fixed(limits)
            if fields is not None:
                return _new(Admission, (fields, "", ""))
        return await self.admit_keys(keys, deadline, grant, body) if keys else ADMITTED

    async def admit_keys(
        self,
        keys: tuple[LimitKey, ...],
        deadline: float,
        grant: Grant | None = None,
        body: Body = NO_BODY,
    ) -> Admission:
        """The same, for limits that are already selected; those of a `grant` may be replaced by a reload."""
        started_at = self._clock()
        request = LimitRequest(keys, 0, max(0, int((deadline - started_at) * _SECOND_US)))
        if self._shared is None:
            store: LimitStore = self._memory
            result = self._memory.spend_now(request)
        else:
            store, result = await self._spend_shared(self._shared, request)
        limit = ""
        if result.decision.verdict is not Verdict.ADMITTED:
            limit = result.keys[result.decision.which].limit.name
            waited = await self._wait(store, result, started_at, deadline, grant, body)
            if waited is None:
                return ADMITTED
            result = waited
        decision = result.decision
        fields = write_fields(result.keys, decision.tats, result.now)
        return Admission(fields, _SLUG if decision.reported else "", limit)

    async def _spend_shared(
        self, shared: LimitStore, request: LimitRequest
    ) -> tuple[LimitStore, LimitResult]:
        try:
            return shared, await shared.spend(request)
        except StoreUnavailable as error:
            if self.on_store_failure is OnStoreFailure.REFUSE:
                raise Refusal(
                    "store_unavailable",
                    "Rate limits cannot be checked at the moment; retry shortly.",
                    headers=(("Retry-After", "1"),),
                ) from error
        return self._memory, self._memory.spend_now(request._replace(held=None))

    async def _wait(
        self,
        store: LimitStore,
        result: LimitResult,
        started_at: float,
        deadline: float,
        grant: Grant | None,
        body: Body,
    ) -> LimitResult | None:
        """Wait while places are reserved. Raises `Refusal` when they are not.

        Returns None if a reload has removed the limits meanwhile.
        """
        while (decision := result.decision).verdict is Verdict.RESERVED:
            keys = result.keys
            held: Reservation | None = Reservation(decision.which, decision.tats[decision.which])
            assert held is not None
            try:
                replaced = await self._wait_until_due(decision.wait_us / _SECOND_US, keys, grant, body)
            except BaseException:
                self._release_soon(store, keys[held.which], held)
                raise
            if replaced is not None:
                await _release(store, keys[held.which], held)
                keys, held = replaced, None
                if not keys:
                    return None
            now = self._clock()
            waited_us, left_us = int((now - started_at) * _SECOND_US), int((deadline - now) * _SECOND_US)
            request = LimitRequest(keys, waited_us, max(0, left_us), held)
            if store is self._shared:
                store, result = await self._spend_shared(store, request)
            else:
                result = self._memory.spend_now(request)
        if decision.verdict is Verdict.REFUSED:
            raise _refuse(result, decision)
        return result

    async def _wait_until_due(
        self, seconds: float, keys: tuple[LimitKey, ...], grant: Grant | None, body: Body
    ) -> tuple[LimitKey, ...] | None:
        """Wait for a reserved place. Returns the limits that now apply, if a reload has changed them."""
        due = self._clock() + seconds
        while True:
            sleeping = asyncio.ensure_future(self._sleep(seconds))
            self._sleeping.add(sleeping)
            try:
                await asyncio.wait((sleeping,))
            finally:
                self._sleeping.discard(sleeping)
                sleeping.cancel()
            if not sleeping.cancelled():
                sleeping.result()
                return None
            if grant is not None and (current := self._find_current(grant, body)) != keys:
                return current
            seconds = max(0.0, due - self._clock())

    def _find_current(self, grant: Grant, body: Body) -> tuple[LimitKey, ...]:
        consumer = self._consumers.get(grant.consumer.name)
        if consumer is None or not set(consumer.identities) & set(grant.consumer.identities):
            consumer = grant.consumer  # removed: it keeps the limits that it came with
        fixed = consumer.limits.fixed
        return find_limits(consumer.limits, grant, body) if fixed is None else fixed

    def _release_soon(self, store: LimitStore, key: LimitKey, held: Reservation) -> None:
        """In a task of its own, because the task that waited is being cancelled."""
        self._releasing.start(_release(store, key, held))


def find_limits(limits: LimitSet, grant: Grant, body: Body) -> tuple[LimitKey, ...]:
    """The limits that apply to a granted call."""
    call = grant.call
    destinations = (
        find_destinations(call.method, grant.query, body, grant.route) if limits.by_destination else ()
    )
    return select_limits(
        limits, call.method, call.address.product, grant.path, grant.account.sid, destinations
    )


async def _release(store: LimitStore, key: LimitKey, held: Reservation) -> None:
    try:
        await store.release(key, held)
    except StoreUnavailable:
        return  # the reservation passes unused


def _refuse(result: LimitResult, decision: LimitDecision) -> Refusal:
    limit = result.keys[decision.which].limit
    seconds = max(1, -(-decision.wait_us // _SECOND_US))
    policy, remaining = write_values(result.keys, decision.tats, result.now)
    return Refusal(
        _SLUG,
        f"Limit {limit.name} ({limit.text}, per {limit.per}) is reached; retry in {seconds} s.",
        headers=(
            ("Retry-After", str(seconds)),
            ("RateLimit-Policy", policy.decode()),
            ("RateLimit", remaining.decode()),
        ),
        limit=limit.name,
    )
