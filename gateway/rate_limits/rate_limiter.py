"""The rate limits' gate (design 4.6): a request is let through, waits for its turn, or is refused with 429.

Knows waiting, refusing and what to do when the shared store is away; which limits there are is
`policy/limits`, the arithmetic is `gcra`, and the state is in a store.
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
from gateway.rate_limits.memory_limits import LimitRequest, LimitStore, MemoryLimits, Taken
from gateway.rate_limits.rate_limit_headers import write_fields, write_values
from gateway.redis.availability import StoreUnavailable

_SLUG = "rate_limited"
_SECOND_US = 1_000_000


class OnStoreFailure(StrEnum):
    """What to do while the shared store is away: count in this process alone, or refuse."""

    LOCAL = "local"
    REFUSE = "refuse"


class Admission(NamedTuple):
    """`fields` are CRLF-ended header lines for the answer. `reported` is 'rate_limited' if a limit in report
    mode would have refused, else ''."""

    fields: bytes
    reported: str


ADMITTED = Admission(b"", "")
"""Where there is no limit."""


class RateLimiter:
    """One per process. `clock` is the deadlines' (seconds, monotonic); `sleep` waits for so many seconds."""

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
        """How much of a limit per consumer is used up, 0 to 1; None if that is known to the store only."""
        return self._memory.use_of(limit) if self._shared is None else None

    async def admit(self, limits: LimitSet, grant: Grant, body: Body, deadline: float) -> Admission:
        """Spend the limits that a granted call falls under, once per exchange; waits at most to `deadline`.

        Raises `Refusal` (rate_limited, store_unavailable). A cancelled wait gives its place back.
        """
        keys = limits.fixed
        if keys is None:
            keys = find_limits(limits, grant, body)
        return await self.admit_keys(keys, deadline) if keys else ADMITTED

    async def admit_keys(self, keys: tuple[LimitKey, ...], deadline: float) -> Admission:
        """The same, for limits already selected."""
        began = self._clock()
        ask = LimitRequest(keys, 0, max(0, int((deadline - began) * _SECOND_US)))
        if self._shared is None:
            store: LimitStore = self._memory
            taken = self._memory.take_now(ask)
        else:
            store, taken = await self._take_shared(self._shared, ask)
        if taken.decision.verdict is not Verdict.ADMITTED:
            taken = await self._wait(store, taken, began, deadline)
        decision = taken.decision
        fields = write_fields(taken.keys, decision.tats, taken.now)
        return Admission(fields, _SLUG if decision.reported else "")

    async def _take_shared(self, shared: LimitStore, ask: LimitRequest) -> tuple[LimitStore, Taken]:
        try:
            return shared, await shared.take(ask)
        except StoreUnavailable as error:
            if self.on_store_failure is OnStoreFailure.REFUSE:
                raise Refusal(
                    "store_unavailable",
                    "The gateway cannot count this request now; try again shortly.",
                    headers=(("Retry-After", "1"),),
                ) from error
        return self._memory, self._memory.take_now(ask._replace(held=None))

    async def _wait(self, store: LimitStore, taken: Taken, began: float, deadline: float) -> Taken:
        """Wait for as long as places are reserved; raises `Refusal` when they are not."""
        while (decision := taken.decision).verdict is Verdict.RESERVED:
            held = Reservation(decision.which, decision.tats[decision.which])
            try:
                await self._sleep(decision.wait_us / _SECOND_US)
            except BaseException:
                self._release_soon(store, taken.keys[held.which], held)
                raise
            now = self._clock()
            waited_us, left_us = int((now - began) * _SECOND_US), int((deadline - now) * _SECOND_US)
            ask = LimitRequest(taken.keys, waited_us, max(0, left_us), held)
            if store is self._shared:
                store, taken = await self._take_shared(store, ask)
            else:
                taken = self._memory.take_now(ask)
        if decision.verdict is Verdict.REFUSED:
            raise _refuse(taken, decision)
        return taken

    def _release_soon(self, store: LimitStore, key: LimitKey, held: Reservation) -> None:
        """In a task of its own: the one that waited is being cancelled."""
        task = asyncio.get_running_loop().create_task(_release(store, key, held))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)


def find_limits(limits: LimitSet, grant: Grant, body: Body) -> tuple[LimitKey, ...]:
    """The limits that a granted call falls under."""
    call = grant.call
    destinations = find_destinations(call.method, grant.query, body) if limits.by_destination else ()
    return select_limits(
        limits, call.method, call.address.product, grant.path, grant.account.sid, destinations
    )


async def _release(store: LimitStore, key: LimitKey, held: Reservation) -> None:
    try:
        await store.release(key, held)
    except StoreUnavailable:
        return  # the place passes unused


def _refuse(taken: Taken, decision: LimitDecision) -> Refusal:
    limit = taken.keys[decision.which].limit
    seconds = max(1, -(-decision.wait_us // _SECOND_US))
    policy, remaining = write_values(taken.keys, decision.tats, taken.now)
    return Refusal(
        _SLUG,
        f"Limit {limit.name} ({limit.text}, per {limit.per}) is reached; try again in {seconds} s.",
        headers=(
            ("Retry-After", str(seconds)),
            ("RateLimit-Policy", policy.decode()),
            ("RateLimit", remaining.decode()),
        ),
    )
