"""Which format a scraper gets, and that one second's scrapes are one page."""

import gzip

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.registry import Collector

from gateway.observe.metrics.exposition import OPENMETRICS, TEXT, Exposition, quality_of, wants_openmetrics

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ('Application/OpenMetrics-Text; Version="1.0.0"', True),
        ("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.6", False),
        ("application/openmetrics-text;version=1.0.0;q=0", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;q=much", False),
        ("text/plain", False),
        ("*/*", False),
        ("", False),
        (",;=,;", False),
    ],
)
def test_openmetrics_where_it_is_wanted(accept: str, wants: bool) -> None:
    assert wants_openmetrics(accept) is wants


@pytest.mark.parametrize(
    ("field", "quality"),
    [("gzip", 1), ("deflate, gzip;q=0.5", 0.5), ("gzip;q=0", 0), ("br", 0), ("", 0), ("x-gzip", 0)],
)
def test_gzip_where_it_is_accepted(field: str, quality: float) -> None:
    assert quality_of(field, "gzip") == quality


class _Counting(Collector):
    """A gauge of how often it was asked, and enough samples for several portions."""

    def __init__(self) -> None:
        self.times = 0

    def collect(self) -> list[Metric]:
        self.times += 1
        family = GaugeMetricFamily("asked", "How often.", labels=("number",))
        for number in range(100):
            family.add_metric((str(number),), self.times)
        return [family]


def _exposition() -> tuple[Exposition, list[float]]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counting())
    now = [100.0]
    return Exposition(registry, lambda: now[0]), now


def test_both_formats_can_be_read_and_hold_the_same() -> None:
    exposition, _ = _exposition()
    for accept, content_type, read in ((PROMETHEUS_2, OPENMETRICS, read_openmetrics), ("", TEXT, read_text)):
        page = exposition.page(accept, "")
        assert (page.content_type, page.encoding) == (content_type, "")
        families = {each.name: each for each in read(page.body.decode())}
        assert len(families["asked"].samples) == 100
    assert page.body.endswith(b"\n")


def test_one_second_is_one_page() -> None:
    """Two scrapers get the same bytes; the next second is asked for anew, in every form."""
    exposition, now = _exposition()
    first = exposition.page(PROMETHEUS_2, "")
    packed = exposition.page(PROMETHEUS_2, "gzip")
    now[0] += 0.99
    assert exposition.page(PROMETHEUS_2, "") is first
    assert exposition.page(PROMETHEUS_2, "gzip, deflate") is packed
    assert (packed.encoding, gzip.decompress(packed.body)) == ("gzip", first.body)
    now[0] += 0.02
    second = exposition.page(PROMETHEUS_2, "")
    assert second.body != first.body
    assert gzip.decompress(exposition.page(PROMETHEUS_2, "gzip").body) == second.body
