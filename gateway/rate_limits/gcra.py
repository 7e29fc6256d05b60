"""GCRA, the generic cell rate algorithm, over several limits at once: all pass, or none is spent. Pure.

The whole state of a limit is one moment, the *theoretical arrival time* (tat): when all that was admitted
would have been done at the steady rate. A request conforms if that moment plus its own cost is no further
ahead than the burst. All times are whole microseconds on one clock; a missing tat is 0. `redis_limits.py` has
the same rules in Lua, and a test compares the two.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from gateway.consumers.rate_limit_rules import Limit, LimitKey


class Verdict(IntEnum):
    """The outcome for a request; the script uses the same numbers."""

    ADMITTED = 0
    RESERVED = 1
    REFUSED = 2


_ADMITTED: Final = Verdict.ADMITTED  # looked up once: an enumeration's members are slow to get at


class Reservation(NamedTuple):
    """A reserved place: the index of its limit, and the tat that the reservation left there."""

    which: int
    tat: int


class LimitDecision(NamedTuple):
    """`tats` are the new states. `which` is the limit with the longest wait, `wait_us` (if none, -1 and 0).

    RESERVED spends that limit alone: its place becomes valid after `wait_us`, when the others are checked
    again.
    """

    verdict: Verdict
    which: int
    wait_us: int
    reported: bool
    tats: list[int]


def decide(
    keys: Sequence[LimitKey],
    tats: Sequence[int],
    now: int,
    waited_us: int = 0,
    left_us: int = 0,
    held: Reservation | None = None,
) -> LimitDecision:
    """Admit a request now, reserve its place, or refuse it.

    It may wait `max_wait_us` for a limit, less what it has `waited_us`, and `left_us` in all. A place that it
    has `held` is used if it is admitted, else given back. A limit in report mode refuses nothing.
    """
    after: list[int] = []
    before = tats
    worst, longest, is_refused, reported = -1, 0, False, False
    held_which = held.which if held is not None else -1
    for which, tat in enumerate(tats):
        limit = keys[which].limit
        then = (tat if tat > now else now) + limit.cost_us
        wait = then - limit.tolerance_us - now
        if which == held_which:
            after.append(tat)
            continue
        if wait <= 0:
            after.append(then)
            continue
        if wait > limit.cost_us + limit.max_wait_us:
            # Further ahead than this limit ever gets: a clock was set back, or is ahead on another replica.
            tat = now + limit.tolerance_us + limit.max_wait_us
            before = [*before[:which], tat, *before[which + 1 :]]
            then, wait = tat + limit.cost_us, limit.cost_us + limit.max_wait_us
        if limit.reports:
            would_pass = wait <= limit.max_wait_us
            after.append(then if would_pass else tat)
            reported = reported or not would_pass
        else:
            after.append(then)
            is_refused = is_refused or wait > left_us or wait > limit.max_wait_us - waited_us
            if wait > longest:
                worst, longest = which, wait
    if worst < 0:
        return LimitDecision(_ADMITTED, -1, 0, reported, after)
    unspent = list(before)
    if held is not None:
        unspent[held.which] = give_back(keys[held.which].limit, unspent[held.which], held.tat)
    if not is_refused:
        unspent[worst] = after[worst]
    verdict = Verdict.REFUSED if is_refused else Verdict.RESERVED
    return LimitDecision(verdict, worst, longest, reported, unspent)


def give_back(limit: Limit, tat: int, held_tat: int) -> int:
    """The tat without an unused reservation.

    Only the last reservation can be removed: those behind it have been given their moments, and a newcomer
    would get one of these a second time.
    """
    return tat - limit.cost_us if tat == held_tat else tat


def remaining_units(limit: Limit, tat: int, now: int) -> tuple[int, int]:
    """Units of weight that would pass at once, and microseconds until there is one more (0 if all would)."""
    if tat <= now:
        return limit.tolerance_us // limit.unit_us, 0
    left = limit.tolerance_us - (tat - now)
    if left < 0:
        return 0, limit.unit_us - left
    units, part = divmod(left, limit.unit_us)
    return units, limit.unit_us - part
