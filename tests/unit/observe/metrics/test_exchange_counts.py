"""What exchanges add up to, and that no caller can make it grow."""

from collections.abc import Callable

import pytest

from gateway.exchange import UNKNOWN_SDK, Ending, Exchange, PhaseKind
from gateway.observe.metrics.exchange_counts import (
    DURATIONS,
    MAX_CONSUMERS,
    MAX_SDKS,
    OTHER,
    OVERHEAD,
    QUEUE,
    TOTAL,
    UPSTREAM,
    Distribution,
    ExchangeCounts,
    Refused,
    distribution,
)


def exchange(consumer: str = "app", status: int = 200, method: str = "GET", **fields: object) -> Exchange:
    """A finished one, sent once and answered after 0.2 s."""
    made = Exchange(0.0)
    made.consumer, made.method, made.product, made.label = consumer, method, "api", "/Messages"
    made.status, made.attempts, made.ended_at, made.ended_at_epoch = status, 1, 0.201, 1000.0
    made.credential, made.key = "main", "SK0011…eeff"
    made.record_attempt(0.0, 0.2, status, 0, "", "")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def refused(slug: str = "missing_key", status: int = 401) -> Exchange:
    """One that was refused before anything was known of it."""
    made = Exchange(0.0)
    made.status, made.slug, made.ended_at = status, slug, 0.0005
    return made


def _added(*exchanges: Exchange) -> ExchangeCounts:
    tally = ExchangeCounts()
    for each in exchanges:
        tally.add(each)
    return tally


def test_requests_by_route_and_by_consumer() -> None:
    tally = _added(exchange(), exchange(), exchange("batch"), exchange(status=404), refused())
    assert tally.routes() == {
        ("api", "/Messages", "GET", 2): 3,
        ("api", "/Messages", "GET", 4): 1,
        ("", "", "", 4): 1,
    }
    assert tally.consumers() == {
        ("app", "api", "GET", 2): 2,
        ("batch", "api", "GET", 2): 1,
        ("app", "api", "GET", 4): 1,
        ("", "", "", 4): 1,
    }


@pytest.mark.parametrize(
    ("ending", "status", "counted"),
    [
        (Ending.HUNG_UP, 0, 4),
        (Ending.ABORTED, 0, 5),
        (Ending.HUNG_UP, 200, 2),
        (Ending.ABORTED, 502, 5),
        (Ending.ANSWERED, 999, 9),
    ],
)
def test_every_exchange_has_a_class(ending: Ending, status: int, counted: int) -> None:
    """Who left before an answer is a 499; what we broke off before one is ours."""
    tally = _added(exchange(ending=ending, status=status))
    assert [name[3] for name in tally.routes()] == [counted]
    assert tally.unfinished == ({} if ending is Ending.ANSWERED else {ending.value: 1})


def test_durations_add_up_by_product_and_by_consumer() -> None:
    slow = exchange("batch")
    slow.record_queue(PhaseKind.QUEUE, 0.0, 2.0)
    slow.record_backoff(0.0, 0.5)
    slow.caller_seconds = 0.1
    slow.ended_at = 3.0
    by_product, by_consumer = _added(exchange(), slow).durations()
    assert by_product.keys() == {"api"}
    assert by_consumer.keys() == {"app", "batch"}
    assert distribution(by_product["api"], TOTAL) == Distribution((0, 1, 0, 0, 0, 1, 0), 3.201)
    assert distribution(by_product["api"], UPSTREAM).counts == (0, 2, 0, 0, 0)
    assert distribution(by_consumer["batch"], QUEUE) == Distribution((0, 0, 1, 0), 2.0)
    overhead = distribution(by_consumer["batch"], OVERHEAD)
    assert overhead.counts == (0, 0, 0, 1)
    assert overhead.seconds == pytest.approx(slow.overhead_seconds)
    assert distribution(by_consumer["app"], OVERHEAD).counts == (1, 0, 0, 0)


def test_a_bound_belongs_to_its_bucket() -> None:
    """`le` is less or equal."""
    exactly = exchange()
    exactly.ended_at = 0.1
    by_product, _ = _added(exactly).durations()
    assert distribution(by_product["api"], TOTAL).counts[0] == 1


def test_what_was_refused_before_is_neither_queued_nor_upstream() -> None:
    """Else a flood of bad keys would make Twilio look fast."""
    by_product, _ = _added(refused()).durations()
    assert [sum(distribution(by_product[""], span).counts) for span in DURATIONS] == [1, 0, 0, 1]


def test_a_wait_that_ended_without_an_attempt_is_queued_only() -> None:
    waited = Exchange(0.0)
    waited.status, waited.slug, waited.ended_at = 429, "queue_timeout", 5.0
    waited.record_queue(PhaseKind.QUEUE, 0.0, 5.0)
    by_product, _ = _added(waited).durations()
    assert [sum(distribution(by_product[""], span).counts) for span in DURATIONS] == [1, 0, 1, 1]


def test_at_most_ten_buckets() -> None:
    assert all(len(span.bounds) + 1 <= 10 for span in DURATIONS)


def _retried() -> Exchange:
    made = Exchange(0.0)
    made.status, made.attempts, made.credential, made.ended_at_epoch = 200, 7, "main", 7.0
    for status, failed, then in (
        (429, "", "requeue"), (401, "", "next_key"), (503, "", "retry"), (502, "", "retry"),
        (0, "connect", "retry"), (0, "response", "retry"), (200, "", ""),
    ):  # fmt: skip
        made.record_attempt(0.0, 0.1, status, 0, failed, then)
    return made


