"""Six hours of traffic by what the page filters by: sums that agree with tables, bounds, clocks, replicas."""

import json
import sys
from itertools import pairwise
from typing import Any

import pytest

from gateway.exchange import OWN_PRODUCT, Exchange
from gateway.observe.live.breakdowns import Breakdowns
from gateway.observe.live.history import LimiterReading
from gateway.observe.live.series_columns import (
    make_columns,
    merge_points,
    points_of,
    read_points,
    write_points,
)
from gateway.observe.live.traffic_cells import OTHER_CONSUMER, Cell, CellName, OpenCells, bounded
from gateway.observe.live.traffic_history import FINE_SECONDS, LONG_SECONDS, CellFilter, TrafficHistory
from tests.unit.observe.exchanges import finished

NOW = 1_800_000_000.0
EVERYTHING = CellFilter()


def kept(exchanges: list[Exchange], now: float) -> TrafficHistory:
    history = TrafficHistory()
    tables = Breakdowns(history.add)
    for exchange in exchanges:
        tables.close(exchange.ended_at_epoch)
        tables.add([exchange])
    tables.close(now)
    return history


def counted(history: TrafficHistory, wanted: CellFilter, seconds: int, now: float) -> int:
    return sum(sum(point.durations.values()) for point in history.points(wanted, seconds, now))


MIXED = [
    finished(NOW, consumer="a", sdk="twilio-python/9.1", consumer_key="00000001"),
    finished(NOW + 1, consumer="a", sdk="twilio-go/1.2", status=400, twilio_code=21211),
    finished(NOW + 2, consumer="b", label="/Calls", status=429, slug="rate_limited"),
    finished(NOW + 3, consumer="", status=401, slug="unknown_consumer", label="", product=""),
    finished(NOW + 4, consumer="a", label="/-/usage", product=OWN_PRODUCT),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EVERYTHING, 5),
        (CellFilter("a"), 3),
        (CellFilter(""), 1),
        (CellFilter(route="call"), 1),
        (CellFilter(status_class=4), 3),
        (CellFilter("a", status_class=2), 2),
        (CellFilter(slug="rate_limited"), 1),
        (CellFilter(code=21211), 1),
        (CellFilter("b", code=21211), 0),
        (CellFilter(key="00000001"), 1),
        (CellFilter(sdk="twilio-go"), 1),
        (CellFilter(sdk="twilio-go/1.2"), 1),
        (CellFilter(sdk="twilio-g"), 0),
        (CellFilter("a", route="mess", sdk="twilio-python", status_class=2), 1),
    ],
)
@pytest.mark.parametrize("seconds", [FINE_SECONDS, LONG_SECONDS])
def test_what_fits_a_filter(wanted: CellFilter, found: int, seconds: int) -> None:
    """In points of ten seconds, and of the minute that is not over."""
    assert counted(kept(MIXED, NOW + 20), wanted, seconds, NOW + 20) == found


def test_ranges_and_times_without_traffic() -> None:
    """Ten seconds for 15 minutes, a minute for six hours; nothing came is nothing, not a hole."""
    exchanges = [finished(NOW + minute * 60, 0.2) for minute in range(7 * 60)]
    end = NOW + 7 * 3600
    history = kept(exchanges, end)
    fine, long = (history.points(EVERYTHING, seconds, end) for seconds in (FINE_SECONDS, LONG_SECONDS))
    assert [len(fine), len(long)] == [90, 360]
    assert {point.seconds for point in (*fine, *long)} == {10, 60}
    assert sum(sum(point.durations.values()) for point in fine) == 15
    assert {sum(point.durations.values()) for point in long} == {1}
    columns: dict[str, Any] = make_columns(long, 60, [])
    assert set(columns["rates"]["2xx"]) == {round(1 / 60, 3)}
    assert columns["total"]["p95"][-1] == pytest.approx(0.2, rel=0.04)
    assert all(later.t - earlier.t == 60 for earlier, later in pairwise(long))


def test_a_clock_set_back_forgets_what_is_later() -> None:
    history = kept([finished(NOW + 3600)], NOW + 3700)
    tables = Breakdowns(history.add)
    tables.add([finished(NOW)])
    tables.close(NOW + 10)
    assert [point.t for point in history.points(EVERYTHING, LONG_SECONDS, NOW + 10)] == [int(NOW)]


def test_late_exchanges_are_counted_once() -> None:
    history = TrafficHistory()
    tables = Breakdowns(history.add)
    tables.add([finished(NOW)])
    tables.close(NOW + 10)
    tables.add([finished(NOW + 9), finished(NOW + 11)])
    tables.close(NOW + 20)
    assert counted(history, EVERYTHING, FINE_SECONDS, NOW + 20) == 3
    assert tables.consumers(NOW + 20)["app"].requests == 3


def test_tables_and_charts_agree_before_and_after_ten_seconds_are_over() -> None:
    tables = Breakdowns()
    tables.add(MIXED)
    before = (tables.consumers(NOW + 5), tables.routes(NOW + 5), tables.codes(NOW + 5), tables.slugs(NOW + 5))
    tables.close(NOW + 10)
    after = (
        tables.consumers(NOW + 11),
        tables.routes(NOW + 11),
        tables.codes(NOW + 11),
        tables.slugs(NOW + 11),
    )
    assert before == after
    assert {name: each.requests for name, each in after[0].items()} == {"a": 2, "b": 1, "": 1}


