"""What follows from an attempt's outcome (design 4.7), as one pure function over small values."""

import re
from enum import StrEnum
from typing import NamedTuple

from gateway.errors import Phase

AUTHENTICATE = 20003
"""Twilio's code for a key that it does not take; the request was not processed."""

_CODE = re.compile(rb'"code"\s*:\s*"?([0-9]{1,6})\b|<Code>([0-9]{1,6})</Code>')


class Outcome(NamedTuple):
    """How an attempt ended: with an answer (`status`, Twilio's `code` or 0), or by failing in a phase."""

    status: int = 0
    code: int = 0
    failed_in: Phase | None = None


class Decision(StrEnum):
    """What to do next."""

    HAND_BACK = "hand_back"
    NEXT_KEY = "next_key"


def is_replayable(method: str, *, instance: bool) -> bool:
    """Whether doing it twice is the same as doing it once (`method` is the effective one).

    PUT to an instance replaces one thing; PUT to a collection may create (RFC 9110 9.2.2, design 4.7).
    """
    return method in ("GET", "HEAD", "DELETE") or (method == "PUT" and instance)


def decide_attempt(outcome: Outcome, *, keys_left: int, resendable: bool) -> Decision:
    """The next step. `resendable` is False for a body that was streamed and is gone."""
    if outcome.status == 401 and outcome.code == AUTHENTICATE and keys_left > 0 and resendable:
        return Decision.NEXT_KEY
    return Decision.HAND_BACK


def read_code(body: bytes) -> int:
    """Twilio's error code in a JSON or XML body, 0 if there is none to be read."""
    match = _CODE.search(body, 0, 4096)
    return int(match[1] or match[2]) if match else 0
