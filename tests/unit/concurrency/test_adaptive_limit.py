"""What the adaptive limit learns from each answer; chance is the middle, so a probe comes each 1.15 s."""

import math

import pytest

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions

GAP = 1.15
HOLD = 0.2


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def adaptive(initial: int = 10, floor: int = 1, ceiling: int = 1000, yields: bool = False) -> AdaptiveLimit:
    return AdaptiveLimit(AdaptiveLimitOptions(floor, ceiling, initial, yields), middle)


def settled(limit: int, now: float = 0.1, *, floor: int = 1, ceiling: int = 1000) -> AdaptiveLimit:
    """An adaptive limit that has learned a limit just now, from far below."""
    each = adaptive(initial=max(1, limit // 3), floor=floor, ceiling=ceiling)
    each.limit = limit
    each.dropped(now, in_flight=limit)
    assert each.limit == limit
    return each


def succeed(each: AdaptiveLimit, now: float, times: int = 1, *, waiting: bool = True) -> int:
    for _ in range(times):
        each.succeeded(now, waiting=waiting, seconds=0.05)
    return each.limit


@pytest.mark.parametrize(
    ("floor", "ceiling", "initial", "limit"),
    [(1, 1000, 10, 10), (1, 5, 10, 5), (20, 50, 10, 20), (1, 1, 1, 1)],
    ids=["as it says", "not above the ceiling", "not below the floor", "one"],
)
def test_where_it_begins(floor: int, ceiling: int, initial: int, limit: int) -> None:
    assert adaptive(initial, floor, ceiling).limit == limit
    assert adaptive(initial, floor, ceiling).capacity(0.1) == limit


@pytest.mark.parametrize(
    ("successes", "limit"),
    [(0, 10), (9, 10), (10, 20), (29, 20), (30, 40), (10_000, 300)],
    ids=["none", "not all", "each once", "not all again", "twice", "up to the ceiling"],
)
def test_learning_doubles_when_each_slot_succeeded(successes: int, limit: int) -> None:
    assert succeed(adaptive(ceiling=300), 0.1, successes) == limit


@pytest.mark.parametrize("now", [0.1, 100.1])
def test_success_with_nobody_waiting_teaches_nothing(now: float) -> None:
    assert succeed(adaptive(), now, 1000, waiting=False) == 10
    assert succeed(settled(20), now, 1000, waiting=False) == 20


@pytest.mark.parametrize(
    ("initial", "in_flight", "floor", "limit"),
    [(40, 20, 1, 20), (40, 39, 1, 39), (10, 30, 1, 10), (40, 2, 5, 5), (40, 0, 1, 1)],
    ids=["what was in flight", "one less", "never more than before", "the floor", "nothing in flight"],
)
def test_a_signal_says_what_was_admitted(initial: int, in_flight: int, floor: int, limit: int) -> None:
    each = adaptive(initial, floor)
    each.dropped(0.1, in_flight=in_flight)
    assert each.limit == limit
    assert each.signals == 1


def test_a_signal_ends_the_learning() -> None:
    each = settled(20)
    assert succeed(each, 0.2, 1000) == 20


def test_it_probes_by_one_about_once_a_second_and_falls_back() -> None:
    each = settled(20)
    now = 0.1
    for _ in range(5):
        assert succeed(each, now + GAP - 0.01) == 20
        now += GAP + 0.01
        assert succeed(each, now) == 21
        each.dropped(now + 0.001, in_flight=20)
        assert each.limit == 20


@pytest.mark.parametrize(
    ("limit", "service", "gap"),
    [(20, 0.05, 1.0), (20, 0.5, 2.5), (5, 0.05, 1.0), (1, 1.0, 5.0)],
    ids=["once a second", "a hundredth of the answers", "small", "every 5 s at least"],
)
def test_slow_answers_are_probed_for_less_often(limit: int, service: float, gap: float) -> None:
    each = settled(limit)
    for _ in range(200):
        each.succeeded(0.1, waiting=False, seconds=service)
    each.dropped(0.2, in_flight=limit)
    each.succeeded(0.2 + 1.15 * gap - 0.01, waiting=True, seconds=service)
    assert each.limit == limit
    each.succeeded(0.2 + 1.15 * gap + 0.01, waiting=True, seconds=service)
    assert each.limit == limit + 1


def test_the_step_doubles_while_it_holds_up_to_a_quarter() -> None:
    each = settled(20)
    now = 0.1 + GAP + 0.01
    limits = [succeed(each, now)]
    for _ in range(6):
        assert succeed(each, now + HOLD - 0.01) == limits[-1]
        now += HOLD + 0.01
        limits.append(succeed(each, now))
    assert limits == [21, 23, 27, 33, 41, 51, 63]
    each.dropped(now, in_flight=50)
    assert each.limit == 50
    assert succeed(each, now + GAP + 0.01) == 51  # by one again


@pytest.mark.parametrize(
    ("yields", "limits"),
    [(True, [20, 20, 21, 21, 22, 22]), (False, [20, 22, 26, 32, 40, 50])],
    ids=["without a store", "with one"],
)
def test_a_signal_that_no_probe_called_for_forbids_doubling_without_a_store(
    yields: bool, limits: list[int]
) -> None:
    each = settled(20)
    each.yields = yields
    each.dropped(4.4, in_flight=19)  # somebody else's probe
    seen = []
    for now in (5.6, 5.85, 7.05, 7.3, 8.5, 8.75):
        seen.append(succeed(each, now))
    assert seen == limits


def test_after_ten_seconds_without_such_a_signal_it_doubles_again() -> None:
    each = settled(20)
    each.yields = True
    each.dropped(4.4, in_flight=19)
    assert succeed(each, 14.5) == 20
    assert succeed(each, 14.75) == 22


def test_the_stragglers_of_an_own_probe_are_no_sign_of_others() -> None:
    each = settled(20)
    now = 0.1 + GAP + 0.01
    succeed(each, now)
    for late in (0.001, 0.01, 0.05):
        each.dropped(now + late, in_flight=20)
    now += 0.05 + GAP + 0.01
    succeed(each, now)
    assert succeed(each, now + HOLD + 0.01) == 23


def test_probes_stop_at_the_ceiling() -> None:
    each = settled(20, ceiling=21)
    for tick in range(1, 100):
        succeed(each, 0.1 + tick * 0.3)
    assert each.limit == 21


def test_pauses_grow_to_a_second_and_are_forgotten_after_a_success() -> None:
    each = adaptive()
    now = 0.5
    pauses = []
    for _ in range(7):
        each.dropped(now, in_flight=0)
        assert each.capacity(now) == 0
        end = each.changes_at(now)
        assert each.capacity(end - 0.001) == 0
        assert each.capacity(end) == 1
        pauses.append(end - now)
        now = end
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    succeed(each, now)
    each.dropped(now, in_flight=0)
    assert each.changes_at(now) - now == pytest.approx(0.05)


@pytest.mark.parametrize(("share", "seconds"), [(0.0, 0.025), (1.0, 0.075)])
def test_pauses_are_jittered(share: float, seconds: float) -> None:
    each = AdaptiveLimit(AdaptiveLimitOptions(yields=False), lambda low, high: low + share * (high - low))
    each.dropped(0.5, in_flight=0)
    assert each.changes_at(0.5) == pytest.approx(0.5 + seconds)


def test_a_floor_above_what_is_admitted_is_tried_only_now_and_then() -> None:
    each = adaptive(floor=5)
    each.dropped(0.5, in_flight=3)
    assert (each.limit, each.capacity(0.5)) == (5, 3)
    assert each.capacity(each.changes_at(0.5)) == 5


def test_a_clock_that_is_set_back_does_not_hold_anything_up() -> None:
    each = settled(20, now=5000.0)
    each.dropped(5000.1, in_flight=0)
    assert each.capacity(5000.1) == 0
    assert each.capacity(100.0) == 1
    assert succeed(each, 100.0) == 2


@pytest.mark.parametrize(("share", "limit"), [(7, 7), (0, 2), (99, 50)], ids=["as told", "floor", "ceiling"])
def test_a_share_is_taken_between_floor_and_ceiling(share: int, limit: int) -> None:
    each = settled(20, floor=2, ceiling=50)
    each.set_share(share)
    assert each.limit == each.capacity(1.0) == limit


def test_a_share_ends_the_learning_but_the_same_limit_does_not() -> None:
    each = adaptive()
    each.set_share(10)
    assert succeed(each, 0.5, 10) == 20
    each.set_share(12)
    assert succeed(each, 0.6, 50) <= 13


def test_who_does_not_meet_has_nothing_to_wake_for() -> None:
    assert settled(20).changes_at(7.0) == math.inf
