"""The rate limiter (`docs/design.md` 4.6): a request is admitted, waits for its turn, or is refused with 429.

It knows waiting, refusals and what to do while the shared store is unavailable. Which limits apply is decided
by `consumers/rate_limit_rules.py`, the arithmetic is `gcra.py`, and the state is in a store.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from gateway.consumers.rate_limit_rules import Limit, LimitKey, LimitSet, select_limits
from gateway.errors import Refusal
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.rate_limits.destinations import find_destinations
from gateway.rate_limits.gcra import LimitDecision, Reservation, Verdict
from gateway.rate_limits.memory_limits import LimitRequest, LimitResult, LimitStore, MemoryLimits
from gateway.rate_limits.rate_limit_headers import write_fields, write_values
from gateway.redis.availability import StoreUnavailable

_SLUG = "rate_limited"
_SECOND_US = 1_000_000


class OnStoreFailure(StrEnum):
    """What to do while the shared store is unavailable: count in this process alone, or refuse."""

    LOCAL = "local"
    REFUSE = "refuse"


class Admission(NamedTuple):
    """`fields` are CRLF-ended header lines for the answer. `reported` is 'rate_limited' if a limit in report
    mode would have refused, else ''."""

    fields: bytes
    reported: str


ADMITTED = Admission(b"", "")
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
        self._releasing: set[asyncio.Task[None]] = set()

    def use_of(self, limit: Limit) -> float | None:
        """How much of a limit per consumer is used, from 0 to 1; None if only the store knows."""
        return self._memory.use_of(limit) if self._shared is None else None

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
                return Admission(fields, "")
        return await self.admit_keys(keys, deadline) if keys else ADMITTED

    async def admit_keys(self, keys: tuple[LimitKey, ...], deadline: float) -> Admission:
        """The same, for limits that are already selected."""
        started_at = self._clock()
        request = LimitRequest(keys, 0, max(0, int((deadline - started_at) * _SECOND_US)))
        if self._shared is None:
            store: LimitStore = self._memory
            result = self._memory.spend_now(request)
        else:
            store, result = await self._spend_shared(self._shared, request)
        if result.decision.verdict is not Verdict.ADMITTED:
            result = await self._wait(store, result, started_at, deadline)
        decision = result.decision
        fields = write_fields(result.keys, decision.tats, result.now)
        return Admission(fields, _SLUG if decision.reported else "")

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
        self, store: LimitStore, result: LimitResult, started_at: float, deadline: float
    ) -> LimitResult:
        """Wait while places are reserved. Raises `Refusal` when they are not."""
        while (decision := result.decision).verdict is Verdict.RESERVED:
            held = Reservation(decision.which, decision.tats[decision.which])
            try:
                await self._sleep(decision.wait_us / _SECOND_US)
            except BaseException:
                self._release_soon(store, result.keys[held.which], held)
                raise
            now = self._clock()
            waited_us, left_us = int((now - started_at) * _SECOND_US), int((deadline - now) * _SECOND_US)
            request = LimitRequest(result.keys, waited_us, max(0, left_us), held)
            if store is self._shared:
                store, result = await self._spend_shared(store, request)
            else:
                result = self._memory.spend_now(request)
        if decision.verdict is Verdict.REFUSED:
            raise _refuse(result, decision)
        return result

    def _release_soon(self, store: LimitStore, key: LimitKey, held: Reservation) -> None:
        """In a task of its own, because the task that waited is being cancelled."""
        task = asyncio.get_running_loop().create_task(_release(store, key, held))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)


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
    )
