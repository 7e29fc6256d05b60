"""Which endings are definite, and which may have been done without anybody knowing (docs/design.md 4.7)."""

import asyncio

import pytest

from gateway.errors import FailurePhase, GatewayError, Refusal, UpstreamFailure
from gateway.repeat_guard.repeat_rules import (
    RepeatEnding,
    RepeatEvent,
    RepeatEvents,
    ending_of_error,
    ending_of_response,
    guard_full,
    in_flight,
    not_fetched,
    not_kept,
    shared_error,
    store_unavailable,
)

DEFINITE, OPEN, NOT_SENT = RepeatEnding.DEFINITE, RepeatEnding.OPEN, RepeatEnding.NOT_SENT


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 404, 408, 409, 422, 429, 499])
def test_what_twilio_decided_is_definite(status: int) -> None:
    assert {ending_of_response(status), ending_of_response(status, asks=True)} == {DEFINITE}


@pytest.mark.parametrize("status", [500, 501, 502, 504, 505, 511, 520, 599])
def test_a_5xx_may_have_come_after_the_deed(status: int) -> None:
    assert {ending_of_response(status), ending_of_response(status, asks=True)} == {OPEN}


def test_a_503_is_open_where_twilio_can_be_asked() -> None:
    assert (ending_of_response(503), ending_of_response(503, asks=True)) == (DEFINITE, OPEN)


@pytest.mark.parametrize("in_doubt", [False, True])
@pytest.mark.parametrize(
    ("phase", "ending"),
    [(FailurePhase.CONNECT, NOT_SENT), (FailurePhase.SENT, OPEN), (FailurePhase.RESPONSE, OPEN)],
)
def test_a_failure_says_by_its_phase(phase: FailurePhase, ending: RepeatEnding, *, in_doubt: bool) -> None:
    """A connection that was never made has sent nothing, whatever an earlier attempt did: see `in_doubt`."""
    assert ending_of_error(UpstreamFailure("upstream_lost", phase, ""), in_doubt=in_doubt) is ending


@pytest.mark.parametrize("error", [Refusal("queue_timeout", ""), asyncio.CancelledError(), OSError()])
def test_other_errors_are_open_if_bytes_were_sent(error: BaseException) -> None:
    assert ending_of_error(error, in_doubt=True) is OPEN
    assert ending_of_error(error, in_doubt=False) is NOT_SENT


REFUSALS = [
    (shared_error("upstream_lost"), 502, "repeat_unknown", ("Gateway-Outcome", "shared")),
    (shared_error("upstream_absent"), 502, "upstream_absent", ("Gateway-Outcome", "absent")),
    (not_kept(), 409, "repeat_not_kept", ("Gateway-Outcome", "shared")),
    (not_fetched("SM1"), 409, "repeat_not_kept", ("Gateway-Outcome", "found")),
    (in_flight(), 409, "repeat_in_flight", ("Retry-After", "1")),
    (guard_full(), 503, "repeat_guard_full", ("Retry-After", "5")),
    (store_unavailable(), 503, "store_unavailable", ("Retry-After", "1")),
]


@pytest.mark.parametrize(("error", "status", "slug", "field"), REFUSALS)
def test_a_repeat_is_told_what_its_client_needs(
    error: GatewayError, status: int, slug: str, field: tuple[str, str]
) -> None:
    assert isinstance(error, Refusal)
    assert (error.status, error.slug, error.headers) == (status, slug, (field,))


def test_a_wait_counts_once_however_often_it_begins_anew() -> None:
    counted: list[RepeatEvent] = []
    events = RepeatEvents(counted.append)
    for event in (RepeatEvent.WAITED, RepeatEvent.STORE_SLOW, RepeatEvent.WAITED, RepeatEvent.STORE_SLOW):
        events.count_once(event)
    assert counted == [RepeatEvent.WAITED, RepeatEvent.STORE_SLOW]
