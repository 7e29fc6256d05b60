"""GCRA, the generic cell rate algorithm, over several limits at once: all pass, or none is spent. Pure.

A limit's whole state is one moment, the *theoretical arrival time* (tat): when all that was admitted would
have been done at the steady rate. A request conforms if that moment, its own cost added, is not further ahead
than the burst. All times are whole microseconds on one clock; a missing tat is 0. `limit_redis.py` says the
same in Lua, and a test compares the two.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from gateway.consumers.rate_limit_rules import Limit, LimitKey


class Verdict(IntEnum):
    """What became of a request; the numbers are the script's."""

    ADMITTED = 0
    RESERVED = 1
    REFUSED = 2


class Reservation(NamedTuple):
    """A place that was reserved: in which of the limits, and the tat it left there."""

    which: int
    tat: int


class LimitDecision(NamedTuple):
    """`tats` are the limits' new states. `which` limit has the longest wait, if any, and how long that is.

    RESERVED spends that limit alone: after `wait_us` its place is good, and the others are asked again.
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

    It may wait for a limit up to its `max_wait_us` less what it has `waited_us`, and `left_us` in all. What
    it has `held` is used if it is admitted, else given back. A limit in report mode spends what it would have
    let pass and hinders nothing.
    """
    after: list[int] = []
    worst, longest, is_refused, reported = -1, 0, False, False
    held_which = held.which if held is not None else -1
    for which, tat in enumerate(tats):
        limit = keys[which].limit
        start = tat if tat > now else now
        then = start + limit.cost_us
        wait = then - limit.tolerance_us - now
        if which == held_which:
            after.append(tat)
        elif wait <= 0:
            after.append(then)
        elif limit.reports:
            would_pass = wait <= limit.max_wait_us
            after.append(then if would_pass else tat)
            reported = reported or not would_pass
        else:
            after.append(then)
            is_refused = is_refused or wait > left_us or wait > limit.max_wait_us - waited_us
            if wait > longest:
                worst, longest = which, wait
    if worst < 0:
        return LimitDecision(Verdict.ADMITTED, -1, 0, reported, after)
    unspent = list(tats)
    if held is not None:
        unspent[held.which] = give_back(keys[held.which].limit, unspent[held.which], held.tat)
    if is_refused:
        return LimitDecision(Verdict.REFUSED, worst, longest, reported, unspent)
    unspent[worst] = after[worst]
    return LimitDecision(Verdict.RESERVED, worst, longest, reported, unspent)


def give_back(limit: Limit, tat: int, held_tat: int) -> int:
    """The tat without a reservation that is not used. Only the last in line can be taken out: those behind
    it have been told their moments, and a newcomer would be given one of these again."""
    return tat - limit.cost_us if tat == held_tat else tat


def tell_remaining(limit: Limit, tat: int, now: int) -> tuple[int, int]:
    """Units of weight that would pass at once, and microseconds until there is one more (0: all would)."""
    if tat <= now:
        return limit.tolerance_us // limit.unit_us, 0
    left = limit.tolerance_us - (tat - now)
    if left < 0:
        return 0, limit.unit_us - left
    units, part = divmod(left, limit.unit_us)
    return units, limit.unit_us - part
