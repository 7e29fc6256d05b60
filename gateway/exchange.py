"""The record of one exchange, from its first byte to its last: filled as it goes, finished exactly once.

Observers read it; policies never see it. It holds no secret, no body, no query and no phone number.
"""

import random
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple


class Ending(StrEnum):
    """How the caller's side ended."""

    ANSWERED = "answered"
    ABORTED = "aborted"  # the answer had begun and could not be finished
    HUNG_UP = "hung_up"  # the caller left


class PhaseKind(StrEnum):
    """What an exchange spent a stretch of its time on."""

    LIMIT = "limit"  # waited for a rate limit of the gateway
    QUEUE = "queue"  # waited for a slot of the account
    ATTEMPT = "attempt"  # was at Twilio
    BACKOFF = "backoff"  # waited before the next attempt
    LOOK = "look"  # asked Twilio whether the create was done


# Asked for by name, a member costs 1,000 instructions.
_ANSWERED: Final = Ending.ANSWERED
_ATTEMPT: Final = PhaseKind.ATTEMPT


class Phase(NamedTuple):
    """One stretch of an exchange's timeline. `started_at` is on the exchange's clock, both times in seconds.

    Of an attempt: `status` and Twilio's `code`, or 0 and the phase it `failed` in ('' with status 0: given up
    under way); `key` is the masked SID of the key it was sent with, and `then` what followed:
    '', 'retry', 'requeue' or 'next_key' (`retry/retry_policy.py`). `reason` says why Twilio could not be
    reached (`upstream/upstream_failures.py`). Of a look: the list's `status`, and what followed as `then`
    (`outcome_resolution/look_verdict.py`).
    """

    kind: PhaseKind
    started_at: float
    seconds: float
    status: int = 0
    code: int = 0
    failed: str = ""
    key: str = ""
    then: str = ""
    reason: str = ""


_new: Final = tuple.__new__  # what a NamedTuple's own constructor calls, for a third of what that costs


class Trace(NamedTuple):
    """An exchange's place in a trace, in lower-case hexadecimal digits: 32 of the trace, 16 of a span.

    `parent_id` is the caller's span, '' if the trace begins here; `span_id` is ours, '' while tracing is off.
    `sampled` says whether spans are to be made.
    """

    trace_id: str
    parent_id: str = ""
    span_id: str = ""
    sampled: bool = False


UNKNOWN_SDK: Final = "other"
"""The SDK of a caller that uses none that is known, or does not say so."""

CONCURRENCY: Final = "concurrency"
"""The name of the learned limit on requests in flight, which delays where no rate limit does."""

OWN_PRODUCT: Final = "gateway"
"""The product of what the gateway answers itself, `/-/usage`: traffic, but none of Twilio's."""

_MIN_WAIT_SECONDS: Final = 0.001  # anything shorter is overhead of the call, not a wait


