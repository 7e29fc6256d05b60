"""Tables over 15 minutes: what is counted, what is forgotten, and that they stay small."""

import pytest

from gateway.exchange import UNKNOWN_SDK, Ending
from gateway.observe.live.breakdowns import (
    MAX_CODES,
    MAX_SDKS,
    OTHER_CODE,
    RATE_SECONDS,
    Breakdowns,
    RouteName,
)
from gateway.observe.live.traffic_cells import is_refusal
from tests.unit.observe.exchanges import finished

NOW = 60_000.0


def test_counts() -> None:
    tables = Breakdowns()
    tables.add(
        [
            finished(NOW, 0.1),
            finished(NOW + 1, 0.2, status=400, twilio_code=21211),
            finished(NOW + 2, 0.3, status=429, slug="rate_limited"),
            finished(NOW + 3, 0.4, status=502, slug="upstream_lost"),
            finished(NOW + 4, 0.5, status=0, ending=Ending.HUNG_UP),
        ]
    )
    tally = tables.consumers(NOW + 5)["app"]
    assert (tally.requests, tally.errors, tally.refusals, tally.last_at) == (5, 4, 1, NOW + 4)
    assert tally.quantiles()["p50"] == pytest.approx(0.3, rel=0.04)
    assert tables.routes(NOW + 5)[RouteName("api", "/Messages", "GET")].requests == 5
    assert {code: each.requests for code, each in tables.codes(NOW + 5).items()} == {21211: 1}
    assert {slug: each.requests for slug, each in tables.slugs(NOW + 5).items()} == {
        "rate_limited": 1,
        "upstream_lost": 1,
    }


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """Fifteen minutes, in slices of three."""
    tables = Breakdowns()
    tables.add([finished(NOW)])
    assert tables.consumers(NOW + 12 * 60)["app"].requests == 1
    assert tables.consumers(NOW + 15 * 60) == {}
    for minute in range(100):
        tables.add([finished(NOW + minute * 60)])
    assert 12 < tables.consumers(NOW + 99 * 60)["app"].requests <= 15


def test_rates_are_of_the_last_seconds() -> None:
    tables = Breakdowns()
    tables.add([finished(NOW + second / 10) for second in range(300)])
    assert tables.rates(NOW + 30) == {"app": 10.0}
    assert tables.rates(NOW + 30 + RATE_SECONDS) == {}


def test_codes_are_bounded() -> None:
    """Beyond them all are one."""
    tables = Breakdowns()
    tables.add(
        [finished(NOW, twilio_code=code, status=400) for code in range(10_000, 10_000 + 3 * MAX_CODES)]
    )
    codes = tables.codes(NOW)
    assert len(codes) == MAX_CODES + 1
    assert codes[OTHER_CODE].requests == 2 * MAX_CODES


def test_what_has_no_route_is_in_no_route() -> None:
    tables = Breakdowns()
    tables.add([finished(NOW, label="", product="", method="", consumer="", status=401, slug="missing_key")])
    assert tables.routes(NOW) == {}
    assert tables.consumers(NOW)[""].refusals == 1


def test_a_clock_set_back_does_not_hide_what_comes() -> None:
    tables = Breakdowns()
    tables.add([finished(NOW + 7200)])
    tables.add([finished(NOW)])
    assert tables.consumers(NOW)["app"].requests == 1


@pytest.mark.parametrize(
    ("slug", "ours"),
    [
        ("", False),
        ("rate_limited", True),
        ("draining", True),
        ("upstream_timeout", False),
        ("internal_error", False),
    ],
)
def test_refusals(slug: str, ours: bool) -> None:
    assert is_refusal(slug) is ours


def test_sdks_of_a_consumer() -> None:
    """Bounded in a slice, and over all of them."""
    tables = Breakdowns()
    go = "twilio-go/1.30.9"
    for minute in range(12):
        tables.add([finished(NOW + minute * 60, sdk=go), finished(NOW + minute * 60)])
        versions = (f"twilio-php/{minute}.{number}" for number in range(MAX_SDKS))
        tables.add(finished(NOW + minute * 60, sdk=sdk) for sdk in versions)
    sdks = tables.consumers(NOW + 12 * 60)["app"].sdks
    assert len(sdks) <= MAX_SDKS + 1
    assert sdks[go] == 12
    assert sum(sdks.values()) == 12 * (MAX_SDKS + 2)
    assert sdks[UNKNOWN_SDK] > 12
