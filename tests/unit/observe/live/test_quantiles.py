"""Quantiles from buckets: within 4 % of the true ones, whatever the durations."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.observe.live.quantiles import bucket_of, read_quantiles, value_of

SHARES = (0.5, 0.95, 0.99)


def quantiles(durations: list[float]) -> list[float | None]:
    counts: dict[int, int] = {}
    for seconds in durations:
        counts[bucket_of(seconds)] = counts.get(bucket_of(seconds), 0) + 1
    return read_quantiles(counts, SHARES)


@given(st.lists(st.floats(0.001, 3600), min_size=1, max_size=200))
def test_close_to_the_true_ones(durations: list[float]) -> None:
    ordered = sorted(durations)
    for share, found in zip(SHARES, quantiles(durations), strict=True):
        true = ordered[math.ceil(share * len(ordered)) - 1]
        assert found == pytest.approx(true, rel=0.04)


@given(st.floats(1e-5, 3600), st.floats(1e-5, 3600))
def test_longer_is_never_in_an_earlier_bucket(first: float, second: float) -> None:
    shorter, longer = sorted((first, second))
    assert bucket_of(shorter) <= bucket_of(longer)


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, 1e-5), (-1.0, 1e-5), (1e-6, 1e-5), (1e9, 3600)])
def test_what_is_out_of_range_is_at_its_end(seconds: float, shown: float) -> None:
    assert value_of(bucket_of(seconds)) == pytest.approx(shown, rel=0.04)


def test_of_nothing_there_is_nothing() -> None:
    assert quantiles([]) == [None, None, None]


def test_few_buckets() -> None:
    """Ten microseconds to an hour take some 260 numbers at most."""
    assert bucket_of(3600) < 260