class Exchange:
    """Mutable, one per request. Times are seconds on a monotonic clock, sizes are bytes.

    `ended_at_epoch` is the wall clock's, in seconds since the epoch. `caller_seconds` was spent waiting for
    the caller: its body, its reading, the outcome of its first request with the same Idempotency-Key.
    `credential` and `key` name what it was sent with, neither of them a secret. `segments` is what a message
    that was sent counts for, `country` where it goes, as far as its calling code tells.
    `sdk` is the caller's client library and its version (`http/user_agent.py`).
    `address` is where it came from. `consumer_key` is the beginning of the digest of the consumer's key;
    `former_consumer` says whose it was, if it is valid no more.
    `resource_sid` is what the path addresses, `created_sid` what the answer to a create names; both as they
    may be shown (`policy/named_sids.py`). `rule` is what allowed or refused it and `limit` what delayed or
    refused it, by their names in the configuration. `outcome` is what Gateway-Outcome says of it, '' for
    definite; that flag marks an `unknown` one. `dropped` are names of header fields that
    were not sent on (lower case); they are a caller's bytes, and only `label_dropped` makes labels of them.
    `ignored` says why fields were neither read nor sent on, one reason a field (`DropReason`).
    """

    __slots__ = (
        "account",
        "address",
        "attempts",
        "backoff_seconds",
        "bytes_in",
        "bytes_out",
        "caller_seconds",
        "consumer",
        "consumer_key",
        "country",
        "created_sid",
        "credential",
        "dropped",
        "ended_at",
        "ended_at_epoch",
        "ending",
        "failovers",
        "finished",
        "former_consumer",
        "ignored",
        "in_doubt",
        "key",
        "label",
        "limit",
        "method",
        "outcome",
        "product",
        "queued_seconds",
        "reason",
        "reported",
        "request_id",
        "resource_sid",
        "retries",
        "rule",
        "sdk",
        "segments",
        "signals",
        "slug",
        "started_at",
        "status",
        "steps",
        "trace",
        "twilio_code",
        "twilio_request_id",
        "unknown",
        "upstream_seconds",
    )

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.ended_at = started_at
        self.ended_at_epoch = 0.0
        self.request_id = ""
        self.method = ""
        self.product = ""
        self.reason = ""
        self.label = ""
        self.consumer = ""
        self.credential = ""
        self.account = ""
        self.address = ""
        self.consumer_key = ""
        self.former_consumer = ""
        self.resource_sid = ""
        self.created_sid = ""
        self.rule = ""
        self.limit = ""
        self.outcome = ""
        self.key = ""
        self.status = 0
        self.slug = ""
        self.twilio_code = 0
        self.twilio_request_id = ""
        self.attempts = 0
        self.failovers = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.upstream_seconds = 0.0
        self.queued_seconds = 0.0
        self.backoff_seconds = 0.0
        self.caller_seconds = 0.0
        self.retries = 0
        self.sdk = UNKNOWN_SDK
        self.ignored: tuple[str, ...] = ()
        self.segments = 0
        self.country = ""
        self.dropped: tuple[bytes, ...] = ()
        self.signals = 0
        self.in_doubt = False
        self.reported = ""
        self.unknown = False
        self.ending = _ANSWERED
        self.finished = False
        self.trace: Trace | None = None
        self.steps: list[Phase] = []

    def record_queue(self, kind: PhaseKind, started_at: float, now: float) -> None:
        """It waited for its turn: for a slot, or for a rate limit."""
        seconds = now - started_at
        self.queued_seconds += seconds
        if seconds >= _MIN_WAIT_SECONDS:
            self.steps.append(Phase(kind, started_at, seconds))
            if kind is PhaseKind.QUEUE:
                self.limit = self.limit or CONCURRENCY

    def record_backoff(self, started_at: float, seconds: float) -> None:
        """It is going to wait before its next attempt."""
        self.backoff_seconds += seconds
        if seconds >= _MIN_WAIT_SECONDS:
            self.steps.append(Phase(PhaseKind.BACKOFF, started_at, seconds))

    def record_attempt(
        self, started_at: float, now: float, status: int, code: int, failed: str, then: str, reason: str = ""
    ) -> None:
        """An attempt has ended, as `Phase` says."""
        seconds = now - started_at
        self.upstream_seconds += seconds
        self.steps.append(
            _new(Phase, (_ATTEMPT, started_at, seconds, status, code, failed, self.key, then, reason))
        )

    def record_look(self, started_at: float, now: float, status: int, then: str) -> None:
        """Twilio was asked whether the create was done. Its time is counted by who waits for it."""
        self.steps.append(Phase(PhaseKind.LOOK, started_at, now - started_at, status, then=then))

    @property
    def told_outcome(self) -> str:
        """What is known of its effect: '' (definite), unknown, shared, found, absent, done."""
        return self.outcome or ("unknown" if self.unknown else "")

    @property
    def seconds(self) -> float:
        """From the request's head to the end of its answer."""
        return self.ended_at - self.started_at

    @property
    def status_class(self) -> int:
        """2 to 5. A caller that left before the answer counts as nginx's 499, an aborted answer as 5."""
        return self.status // 100 or (4 if self.ending is Ending.HUNG_UP else 5)

    @property
    def overhead_seconds(self) -> float:
        """Time spent in the gateway itself, excluding Twilio, queues, backoff and slow callers."""
        elsewhere = self.upstream_seconds + self.queued_seconds + self.backoff_seconds + self.caller_seconds
        return max(0.0, self.ended_at - self.started_at - elsewhere)

    def finish(self, now: float, observe: Callable[["Exchange"], None]) -> None:
        """Close the record and hand it to the observers. A second call is a fault in the gateway."""
        if self.finished:
            raise RuntimeError("an exchange was finished twice")
        self.finished = True
        self.ended_at = now
        self.ended_at_epoch = time.time()
        observe(self)


def new_request_id() -> str:
    """32 hex digits; not a secret."""
    return f"{random.getrandbits(128):032x}"
