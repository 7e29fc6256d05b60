"""How replicas split a limit, by tables and for any reports."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.concurrency.share_split import STALE_SECONDS, Report, split_limit

Rows = list[tuple[int, int]]


def reports_of(rows: Rows) -> list[Report]:
    return [Report(f"r{n}", limit, 0, demand) for n, (limit, demand) in enumerate(rows)]


def shares_of(rows: Rows) -> list[int]:
    reports = reports_of(rows)
    return [split_limit(reports, report.replica) for report in reports]


@pytest.mark.parametrize(
    ("rows", "shares"),
    [
        ([(20, 100)], [20]),
        ([(20, 50), (1, 50)], [11, 10]),
        ([(20, 80), (20, 20)], [31, 9]),
        ([(20, 100), (10, 0)], [29, 1]),
        ([(7, 0), (3, 0)], [7, 3]),
        ([(1, 9), (1, 1)], [1, 1]),
        ([(0, 9), (1, 1)], [1, 1]),
        ([(8, 1), (1, 1), (1, 1)], [4, 3, 3]),
        ([(3, 1), (3, 1), (4, 1)], [3, 3, 4]),
        ([(3, 1), (1, 1)], [2, 2]),
        ([(2, 11), (3, 12)], [2, 3]),
        ([(3, 11), (2, 12)], [3, 2]),
    ],
    ids=[
        "alone",
        "a newcomer",
        "by demand",
        "one each at least",
        "nobody wants: as it was",
        "one each and no more",
        "less than one each",
        "ties by name",
        "near enough",
        "a whole slot away",
        "the odd slot stays",
        "the odd slot stays there too",
    ],
)
def test_shares(rows: Rows, shares: list[int]) -> None:
    assert shares_of(rows) == shares


def test_a_replica_that_fell_silent_does_not_count() -> None:
    silent = Report("b", 30, 0, 100, age=STALE_SECONDS + 0.1)
    assert split_limit([Report("a", 10, 0, 5), silent], "a") == 10


def test_ones_own_report_counts_however_old() -> None:
    assert split_limit([Report("a", 10, 0, 5, age=60.0), Report("b", 10, 0, 5)], "a") == 10


def test_without_ones_own_report_there_is_no_share() -> None:
    with pytest.raises(LookupError):
        split_limit([Report("a", 1, 0, 1)], "b")


ROWS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 10_000)), min_size=1, max_size=8)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_sum_is_kept_in_whatever_order_reports_are_read(rows: Rows, chance: Random) -> None:
    reports = reports_of(rows)
    names = [report.replica for report in reports]
    shares = []
    for name in names:
        chance.shuffle(reports)
        shares.append(split_limit(reports, name))
    total = sum(limit for limit, _ in rows)
    if any(demand for _, demand in rows):
        assert sum(shares) == max(total, len(rows))
        assert min(shares) >= 1
    else:
        assert shares == [limit for limit, _ in rows]


@given(ROWS)
def test_who_wants_more_gets_at_most_one_less(rows: Rows) -> None:
    shares = shares_of(rows)
    if any(demand for _, demand in rows):
        by_demand = sorted(zip((demand for _, demand in rows), shares, strict=True))
        assert all(low[1] <= high[1] + 1 for low, high in pairwise(by_demand))
