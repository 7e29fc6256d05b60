"""The record of one event, from its first byte to its last: filled as it goes, finished exactly once.

It holds no query, no body, no phone number and no secret; observers make log, metrics and page of it.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class WebhookOutcome(StrEnum):
    """What an event came to."""

    RELAYED = "relayed"  # the service's answer went back
    REPEATED = "repeated"  # Twilio sent it again, and got the first answer
    FALLBACK = "fallback"  # the service could not answer; the route's fallback did
    UNANSWERED = "unanswered"  # the service could not answer: 502
    BAD_SIGNATURE = "bad_signature"
    NO_ROUTE = "no_route"
    TOO_LARGE = "too_large"
    SLOW = "slow"
    MALFORMED = "malformed"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"  # too many events of the route at once, or too many bytes of all
    HUNG_UP = "hung_up"
    FAILED = "failed"  # a fault in the gateway


class WebhookStep(NamedTuple):
    """One stretch of the timeline: `body`, `repeat`, `connect`, `service` or `pause`; times in seconds."""

    kind: str
    started_at: float
    seconds: float
    detail: str = ""


NO_ROUTE_LABEL = "{none}"


class WebhookEvent:
    """Mutable, one per request. Times are seconds on a monotonic clock, sizes are bytes.

    `reason` says why the service could not answer, or why verification failed. `would_refuse` is such a
    reason where the route only reports. `sid` is Twilio's id of the message or call, once it is verified.
    """

    __slots__ = (
        "account",
        "attempts",
        "bytes_in",
        "bytes_out",
        "ended_at",
        "ended_at_epoch",
        "finished",
        "method",
        "outcome",
        "reason",
        "replaced_urls",
        "request_id",
        "route",
        "secret",
        "service_seconds",
        "sid",
        "started_at",
        "status",
        "steps",
        "unreachable",
        "would_refuse",
    )

    def __init__(self, started_at: float, request_id: str) -> None:
        self.started_at = started_at
        self.ended_at = started_at
        self.ended_at_epoch = 0.0
        self.request_id = request_id
        self.route = NO_ROUTE_LABEL
        self.account = ""
        self.method = ""
        self.status = 0
        self.outcome = WebhookOutcome.FAILED
        self.reason = ""
        self.would_refuse = ""
        self.secret = ""
        self.sid = ""
        self.attempts = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.service_seconds = 0.0
        self.replaced_urls = 0
        self.unreachable: tuple[str, ...] = ()
        self.finished = False
        self.steps: list[WebhookStep] = []

    @property
    def seconds(self) -> float:
        """From the request's head to the end of its answer."""
        return self.ended_at - self.started_at

    def step(self, kind: str, started_at: float, now: float, detail: str = "") -> None:
        """Put a stretch that has ended on the timeline."""
        self.steps.append(WebhookStep(kind, started_at, now - started_at, detail))

    def finish(self, now: float, observe: Callable[["WebhookEvent"], None]) -> None:
        """Close the record and hand it to the observers. A second call is a fault in the gateway."""
        if self.finished:
            raise RuntimeError("an event was finished twice")
        self.finished = True
        self.ended_at = now
        self.ended_at_epoch = time.time()
        observe(self)
