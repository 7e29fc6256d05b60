"""What follows from looks: found, absent, or still open (docs/design.md 4.7). Pure; times in seconds.

Found needs exactly one candidate that is equal in all that is comparable, and no other create to the same
recipient that may have made it. Absent needs two looks without any candidate, of which the second began so
long after the attempt that whatever it started has been committed and is listed. It never follows after a
candidate that was seen and is gone: services delete their messages.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.outcome_resolution.listed_resources import Candidate
from gateway.policy.comparable_fields import is_equal

ABSENT_AFTER_SECONDS: Final = 15.0
"""From the attempt's end to the look that shows that nothing was created."""
APART_SECONDS: Final = 2.0
"""Between the two looks that have no candidate."""


class LookVerdict(StrEnum):
    """What is known after a look; the values are labels of metrics."""

    FOUND = "found"
    ABSENT = "absent"
    OPEN = "open"
    FAILED = "failed"
    """No list could be read; nothing follows."""
    REFUSED = "refused"
    """The account's keys may not read the list: Twilio cannot be asked."""


class Look(NamedTuple):
    """One look that was read to its end. `candidates` are those that no exchange owns.

    `started_at`: nothing that was listed later than that is missing for sure. `others` are other creates to
    the same recipient that are in flight or open. `misses` says that an earlier look had a candidate that no
    exchange owns to this day, and that is listed no more: it was deleted, or the list lags.
    """

    started_at: float
    is_wide: bool
    candidates: Sequence[Candidate]
    others: int
    misses: bool = False


class Judgement(NamedTuple):
    """`sid` of what was found; `empty_since` is when the first of the looks began that had no candidate."""

    verdict: LookVerdict
    sid: str = ""
    empty_since: float | None = None


def judge_look(
    look: Look, compared: str, key: bytes, *, ended_at: float | None, empty_since: float | None
) -> Judgement:
    """What follows from a look and those before it.

    `compared` are the digests of what was sent, by `key`. `ended_at` is None while the attempt is in flight.
    """
    if look.candidates:
        return Judgement(*_pick(look, compared, key))
    if look.misses:
        return Judgement(LookVerdict.OPEN)
    if ended_at is None or not look.is_wide or look.started_at < ended_at:
        return Judgement(LookVerdict.OPEN, empty_since=empty_since)
    if empty_since is None:
        return Judgement(LookVerdict.OPEN, empty_since=look.started_at)
    is_late = look.started_at >= ended_at + ABSENT_AFTER_SECONDS
    if is_late and look.started_at >= empty_since + APART_SECONDS:
        return Judgement(LookVerdict.ABSENT, empty_since=empty_since)
    return Judgement(LookVerdict.OPEN, empty_since=empty_since)


def _pick(look: Look, compared: str, key: bytes) -> tuple[LookVerdict, str]:
    if len(look.candidates) > 1 or look.others:
        return LookVerdict.OPEN, ""
    [candidate] = look.candidates
    # One that only the list for redacted recipients has may be to any of ten thousand numbers.
    is_it = candidate.exact and candidate.to_matches and is_equal(compared, candidate.comparable, key)
    return (LookVerdict.FOUND, candidate.sid) if is_it else (LookVerdict.OPEN, "")
