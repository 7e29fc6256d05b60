"""What replicas publish of a consumer, over a real Redis: row B16, a name that is another consumer's now."""

import pytest

from gateway.key_usage.former_keys import FormerKeys
from gateway.key_usage.usage_keeper import UsageKeeper
from gateway.observe.consumer_report import ConsumerReports
from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.metrics.exchange_counts import ExchangeCounts
from gateway.observe.names_given_again import NamesGivenAgain
from gateway.redis.redis_store import RedisStore
from gateway.replicas.report_sharing import ReportSharing, ReportSources
from tests.support.judging import consumer


@pytest.mark.parametrize(
    ("published_of", "own_of", "requests", "note"),
    [
        pytest.param(["k1"], ["k1", "k2"], 5, "", id="rotated"),
        pytest.param(["k1"], ["k2"], 2, "b knows another consumer of this name", id="given-to-another"),
        pytest.param(None, ["k2"], 5, "", id="older-release"),
    ],
)
async def test_b16_a_replica_that_has_not_reloaded_tells_nothing_of_the_former_consumer(
    store: RedisStore, published_of: list[str] | None, own_of: list[str], requests: int, note: str
) -> None:
    figures = {"requests": 3} | ({} if published_of is None else {"of": published_of})
    sources = ReportSources(lambda: {"app": 3}, lambda names: dict.fromkeys(names, figures))
    await ReportSharing(store, "b", sources).publish()
    nothing = ReportSources(dict, lambda names: {})
    found = await ReportSharing(store, "a", nothing).read("app", {"requests": 2, "of": own_of}, ["b"])
    assert (found.figures["requests"], found.note) == (requests, note)


def test_b16_what_was_published_of_a_former_consumer_is_written_anew() -> None:
    """Also if it had nothing but segments left, so that no count of requests changes."""
    counts = ExchangeCounts()
    given = NamesGivenAgain(counts, lambda: 7.0)
    window = TrafficWindow(ExchangeQueue(), given_again=given.take)
    keeper = UsageKeeper(window.consumer_keys, FormerKeys(), dict, window.refresh, None)
    reports = ConsumerReports(window, counts, keeper, dict, 5.0, given)
    given.apply({"app": consumer(identities=("k1",))})
    counts.segments["app", "DE"] = 3
    before, published = reports.marks(), reports.figures(["app"])["app"]
    assert (published["of"], published["segments"], published["started_at"]) == (["k1"], [["DE", 3]], 5.0)
    given.apply({"app": consumer(identities=("k2",))})
    published = reports.figures(["app"])["app"]
    assert reports.marks()["app"] != before["app"]
    assert (published["of"], published["segments"], published["started_at"]) == (["k2"], [], 7.0)