def test_attempts_by_outcome_and_retries_by_reason() -> None:
    abandoned = exchange(ending=Ending.HUNG_UP, steps=[])
    abandoned.record_attempt(0.0, 0.1, 0, 0, "", "")
    tally = _added(_retried(), abandoned)
    assert tally.attempts == {
        429: 1, 401: 1, 503: 1, 502: 1, "connect": 1, "response": 1, 200: 1, "": 1,
    }  # fmt: skip
    assert tally.retries == dict.fromkeys(("signal", "key_refused", "503", "502", "connect", "response"), 1)


def test_a_refused_key_is_named_with_its_moment() -> None:
    tally = _added(
        exchange(status=401, ended_at_epoch=5.0), exchange(status=401, ended_at_epoch=9.0), exchange()
    )
    assert tally.refused_keys == {("main", "SK0011…eeff"): Refused(2, 9.0)}


def test_answers_of_ours_and_of_twilios() -> None:
    tally = _added(
        refused(),
        refused("not_allowed", 403),
        exchange(status=400, twilio_code=21211),
        exchange(status=400, twilio_code=999_999),
        exchange(status=404),
        exchange(reported="form_rule"),
    )
    assert tally.refusals == {"missing_key": 1, "not_allowed": 1}
    assert tally.twilio_codes == {21211: 1, -1: 1, 0: 1}
    assert tally.reported == {"form_rule": 1}


def test_what_rate_limits_did() -> None:
    waited = exchange()
    waited.record_queue(PhaseKind.LIMIT, 0.0, 0.5)
    limited = exchange(status=429, slug="rate_limited")
    tally = _added(waited, limited, exchange(reported="rate_limited"))
    assert tally.limited == {("app", "waited"): 1, ("app", "refused"): 1, ("app", "reported"): 1}


def test_segments_by_consumer_and_country() -> None:
    tally = _added(*(exchange(segments=3, country="GB") for _ in range(2)), exchange("batch"))
    assert tally.segments == {("app", "GB"): 6}


@pytest.mark.parametrize("method", ["BREW", "get", "X" * 1000])
def test_a_method_that_is_none_is_other(method: str) -> None:
    tally = _added(exchange(method=method))
    assert tally.routes() == {("api", "/Messages", OTHER, 2): 1}
    assert tally.consumers() == {("app", "api", OTHER, 2): 1}


def _size(tally: ExchangeCounts) -> int:
    by_product, by_consumer = tally.durations()
    return len(tally.routes()) + len(tally.consumers()) + len(by_product) + len(by_consumer)


@pytest.mark.parametrize(
    "make",
    [
        lambda number: exchange(method=f"M{number}"),
        lambda number: exchange(status=400, twilio_code=100_000 + number),
        lambda number: exchange(request_id=str(number), twilio_request_id=f"RQ{number}"),
    ],
)
def test_what_callers_choose_makes_nothing_grow(make: Callable[[int], Exchange]) -> None:
    tally = _added(make(0))
    before = _size(tally), len(tally.twilio_codes)
    for number in range(1, 1000):
        tally.add(make(number))
    assert (_size(tally), len(tally.twilio_codes)) == before


def test_consumers_beyond_the_bound_are_counted_together() -> None:
    """Those before it stay for good: counters must not vanish with a reload."""
    tally = ExchangeCounts(consumers_max=2)
    for name in ("one", "two", "three", "four", "one", ""):
        tally.add(exchange(name, reported="rate_limited", segments=1, country="GB"))
    counts = {name[0]: count for name, count in tally.consumers().items()}
    assert counts == {"one": 2, "two": 1, OTHER: 2, "": 1}
    assert tally.limited.keys() == {(name, "reported") for name in ("one", "two", OTHER, "")}
    assert tally.segments[OTHER, "GB"] == 2
    assert MAX_CONSUMERS >= 1000


def _sdk(version: str) -> str:
    return f"twilio-go/{version}"


def test_sdks_are_counted_by_consumer() -> None:
    """Of callers that are known."""
    tally = _added(
        exchange(sdk=_sdk("1")),
        exchange(sdk=_sdk("1")),
        exchange(),
        exchange("batch", sdk=_sdk("2")),
        refused(),
    )
    assert tally.sdks() == {("app", _sdk("1")): 2, ("app", UNKNOWN_SDK): 1, ("batch", _sdk("2")): 1}


def test_versions_without_end_are_counted_together() -> None:
    tally = _added(*(exchange(sdk=_sdk(str(number))) for number in range(3 * MAX_SDKS)), exchange("batch"))
    assert len(tally.sdks()) == MAX_SDKS + 2
    assert tally.sdks()["app", OTHER] == 2 * MAX_SDKS
    assert tally.sdks()["batch", UNKNOWN_SDK] == 1


def test_sdks_of_consumers_without_end_are_bounded_too() -> None:
    tally = ExchangeCounts(consumers_max=2)
    for number in range(20):
        for version in range(2 * MAX_SDKS):
            tally.add(exchange(f"c{number}", sdk=_sdk(str(version))))
    assert len(tally.sdks()) == 3 * (MAX_SDKS + 1)
