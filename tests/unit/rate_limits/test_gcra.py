"""GCRA over several limits: a table of single decisions, and what no interleaving may ever break."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.consumers.rate_limit_rules import Limit, LimitKey
from gateway.rate_limits.gcra import LimitDecision, Reservation, Verdict, decide, give_back, remaining_units
from tests.support.limits import SECOND, keys, limit

NOW = 1_000 * SECOND
ADMITTED, RESERVED, REFUSED = Verdict
ONE = limit("2/s", burst=2)  # a unit is half a second, the burst a whole one
SLOW = limit("1/s", burst=1, name="app/1", max_wait_seconds=2)
HEAVY = limit("2/s", burst=4, weight=3)
REPORT = limit("2/s", burst=2, reports=True)

CASES = [
    # limits, their tats from NOW on, what else is asked; verdict, which, wait, reported, tats afterwards
    pytest.param([ONE], [None], {}, (ADMITTED, -1, 0.0, False, [0.5]), id="first"),
    pytest.param([ONE], [-9.0], {}, (ADMITTED, -1, 0.0, False, [0.5]), id="long_idle"),
    pytest.param([ONE], [0.5], {}, (ADMITTED, -1, 0.0, False, [1.0]), id="burst"),
    pytest.param([ONE], [1.0], {}, (REFUSED, 0, 0.5, False, [1.0]), id="burst_used"),
    pytest.param([ONE], [0.6], {}, (REFUSED, 0, 0.1, False, [0.6]), id="part_of_a_unit"),
    pytest.param([HEAVY], [0.5], {}, (ADMITTED, -1, 0.0, False, [2.0]), id="weight"),
    pytest.param([HEAVY], [1.0], {}, (REFUSED, 0, 0.5, False, [1.0]), id="too_heavy_now"),
    pytest.param([ONE, SLOW], [0.0, 1.0], {}, (REFUSED, 1, 1.0, False, [0.0, 1.0]), id="none_spent"),
    pytest.param([SLOW], [1.0], {"left_us": SECOND}, (RESERVED, 0, 1.0, False, [2.0]), id="waits"),
    pytest.param([SLOW], [1.0], {"left_us": SECOND - 1}, (REFUSED, 0, 1.0, False, [1.0]), id="deadline"),
    pytest.param([SLOW], [2.5], {"left_us": 9 * SECOND}, (REFUSED, 0, 2.5, False, [2.5]), id="max_wait"),
    pytest.param(
        [SLOW], [1.5], {"left_us": 9 * SECOND, "waited_us": SECOND}, (REFUSED, 0, 1.5, False, [1.5]),
        id="max_wait_has_been_waited",
    ),
    pytest.param(
        [ONE, SLOW], [0.0, 1.0], {"left_us": SECOND}, (RESERVED, 1, 1.0, False, [0.0, 2.0]),
        id="only_what_is_waited_for_is_spent",
    ),
    pytest.param(
        [ONE, SLOW], [1.0, 1.0], {"left_us": SECOND}, (REFUSED, 1, 1.0, False, [1.0, 1.0]),
        id="one_that_may_wait_and_one_that_may_not",
    ),
    pytest.param(
        [ONE, SLOW],
        [0.0, 1.0],
        {"held": Reservation(1, NOW + SECOND)},
        (ADMITTED, -1, 0.0, False, [0.5, 1.0]),
        id="held_is_used",
    ),
    pytest.param(
        [ONE, SLOW], [1.0, 1.0], {"held": Reservation(1, NOW + SECOND)}, (REFUSED, 0, 0.5, False, [1.0, 0.0]),
        id="held_is_given_back",
    ),
    pytest.param(
        [ONE, SLOW], [1.0, 2.0], {"held": Reservation(1, NOW + SECOND)}, (REFUSED, 0, 0.5, False, [1.0, 2.0]),
        id="held_by_one_with_others_behind_it_is_lost",
    ),
    pytest.param([REPORT], [1.0], {}, (ADMITTED, -1, 0.0, True, [1.0]), id="report"),
    pytest.param([REPORT], [0.5], {}, (ADMITTED, -1, 0.0, False, [1.0]), id="report_passes"),
    pytest.param([REPORT, ONE], [1.0, 1.0], {}, (REFUSED, 1, 0.5, True, [1.0, 1.0]), id="report_and_refuse"),
    pytest.param(
        [limit("1/s", reports=True, max_wait_seconds=2)], [1.0], {}, (ADMITTED, -1, 0.0, False, [2.0]),
        id="report_would_have_waited",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "tats", "asked", "expected"), CASES)
def test_decide(
    limits: list[Limit],
    tats: list[float | None],
    asked: dict[str, int],
    expected: tuple[Verdict, int, float, bool, list[float]],
) -> None:
    given_tats = [0 if tat is None else NOW + int(tat * SECOND) for tat in tats]
    verdict, which, wait, reported, after = expected
    wanted = [NOW + int(tat * SECOND) for tat in after]
    decision = decide(keys(*limits), given_tats, NOW, **asked)  # type: ignore[arg-type]
    assert decision == LimitDecision(verdict, which, int(wait * SECOND), reported, wanted)


@pytest.mark.parametrize(
    ("tat", "remaining", "wait"),
    [(0, 2, 0.0), (-1, 2, 0.0), (0.1, 1, 0.1), (0.5, 1, 0.5), (0.6, 0, 0.1), (1.0, 0, 0.5), (3.0, 0, 2.5)],
)
def test_what_remains(tat: float, remaining: int, wait: float) -> None:
    at = NOW + int(tat * SECOND)
    assert remaining_units(ONE, at, NOW) == (remaining, int(wait * SECOND))


@dataclass
class World:
    """Limits, and requests that arrive, wait and leave; time is the test's."""

    limits: tuple[LimitKey, ...]
    now: int = NOW
    tats: dict[str, int] = field(default_factory=dict)
    admitted: dict[str, list[int]] = field(default_factory=dict)
    waiting: list[tuple[int, int, tuple[LimitKey, ...], int, int, Reservation]] = field(default_factory=list)
    serial: Iterator[int] = field(default_factory=count)

    def ask(
        self, wanted: tuple[LimitKey, ...], began: int, until: int, held: Reservation | None = None
    ) -> None:
        before = [self.tats.get(key, 0) for _, key in wanted]
        decision = decide(wanted, before, self.now, self.now - began, until - self.now, held)
        self.tats.update(zip([key for _, key in wanted], decision.tats, strict=True))
        if decision.verdict is REFUSED and held is None:
            assert decision.tats == before
        if decision.verdict is ADMITTED:
            for each, key in wanted:
                if not each.reports:
                    self.admitted.setdefault(key, []).append(self.now)
        if decision.verdict is RESERVED:
            due = self.now + decision.wait_us
            assert due <= min(until, began + wanted[decision.which].limit.max_wait_us)
            kept = Reservation(decision.which, decision.tats[decision.which])
            heapq.heappush(self.waiting, (due, next(self.serial), wanted, began, until, kept))

    def pass_time(self, to: int) -> None:
        while self.waiting and self.waiting[0][0] <= to:
            self.now, _, wanted, began, until, held = heapq.heappop(self.waiting)
            self.ask(wanted, began, until, held)
        self.now = to

    def leave(self, which: int) -> None:
        if self.waiting:
            _, _, wanted, _, _, held = self.waiting.pop(which % len(self.waiting))
            heapq.heapify(self.waiting)
            each, key = wanted[held.which]
            self.tats[key] = give_back(each, self.tats[key], held.tat)


