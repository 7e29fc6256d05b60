"""What follows from an attempt's outcome (docs/design.md 4.7), as one pure function over small values."""

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.errors import FailurePhase
from gateway.http.content_coding import peek

AUTHENTICATE: Final = 20003
"""Twilio's code for a key that it does not take; the request was not processed."""
_SIGNAL_CODES: Final = frozenset({20429, 45780, 0})
"""429s that mean "too many at once", 0 for one without a readable code. Never processed (docs/facts.md)."""

RETRIED_STATUSES: Final = frozenset({401, 429, 502, 503, 504})
"""Answers with any other status are handed back, whatever else is known."""

_MOST_UNCODED: Final = 3
_NO_LIMIT: Final = 1 << 30

_LOOKED_AT_BYTES: Final = 4096
_CODE: Final = re.compile(rb'"code"\s*:\s*"?([0-9]{1,6})\b|<Code>([0-9]{1,6})</Code>')


class Outcome(NamedTuple):
    """How an attempt ended: with an answer (`status`, Twilio's `code` or 0), or by failing in a phase."""

    status: int = 0
    code: int = 0
    failed_in: FailurePhase | None = None

    @property
    def is_signal(self) -> bool:
        """Whether it may say that too many requests were at Twilio at once."""
        return self.status == 429 and self.code in _SIGNAL_CODES


class Situation(NamedTuple):
    """What is known of the exchange when an attempt ends.

    `replayable`: twice is the same as once. `resendable`: the body is still there (not streamed away).
    `signals`: how many signals this exchange met before.
    """

    replayable: bool
    resendable: bool = True
    product: str = "api"
    keys_left: int = 0
    signals: int = 0


class NextStep(StrEnum):
    """What to do next."""

    HAND_BACK = "hand_back"
    NEXT_KEY = "next_key"
    REQUEUE = "requeue"  # wait at the head of the queue, without backoff and outside the budget
    RETRY = "retry"  # after a backoff, if the budget allows it


def is_replayable(method: str, *, instance: bool) -> bool:
    """Whether doing it twice is the same as doing it once (`method` is the effective one).

    PUT to an instance replaces one thing; PUT to a collection may create (RFC 9110 9.2.2, docs/design.md
    4.7).
    """
    return method in ("GET", "HEAD", "DELETE") or (method == "PUT" and instance)


def decide_attempt(outcome: Outcome, situation: Situation) -> NextStep:
    """The table of docs/design.md 4.7."""
    if not situation.resendable:
        return NextStep.HAND_BACK
    if outcome.failed_in is not None:
        safe = situation.replayable or outcome.failed_in is FailurePhase.CONNECT
        return NextStep.RETRY if safe else NextStep.HAND_BACK
    if outcome.status == 401 and outcome.code == AUTHENTICATE and situation.keys_left > 0:
        return NextStep.NEXT_KEY
    if outcome.is_signal:
        return (
            NextStep.HAND_BACK if situation.signals >= _most_signals(outcome, situation) else NextStep.REQUEUE
        )
    if outcome.status in (502, 503, 504) and situation.replayable:
        return NextStep.RETRY
    return NextStep.HAND_BACK


def _most_signals(outcome: Outcome, situation: Situation) -> int:
    """How often an exchange waits on after a signal: until its deadline, if the code is clear."""
    if situation.product == "verify":
        return 1  # a 20429 may be an attempt cap there, which no waiting lifts
    return _MOST_UNCODED if outcome.code == 0 else _NO_LIMIT


def shrinks_limit(outcome: Outcome, product: str) -> bool:
    """Whether the governor takes an answer for a signal; on Verify it cannot know."""
    return outcome.is_signal and product != "verify"


def may_have_been_done(outcome: Outcome) -> bool:
    """Whether a failed attempt may have had its effect all the same."""
    if outcome.failed_in is not None:
        return outcome.failed_in is not FailurePhase.CONNECT
    return outcome.status in (500, 502, 503, 504)


def backoff_seconds(
    retry: int, first: float, longest: float, chance: Callable[[float, float], float]
) -> float:
    """Full jitter: anything from nothing to a bound that doubles with each retry (0 is the first)."""
    return chance(0.0, min(longest, first * 2**retry))


def read_retry_after(value: str, now: float) -> float:
    """Seconds to wait by a Retry-After field (RFC 9110 10.2.3), 0 without a sane one.

    `now` is in seconds since the epoch.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return 0.0
    return max(0.0, moment.timestamp() - now) if moment.tzinfo is not None else 0.0


def read_code(body: bytes) -> int:
    """Twilio's error code in a JSON or XML body, plain or compressed, 0 if there is none to be read.

    The SDKs accept gzip, so that a longer error comes compressed.
    """
    match = _CODE.search(peek(body, _LOOKED_AT_BYTES), 0, _LOOKED_AT_BYTES)
    return int(match[1] or match[2]) if match else 0
