"""What follows from looks: exactly one that is equal is found, none at all is absent, the rest stays open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outcome_resolution.listed_resources import Candidate
from gateway.outcome_resolution.look_verdict import (
    ABSENT_AFTER_SECONDS,
    APART_SECONDS,
    Judgement,
    Look,
    LookVerdict,
    judge_look,
)
from gateway.policy.comparable_fields import digest_comparable

KEY = b"k" * 32
COMPARED = digest_comparable({"body": "hi"}, KEY)
ENDED = 100.0


def candidate(body: str = "hi", *, number: int = 1, exact: bool = True, to_matches: bool = True) -> Candidate:
    return Candidate(f"SM{number}", ENDED, {"body": body} if body else {}, exact, to_matches)


def judge(
    *candidates: Candidate,
    at: float = ENDED,
    others: int = 0,
    wide: bool = True,
    ended_at: float | None = ENDED,
    empty_since: float | None = None,
) -> Judgement:
    look = Look(at, wide, candidates, others)
    return judge_look(look, COMPARED, KEY, ended_at=ended_at, empty_since=empty_since)


@pytest.mark.parametrize("ended_at", [None, ENDED])
def test_exactly_one_that_is_equal_is_found(ended_at: float | None) -> None:
    assert judge(candidate(), ended_at=ended_at)[:2] == (LookVerdict.FOUND, "SM1")
    assert judge(candidate(""), ended_at=ended_at).verdict is LookVerdict.FOUND


OPEN = [
    pytest.param(judge(candidate(), candidate(number=2)), id="two"),
    pytest.param(judge(candidate("ho")), id="another text"),
    pytest.param(judge(candidate(), others=1), id="another create to the same recipient"),
    pytest.param(judge(candidate(exact=False)), id="listed by a redacted number"),
    pytest.param(judge(candidate(to_matches=False)), id="another recipient"),
    pytest.param(judge(candidate("ho"), at=ENDED + 60, empty_since=ENDED), id="late"),
]


@pytest.mark.parametrize("found", OPEN)
def test_any_other_candidate_leaves_it_open_and_begins_anew(found: Judgement) -> None:
    assert found == (LookVerdict.OPEN, "", None)


def test_absent_takes_two_looks_without_a_candidate_the_second_late_enough() -> None:
    late = ENDED + ABSENT_AFTER_SECONDS
    first = judge(at=late - APART_SECONDS)
    assert first == Judgement(LookVerdict.OPEN, empty_since=late - APART_SECONDS)
    assert judge(at=late, empty_since=first.empty_since).verdict is LookVerdict.ABSENT
    assert judge(at=late, empty_since=late - APART_SECONDS + 0.1).verdict is LookVerdict.OPEN
    assert judge(at=late - 0.1, empty_since=ENDED).verdict is LookVerdict.OPEN
    assert judge(at=late).verdict is LookVerdict.OPEN
    assert judge(at=late, empty_since=ENDED, others=1).verdict is LookVerdict.ABSENT


def test_a_candidate_that_was_seen_and_is_listed_no_more_is_never_absent() -> None:
    gone = Look(ENDED + 60, True, (), 0, misses=True)
    judged = judge_look(gone, COMPARED, KEY, ended_at=ENDED, empty_since=ENDED + 30)
    assert judged == (LookVerdict.OPEN, "", None)


@pytest.mark.parametrize(
    "found",
    [judge(at=ENDED + 60, wide=False), judge(at=ENDED + 60, ended_at=None), judge(at=ENDED - 1)],
    ids=["narrow", "in flight", "before the end"],
)
def test_other_looks_without_a_candidate_show_nothing(found: Judgement) -> None:
    assert found == (LookVerdict.OPEN, "", None)


@given(
    st.lists(st.tuples(st.floats(0, 40), st.booleans(), st.integers(0, 2)), max_size=12),
    st.floats(0, 13),
)
def test_what_was_done_is_never_absent(looks: list[tuple[float, bool, int]], visible_after: float) -> None:
    """A create that is committed and listed within 13 s of the attempt's end, by looks at any times."""
    empty_since = None
    for at, wide, others in sorted(looks):
        shown = (candidate(),) if at >= visible_after else ()
        found = judge(*shown, at=ENDED + at, wide=wide, others=others, empty_since=empty_since)
        empty_since = found.empty_since
        assert found.verdict is not LookVerdict.ABSENT
        if shown and not others:
            assert found.verdict is LookVerdict.FOUND
