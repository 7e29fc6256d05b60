"""The retry budget: a share of recent requests, and a small floor."""

import pytest

from gateway.retry.retry_budget import RetryBudget


def test_floor_is_there_without_any_request() -> None:
    budget = RetryBudget(share=0.2, floor=3)
    assert [budget.spend(0.0) for _ in range(4)] == [True, True, True, False]
    assert budget.exhausted == 1


@pytest.mark.parametrize(("requests", "allowed"), [(10, 3), (15, 3), (100, 20), (1000, 200)])
def test_share_of_recent_requests(requests: int, allowed: int) -> None:
    budget = RetryBudget(share=0.2, floor=3)
    for _ in range(requests):
        budget.note_request(1.0)
    spent = 0
    while budget.spend(1.0):
        spent += 1
    assert spent == allowed
    assert budget.left(1.0) < 1


def test_what_is_older_than_ten_seconds_is_forgotten() -> None:
    budget = RetryBudget(share=0.2, floor=1)
    for _ in range(100):
        budget.note_request(0.0)
    assert budget.left(10.0) == 20
    assert budget.left(10.6) == 1


def test_a_storm_stays_within_the_share() -> None:
    budget = RetryBudget(share=0.2, floor=3)
    retries = 0
    for tick in range(20_000):  # 20 s at 1,000 requests/s, each of which wants to be tried again
        now = tick / 1000
        budget.note_request(now)
        retries += budget.spend(now)
    assert 0.19 * 20_000 < retries <= 0.2 * 20_000 + 3
