"""A point per second; late ones, gaps, and clocks that jump."""

from collections.abc import Iterable
from typing import Any

import pytest

from gateway.exchange import Ending, Exchange
from gateway.observe.live.breakdowns import Breakdowns
from gateway.observe.live.history import MAX_ACCOUNTS, MAX_POINTS, History, LimiterReading
from tests.unit.observe.exchanges import finished

IDLE = {"AC0011…eeff/us1/api": LimiterReading(10, 0, 0)}


def count(history: History, exchanges: Iterable[Exchange]) -> None:
    given = list(exchanges)
    history.add(given, Breakdowns().add(given))


def columns(history: History) -> Any:
    return history.columns()


def test_an_exchange_is_in_the_second_in_which_it_ended() -> None:
    history = History(1000.2)
    count(
        history,
        [finished(1000.9), finished(1001.0, status=429, signals=2, retries=1), finished(1001.9, status=503)],
    )
    history.close(1001.95, IDLE)
    history.close(1002.2, {"AC0011…eeff/us1/api": LimiterReading(20, 18, 4)})
    found = columns(history)
    assert found["t"] == [1000, 1001]
    assert found["rates"] == {"2xx": [1, 0], "3xx": [0, 0], "4xx": [0, 1], "5xx": [0, 1]}
    assert (found["signals"], found["retries"], found["queued"]) == ([0, 2], [0, 1], [0, 4])
    series = found["accounts"]["AC0011…eeff/us1/api"]
    assert series == {"limit": [10, 20], "in_flight": [0, 18], "queued": [0, 4]}


def test_who_got_no_answer_is_counted_as_in_the_metrics() -> None:
    """The caller left (4xx), or we broke off (5xx): the page and Prometheus draw the same curve."""
    history = History(1000.2)
    endings = (Ending.HUNG_UP, Ending.ABORTED)
    count(history, [finished(1000.5, status=0, ending=ending) for ending in endings])
    history.close(1001.2, IDLE)
    assert columns(history)["rates"] == {"2xx": [0], "3xx": [0], "4xx": [1], "5xx": [1]}


def test_durations_are_null_where_there_were_none() -> None:
    history = History(1000.0)
    count(history, [finished(1000.5, 0.2, upstream_seconds=0.15)])
    history.close(1002.0, {})
    found = columns(history)
    assert found["total"]["p50"] == [pytest.approx(0.2, rel=0.04), None]
    assert found["overhead"]["p99"] == [pytest.approx(0.05, rel=0.04), None]


def test_late_ones_are_counted_once() -> None:
    """In the second that is open."""
    history = History(1000.0)
    history.close(1003.0, IDLE)
    count(history, [finished(1000.5), finished(1002.9)])
    history.close(1005.0, IDLE)
    assert columns(history)["rates"]["2xx"] == [0, 0, 0, 2, 0]


def test_every_exchange_is_in_one_point() -> None:
    """Also those that the admin thread sees before their second begins by its clock, or long after."""
    history = History(1000.0)
    total = 0
    for second in range(1000, 1020):
        moments = [second + 0.1, second + 5.0, second - 7.0]
        count(history, [finished(moment) for moment in moments])
        total += len(moments)
        history.close(second + 1.2, IDLE)
    history.close(1030.0, IDLE)
    assert sum(columns(history)["rates"]["2xx"]) == total


def test_history_is_bounded() -> None:
    history = History(1000.0)
    for second in range(1000, 1000 + 2 * MAX_POINTS):
        history.close(second + 1.0, IDLE)
    assert len(columns(history)["t"]) == MAX_POINTS
    many = {f"{number}/us1/api": LimiterReading(10, number, 0) for number in range(100)}
    history.close(5000.0, many)
    assert len(columns(history)["accounts"]) == MAX_ACCOUNTS
    assert history.last is not None
    assert min(reading.in_flight for reading in history.last.accounts.values()) == 100 - MAX_ACCOUNTS


def test_a_clock_that_jumps_ahead_fills_no_memory() -> None:
    history = History(1000.0)
    history.close(1e9, IDLE)
    found = columns(history)
    assert len(found["t"]) == MAX_POINTS
    assert found["t"][-1] == 999_999_999


def test_a_clock_that_is_set_back_leaves_no_future() -> None:
    """Time only ascends in a chart."""
    history = History(1000.0)
    for second in range(1000, 1100):
        history.close(second + 1.0, IDLE)
    history.close(1050.0, IDLE)
    count(history, [finished(1050.5)])
    history.close(1052.0, IDLE)
    found = columns(history)
    assert found["t"] == list(range(1000, 1052))
    assert found["rates"]["2xx"][-2:] == [1, 0]


def test_a_gate_that_was_not_there_is_null() -> None:
    history = History(1000.0)
    history.close(1001.0, {})
    history.close(1002.0, IDLE)
    assert columns(history)["accounts"]["AC0011…eeff/us1/api"]["limit"] == [None, 10]
