"""The record of one exchange, from its first byte to its last: filled as it goes, finished exactly once.

Observers read it; policies never see it. It holds no secret, no body, no query and no phone number.
"""

import random
from collections.abc import Callable
from enum import StrEnum


class Ending(StrEnum):
    """How the caller's side ended."""

    ANSWERED = "answered"
    ABORTED = "aborted"  # the answer had begun and could not be finished
    HUNG_UP = "hung_up"  # the caller left


class Exchange:
    """Mutable, one per request. Times are seconds on a monotonic clock, sizes are bytes."""

    __slots__ = (
        "account",
        "attempts",
        "began",
        "bytes_in",
        "bytes_out",
        "consumer",
        "ended",
        "ending",
        "failovers",
        "finished",
        "in_doubt",
        "label",
        "method",
        "product",
        "reported",
        "request_id",
        "retries",
        "signals",
        "slug",
        "status",
        "twilio_code",
        "twilio_request_id",
        "unknown",
        "upstream_seconds",
        "waited_seconds",
    )

    def __init__(self, began: float) -> None:
        self.began = began
        self.ended = began
        self.request_id = ""
        self.method = ""
        self.product = ""
        self.label = ""
        self.consumer = ""
        self.account = ""
        self.status = 0
        self.slug = ""
        self.twilio_code = 0
        self.twilio_request_id = ""
        self.attempts = 0
        self.failovers = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.upstream_seconds = 0.0
        self.waited_seconds = 0.0
        self.retries = 0
        self.signals = 0
        self.in_doubt = False
        self.reported = ""
        self.unknown = False
        self.ending = Ending.ANSWERED
        self.finished = False

    def finish(self, now: float, observe: Callable[["Exchange"], None]) -> None:
        """Close the record and hand it to the observers. A second call is a fault in the gateway."""
        if self.finished:
            raise RuntimeError("an exchange was finished twice")
        self.finished = True
        self.ended = now
        observe(self)


def new_request_id() -> str:
    """32 hex digits; not a secret."""
    return f"{random.getrandbits(128):032x}"