def test_beyond_the_bounds_consumers_are_told_apart_and_beyond_those_nothing() -> None:
    """Nothing gets lost, and an answer to a narrow filter says how much it may have missed."""
    cells = {
        CellName(f"c{number % 50}", label=f"/{number}", method="GET"): Cell(durations={2000: 1 + number})
        for number in range(100)
    }
    kept_cells = bounded(cells, 10, 20)
    assert len(kept_cells) == 10 + 20 + 1
    assert sum(cell.requests for cell in kept_cells.values()) == sum(range(1, 101))
    assert CellName(OTHER_CONSUMER) in kept_cells
    history = TrafficHistory()
    history.add(
        int(NOW) // 10,
        {**cells, **{CellName("d", label=f"/{n}"): Cell(durations={2000: 1}) for n in range(300)}},
    )
    (point,) = history.points(CellFilter("d", route="/299"), FINE_SECONDS, NOW + 10)
    assert sum(point.durations.values()) + point.merged >= 1
    assert point.merged > 100
    (whole,) = history.points(CellFilter("d"), FINE_SECONDS, NOW + 10)
    assert (sum(whole.durations.values()), whole.merged) == (300, 0)


def test_open_cells_are_bounded_whatever_callers_send() -> None:
    cells = OpenCells(0, most=10)
    for number in range(1000):
        cells.count(finished(NOW, sdk=f"sdk/{number}", consumer=f"c{number % 3}"))
    assert len(cells.read()) <= 10 + 3
    assert sum(cell.requests for cell in cells.read().values()) == 1000


def test_memory_of_a_point_is_bounded() -> None:
    """A full one, each cell with ten durations; of six hours that is what docs/performance.md says."""
    history = TrafficHistory()
    names = [CellName(f"c{n % 40}", "sdk/1", "00000000", "api", f"/{n}", "GET") for n in range(300)]
    cells = {name: Cell(durations={2000 + i: 1 for i in range(10)}, own={2001: 10}) for name in names}
    for number in range(13):
        history.add(number, cells)
    (fine, long) = (kept[-1] for kept in (history._fine, history._long))
    sizes = [
        sys.getsizeof(kept.cells)
        + sum(
            sys.getsizeof(cell) + sys.getsizeof(cell.durations) + sys.getsizeof(cell.own)
            for cell in kept.cells.values()
        )
        for kept in (fine, long)
    ]
    assert 90 * sizes[0] + 360 * sizes[1] < 32_000_000, sizes


def test_points_of_replicas_add_up_and_survive_the_way() -> None:
    one, two = (
        kept(MIXED[:split] if split == 2 else MIXED[2:], NOW + 20).points(EVERYTHING, FINE_SECONDS, NOW + 20)
        for split in (2, 0)
    )
    told = [read_points(json.loads(json.dumps(write_points(points)))) for points in (one, two)]
    assert told == [one, two]
    whole = kept(MIXED, NOW + 20).points(EVERYTHING, FINE_SECONDS, NOW + 20)
    assert make_columns(merge_points(told), 10, []) == make_columns(whole, 10, [])


@pytest.mark.parametrize(
    "content", [None, 1, [1], [[1, 2]], [["a", 1, [], [], 0, 0, 0]], {"t": 1}, [[1, 1, 3, []]]]
)
def test_what_another_release_answers_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match="another release"):
        read_points(content)


def test_points_of_kept_exchanges() -> None:
    points = points_of(MIXED, 60, NOW + 25)
    assert [sum(point.durations.values()) for point in points] == [0, 0, 0, 5, 0, 0]
    assert points[-1].seconds == 5


def test_limiters_by_the_minute() -> None:
    history = TrafficHistory()
    for second, reading in enumerate([(10, 3, 0), (20, 9, 4), (15, 1, 0)]):
        history.read_limiters(NOW + second, {"main": LimiterReading(*reading)})
    history.read_limiters(NOW + 60, {"main": LimiterReading(1, 1, 1)})
    assert history.readings(LONG_SECONDS, NOW + 60) == [
        (int(NOW), {"main": LimiterReading(15, 9, 4)}),
        (int(NOW) + 60, {"main": LimiterReading(1, 1, 1)}),
    ]
    assert len(history.readings(60, NOW + 120)) == 1


def test_b16_charts_keep_what_tables_forget() -> None:
    """Several reloads in ten seconds, each of which gives a name to another consumer."""
    history = TrafficHistory()
    tables = Breakdowns(history.add)
    for second, name in enumerate(("a", "b", "c", "a", "d")):
        tables.add([finished(NOW + second, consumer=name), finished(NOW + second, consumer="kept")])
        tables.close(NOW + second)
        if name != "d":
            tables.forget([name])
        found = {name: each.requests for name, each in tables.consumers(NOW + second).items()}
        assert found == {"kept": second + 1} | ({"d": 1} if name == "d" else {})
        assert sum(each.requests for each in tables.routes(NOW + second).values()) == 2 * (second + 1)
    before = (tables.consumers(NOW + 5), tables.routes(NOW + 5))
    for second in range(5, 75):
        tables.close(NOW + second)
    assert (tables.consumers(NOW + 75), tables.routes(NOW + 75)) == before
    points = history.points(EVERYTHING, FINE_SECONDS, NOW + 75)
    assert [point.t - NOW for point in points] == [10.0 * number for number in range(7)]
    assert sum(points[0].durations.values()) == 10
    assert counted(history, CellFilter("a"), LONG_SECONDS, NOW + 75) == 2
