"""What follows for a repeat from how its first request ended (docs/design.md 4.7). Pure.

An outcome is definite (Twilio answered 2xx, 3xx or 4xx, or nothing was sent), or open: lost, timed out,
unreadable, or a 5xx that may have come after the deed. A repeat of an open outcome is never sent.
"""

from collections.abc import Callable
from enum import StrEnum

from gateway.errors import FailurePhase, GatewayError, Refusal, UpstreamFailure

_OPEN_STATUSES = frozenset({500, 501, 502, 504})
SHARED_FIELD = b"Gateway-Outcome: shared\r\n"
"""The field line of an answer that was another request's."""
MAX_SECONDS = 3600.0
"""No outcome is kept longer than this after its request began, however often its callers ask."""


class RepeatEnding(StrEnum):
    """How a watched request ended."""

    DEFINITE = "definite"
    OPEN = "open"
    NOT_SENT = "not_sent"


class RepeatEvent(StrEnum):
    """What happened to a repeat; the values are labels of metrics."""

    WAITED = "waited"
    SHARED = "shared"
    IN_FLIGHT = "repeat_in_flight"
    FULL = "repeat_guard_full"
    REPORTED = "reported"
    STORE_SLOW = "store_slow"  # the store had to be asked again
    STORE_AWAY = "store_away"  # it was not asked: only this process guards
    STORE_UNAVAILABLE = "store_unavailable"  # so the create was refused
    SECOND_HOLDER = "second_holder"  # the store forgot, and another replica sent the same


class RepeatEvents:
    """The events of one request, each kind of wait only once."""

    __slots__ = ("_seen", "count")

    def __init__(self, count: Callable[[RepeatEvent], None]) -> None:
        self.count = count
        self._seen: tuple[RepeatEvent, ...] = ()

    def count_once(self, event: RepeatEvent) -> None:
        """Count it, unless this request had it before."""
        if event not in self._seen:
            self._seen = (*self._seen, event)
            self.count(event)


_OPEN, _DEFINITE = RepeatEnding.OPEN, RepeatEnding.DEFINITE  # slow to get at by name


def ending_of_response(status: int, *, asks: bool = False) -> RepeatEnding:
    """Of an answer of Twilio's. A 503 says that Twilio was busy, and is definite unless it can be asked."""
    is_open = status in _OPEN_STATUSES or status > 504 or (asks and status == 503)
    return _OPEN if is_open else _DEFINITE


def ending_of_error(error: BaseException, *, in_doubt: bool) -> RepeatEnding:
    """Of a request that has no answer. `in_doubt`: bytes were sent that Twilio may have acted on."""
    if isinstance(error, UpstreamFailure) and error.phase is FailurePhase.CONNECT:
        return RepeatEnding.NOT_SENT
    if isinstance(error, UpstreamFailure) or in_doubt:
        return RepeatEnding.OPEN
    return RepeatEnding.NOT_SENT


def shared_error(slug: str) -> GatewayError:
    """The failure again, for a repeat."""
    if slug == "upstream_absent":
        return Refusal(
            slug,
            "The same request was sent before; its answer was lost, and Twilio has no trace of it. "
            "Nothing was sent again (repeat_guard.after_absent is hold); Gateway-Repeat: allow sends it.",
            headers=(("Gateway-Outcome", "absent"),),
        )
    return Refusal(
        "repeat_unknown",
        f"The same request was sent moments ago and ended with {slug}; its outcome is unknown. "
        "Nothing was sent again: look whether it was done. Gateway-Repeat: allow sends it all the same.",
        headers=(("Gateway-Outcome", "shared"),),
    )


def not_kept() -> Refusal:
    """For a repeat of a request whose answer was too large to keep."""
    return Refusal(
        "repeat_not_kept",
        "The same request was done moments ago, and its answer was too large to keep. "
        "Nothing was sent again: look the result up, or send Gateway-Repeat: allow.",
        headers=(("Gateway-Outcome", "shared"),),
    )


def not_fetched(sid: str) -> Refusal:
    """For a repeat of a request that Twilio was found to have done, where its resource cannot be read now."""
    return Refusal(
        "repeat_not_kept",
        f"The same request was done and made {sid}, which could not be read now. "
        "Nothing was sent again: look it up, or send Gateway-Repeat: allow.",
        headers=(("Gateway-Outcome", "found"),),
    )


def in_flight() -> Refusal:
    """For a repeat whose deadline passed while the first request had no answer."""
    return Refusal(
        "repeat_in_flight",
        "The same request is on its way and has no answer yet. Nothing was sent again: ask again shortly.",
        headers=(("Retry-After", "1"),),
    )


def store_unavailable() -> Refusal:
    """For a create that cannot be entered in the shared store."""
    return Refusal(
        "store_unavailable",
        "Creates are guarded against repeats in the shared store, which is unavailable; nothing was sent.",
        headers=(("Retry-After", "1"),),
    )


def guard_full() -> Refusal:
    """Where no intent can be remembered without forgetting one whose outcome is open."""
    return Refusal(
        "repeat_guard_full",
        "Too many requests with an open outcome are remembered, and none may be forgotten; nothing was sent.",
        headers=(("Retry-After", "5"),),
    )
