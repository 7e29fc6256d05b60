"""When to look next at what may have been created (docs/design.md 4.7). Pure; times in seconds.

Looks begin at once when an attempt ends open, and before that where its answer is late: from six seconds
before the deadline on, so that the caller may learn the outcome in time. While a caller waits they are close
together. Afterwards they become rare, and end after ten minutes.
"""

import math
from typing import Final

from gateway.outcome_resolution.look_verdict import ABSENT_AFTER_SECONDS, APART_SECONDS

BEFORE_DEADLINE_SECONDS: Final = 6.0
"""How long before its deadline an attempt in flight is looked for."""
LAST_LOOK_SECONDS: Final = 600.0
"""From the attempt's end to the last look."""
WIDE_AFTER_SECONDS: Final = ABSENT_AFTER_SECONDS - 2 * APART_SECONDS
"""From the attempt's end to the first look from which absence may follow."""
SHARE_OF_LIMIT: Final = 0.05
"""How much of an account's concurrency limit looks in the background may take."""
_IN_FLIGHT_EVERY: Final = 1.5
_WAITED_FOR: Final = (0.0, 0.5, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0)
_WAITED_FOR_EVERY: Final = 2.5
_BACKGROUND: Final = (0.0, 1.0, 3.0, 6.0, 11.0, 15.0, 20, 30, 45, 60, 90, 120, 180, 240, 300, 400, 500, 600)
_SLACK: Final = 0.05
"""A timer may be early by a little."""


def next_look(
    now: float,
    *,
    ended_at: float | None,
    deadline: float,
    looked_at: float | None,
    empty_since: float | None,
    waited_for: bool,
) -> float | None:
    """When the next look is due, None if there is no further one.

    `ended_at` is None while the attempt is in flight; it then ends by `deadline`. `waited_for`: a caller
    waits for the outcome.
    """
    if ended_at is None:
        first = deadline - BEFORE_DEADLINE_SECONDS
        return first if looked_at is None else max(first, looked_at + _IN_FLIGHT_EVERY)
    if looked_at is None or looked_at < ended_at:
        return ended_at
    since = looked_at - ended_at
    if empty_since is not None:
        decisive = max(ABSENT_AFTER_SECONDS, empty_since - ended_at + APART_SECONDS) + _SLACK
        if since < decisive:
            return ended_at + min(decisive, _after(since, waited_for=waited_for))
    if now >= ended_at + LAST_LOOK_SECONDS + 1:
        return None
    following = _after(since, waited_for=waited_for)
    return None if following > LAST_LOOK_SECONDS else ended_at + following


def is_wide(now: float, ended_at: float | None) -> bool:
    """Whether a look that begins now is to be one from which absence may follow."""
    return ended_at is not None and now >= ended_at + WIDE_AFTER_SECONDS


def background_looks(limit: float) -> int:
    """How many looks in the background an account may have at once."""
    return max(1, math.floor(limit * SHARE_OF_LIMIT))


def _after(since: float, *, waited_for: bool) -> float:
    """The next offset after one from the attempt's end."""
    offsets = _WAITED_FOR if waited_for else _BACKGROUND
    for offset in offsets:
        if offset > since + _SLACK:
            return offset
    return since + _WAITED_FOR_EVERY if waited_for else math.inf
