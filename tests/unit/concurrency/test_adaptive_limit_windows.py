"""What replicas do that cannot talk: in each even second some yield for a moment, and others take."""

import math

import pytest

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions


class Dice:
    """Chance whose throws for a role are scripted: below 0.15 it takes; everything else is the middle."""

    def __init__(self, role: float = 0.5) -> None:
        self.role = role

    def __call__(self, low: float, high: float) -> float:
        return self.role if (low, high) == (0.0, 1.0) else (low + high) / 2


def settled(limit: int, role: float = 0.5, *, initial: int | None = None) -> AdaptiveLimit:
    """One that was alone and learned a limit long ago."""
    each = AdaptiveLimit(AdaptiveLimitOptions(initial=initial or limit // 2), Dice(role))
    each.succeeded(1.0, waiting=False, seconds=0.05)
    each.limit = limit
    each.dropped(1.0, in_flight=limit)
    return each


@pytest.mark.parametrize(
    ("limit", "yielded"),
    [(3, 0), (4, 1), (14, 1), (20, 2), (100, 10)],
    ids=["too few to yield", "one at least", "one", "two", "a tenth"],
)
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.19])
def test_most_yield_a_tenth(limit: int, yielded: int, moment: float) -> None:
    each = settled(limit, initial=1)
    if moment < 0.1 or yielded:
        assert each.capacity(40.0 + moment) == limit - yielded
    assert each.capacity(41.0) == each.limit


def test_nobody_meets_with_a_store() -> None:
    each = settled(100)
    each.yields = False
    assert each.capacity(40.1) == 100
    assert each.changes_at(40.1) == math.inf
    each.yields = True
    assert each.capacity(40.1) == 90


@pytest.mark.parametrize(("now", "moment"), [(40.0, 40.1), (40.15, 40.2), (40.2, 42.0), (41.9, 42.0)])
def test_when_it_changes(now: float, moment: float) -> None:
    assert settled(20).changes_at(now) == pytest.approx(moment)


def test_success_while_yielding_is_no_probe() -> None:
    """The limit is not reached, so nothing is learned of it; it used to grow by a few in each meeting."""
    each = settled(100)
    for tick in range(20):
        each.succeeded(40.0 + tick * 0.009, waiting=True, seconds=0.05)
    assert each.limit == 100


def test_the_one_in_seven_takes_after_a_moment_and_once() -> None:
    each = settled(100, role=0.1)
    assert each.capacity(40.05) == 100
    assert each.capacity(40.1) == 108
    assert each.capacity(40.15) == 108
    each.dropped(40.151, in_flight=103)
    assert each.capacity(40.16) == 103


def test_what_was_taken_is_kept_when_it_held_and_not_doubled() -> None:
    each = settled(100, role=0.1)
    each.capacity(40.1)
    each.succeeded(40.17, waiting=True, seconds=0.05)
    each.succeeded(40.5, waiting=True, seconds=0.05)
    assert each.limit == 108


def test_who_took_well_asks_for_twice_and_else_for_half() -> None:
    each = settled(100, role=0.1)
    steps = []
    for meeting, fails in enumerate([False, True, True, True, False, False]):
        before, now = each.limit, 40.0 + 2 * meeting
        steps.append(each.capacity(now + 0.1) - before)
        if fails:
            each.dropped(now + 0.12, in_flight=each.limit - 1)
        else:
            each.succeeded(now + 0.19, waiting=True, seconds=0.05)
    assert steps == [8, 16, 8, 4, 2, 4]


def newcomer() -> AdaptiveLimit:
    """It came when the account was full, and had two requests admitted; it never throws the role."""
    each = AdaptiveLimit(AdaptiveLimitOptions(ceiling=1_000_000), Dice())
    each.dropped(39.0, in_flight=2)
    assert each.limit == 2
    return each


def test_a_newcomer_takes_in_each_meeting_for_20_s() -> None:
    each = newcomer()
    grown = []
    for meeting in range(13):
        before, now = each.limit, 40.0 + 2 * meeting
        each.capacity(now)
        each.capacity(now + 0.1)
        each.succeeded(now + 0.19, waiting=True, seconds=0.05)
        grown.append(each.limit > before)
    assert grown == [True] * 10 + [False] * 3


def test_a_newcomer_that_gets_nothing_gives_up_early() -> None:
    each = newcomer()
    each.limit = 6
    took = []
    for meeting in range(8):
        before, now = each.limit, 40.0 + 2 * meeting
        took.append(each.capacity(now + 0.1) > before)
        each.dropped(now + 0.12, in_flight=before)
    assert took == [True] * 5 + [False] * 3


@pytest.mark.parametrize(("in_flight", "takes"), [(60, False), (40, True)], ids=["some", "over half"])
def test_who_has_lost_half_is_hungry(in_flight: int, takes: bool) -> None:
    each = settled(100)
    each.capacity(40.1)
    each.dropped(41.0, in_flight=in_flight)
    assert (each.capacity(42.1) > in_flight) is takes


def test_a_pause_ends_while_others_yield() -> None:
    each = newcomer()
    for _ in range(5):
        each.dropped(41.5, in_flight=0)
    assert 42.1 <= each.changes_at(41.5) <= 42.2
