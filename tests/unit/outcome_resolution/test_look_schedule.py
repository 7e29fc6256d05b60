"""When to look: close together while a caller waits, rarely afterwards, and not for ever."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.outcome_resolution.look_schedule import (
    BEFORE_DEADLINE_SECONDS,
    LAST_LOOK_SECONDS,
    background_looks,
    is_wide,
    next_look,
)
from gateway.outcome_resolution.look_verdict import ABSENT_AFTER_SECONDS, APART_SECONDS

ENDED, DEADLINE = 100.0, 125.0


def looks_until_absent(*, waited_for: bool, late: float = 0.0) -> list[float]:
    """Offsets of the looks at something that Twilio does not have; each begins `late` seconds late."""
    offsets: list[float] = []
    looked_at = empty_since = None
    while True:
        due = next_look(
            looked_at or ENDED,
            ended_at=ENDED,
            deadline=DEADLINE,
            looked_at=looked_at,
            empty_since=empty_since,
            waited_for=waited_for,
        )
        assert due is not None
        looked_at = due + late
        offsets.append(looked_at - ENDED)
        if is_wide(looked_at, ENDED):
            if empty_since is not None and looked_at - empty_since >= APART_SECONDS and offsets[-1] >= 15:
                return offsets
            empty_since = empty_since or looked_at


def test_a_caller_learns_of_absence_as_soon_as_it_is_certain() -> None:
    offsets = looks_until_absent(waited_for=True)
    assert offsets[0] == 0
    assert ABSENT_AFTER_SECONDS <= offsets[-1] < ABSENT_AFTER_SECONDS + 0.2
    assert len(offsets) < 12


@given(st.booleans(), st.floats(0, 1.5))
def test_late_looks_delay_absence_and_do_not_prevent_it(waited_for: bool, late: float) -> None:
    assert looks_until_absent(waited_for=waited_for, late=late)[-1] < ABSENT_AFTER_SECONDS + 8


def in_flight(looked_at: float | None) -> float | None:
    return next_look(
        0.0, ended_at=None, deadline=DEADLINE, looked_at=looked_at, empty_since=None, waited_for=True
    )


def test_an_attempt_in_flight_is_looked_for_from_six_seconds_before_its_deadline() -> None:
    assert in_flight(None) == DEADLINE - BEFORE_DEADLINE_SECONDS
    assert in_flight(DEADLINE - 6) == DEADLINE - 4.5


@given(st.floats(0, 700), st.booleans(), st.one_of(st.none(), st.floats(0, 700)))
def test_looks_never_come_at_once_again_and_end(since: float, waited_for: bool, empty: float | None) -> None:
    due = next_look(
        ENDED + since,
        ended_at=ENDED,
        deadline=DEADLINE,
        looked_at=ENDED + since,
        empty_since=None if empty is None else ENDED + min(empty, since),
        waited_for=waited_for,
    )
    if due is not None:
        last = LAST_LOOK_SECONDS if empty is None else max(LAST_LOOK_SECONDS, min(empty, since) + 2.1)
        assert ENDED + since + 0.04 < due <= ENDED + last
    else:
        assert since >= LAST_LOOK_SECONDS - 3 or (not waited_for and since > LAST_LOOK_SECONDS - 101)


def test_no_look_follows_the_one_after_ten_minutes() -> None:
    def following(looked_at: float, *, waited_for: bool) -> float | None:
        return next_look(
            looked_at, ended_at=ENDED, deadline=DEADLINE, looked_at=looked_at, empty_since=None,
            waited_for=waited_for,
        )  # fmt: skip

    for waited_for in (False, True):
        assert following(ENDED + LAST_LOOK_SECONDS, waited_for=waited_for) is None
        assert following(ENDED + LAST_LOOK_SECONDS - 150, waited_for=waited_for) is not None


def test_a_look_before_the_end_does_not_replace_the_one_after_it() -> None:
    due = next_look(
        ENDED, ended_at=ENDED, deadline=DEADLINE, looked_at=ENDED - 1, empty_since=None, waited_for=True
    )
    assert due == ENDED


def test_the_background_takes_a_twentieth_of_the_limit() -> None:
    assert [background_looks(limit) for limit in (1, 19.9, 40, 100)] == [1, 1, 2, 5]