LIMITS = st.builds(
    lambda rate, burst, weight, wait: limit(
        rate, burst, weight=min(weight, burst), max_wait_seconds=wait
    ),
    st.sampled_from(["1/s", "3/s", "40/m", "333/s"]),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([10, 3, 0.3, 0]),
)  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from([1, 2, 3]), st.sampled_from([20 * SECOND, SECOND, 0])),
    st.tuples(st.just("pass"), st.sampled_from([SECOND // 3, 1000, 2 * SECOND]) | st.integers(0, SECOND)),
    st.tuples(st.just("leave"), st.integers(0, 3)),
)


# The second of two who wait leaves no place for a newcomer when the first one goes.
@example(
    [SLOW, SLOW],
    [*[("ask", 1, 20 * SECOND)] * 3, ("pass", SECOND // 2), ("leave", 0), ("ask", 1, 20 * SECOND)],
)
@given(st.lists(LIMITS, min_size=2, max_size=2), st.lists(STEPS, min_size=5, max_size=40))
def test_no_window_ever_holds_more_than_burst_and_rate(
    limits: list[Limit], steps: list[tuple[str, int] | tuple[str, int, int]]
) -> None:
    world = World(tuple(LimitKey(each, str(index)) for index, each in enumerate(limits)))
    for step in steps:
        if step[0] == "pass":
            world.pass_time(world.now + step[1])
        elif step[0] == "leave":
            world.leave(step[1])
        elif len(step) == 3:
            wanted = tuple(key for bit, key in enumerate(world.limits) if step[1] >> bit & 1)
            world.ask(wanted, world.now, world.now + step[2])
    world.pass_time(world.now + 60 * SECOND)
    for each, key in world.limits:
        times = world.admitted.get(key, [])
        weight = each.cost_us // each.unit_us
        burst = each.tolerance_us // each.unit_us
        for first in range(len(times)):
            for last in range(first, len(times)):
                spent = (last - first + 1) * weight
                assert spent <= burst + (times[last] - times[first]) / each.unit_us


@given(st.lists(LIMITS, min_size=1, max_size=3), st.lists(st.integers(0, 3 * SECOND), max_size=30))
def test_all_or_none(limits: list[Limit], gaps: list[int]) -> None:
    """Whoever is admitted has spent every limit, whoever is refused none."""
    asked = keys(*limits)
    tats, now = [0] * len(limits), NOW
    for gap in gaps:
        now += gap
        decision = decide(asked, tats, now)
        spent = [after - max(tat, now) for tat, after in zip(tats, decision.tats, strict=True)]
        if decision.verdict is ADMITTED:
            assert spent == [each.cost_us for each in limits]
        else:
            assert decision.tats == tats
        tats = decision.tats
