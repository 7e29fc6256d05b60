"""Families out of a tally: their names and numbers, their size, and scrapes while the data loop goes on."""

import sys
import threading
from collections.abc import Iterator

import pytest

from gateway.errors import KINDS
from gateway.observe.metrics.configuration_info import KeyName
from gateway.observe.metrics.cooperative import PORTION, yielding
from gateway.observe.metrics.exposition import OPENMETRICS, Exposition
from gateway.observe.metrics.registry import Metrics
from gateway.twilio.catalogue import load_catalogue
from gateway.upstream.key_health import KeyEvent
from tests.support.metrics import Series, read_samples, total
from tests.unit.observe.metrics.test_exchange_counts import exchange, refused

_LONGEST_BYTES = 1_000_000


def _text(metrics: Metrics) -> str:
    return Exposition(metrics.registry).page(OPENMETRICS, "").body.decode()


def _samples(metrics: Metrics) -> dict[Series, float]:
    return read_samples(_text(metrics))


def test_what_can_be_named_is_there_from_the_start() -> None:
    """`increase()` misses a first event that makes its series."""
    metrics = Metrics()
    metrics.configuration.apply("abc", [KeyName("main", "SK0011…eeff")])
    samples = _samples(metrics)
    names = {name for name, _ in samples}
    assert {labels for name, labels in samples if name == "gateway_refusals_total"} == {
        (("slug", slug),) for slug in KINDS
    }
    assert samples["gateway_credential_key_events_total", (("event", "refused"), ("key", "SK0011…eeff"))] == 0
    assert samples["gateway_idempotency_events_total", (("event", "idempotency_conflict"),)] == 0
    assert samples["gateway_config_info", (("hash", "abc"),)] == 1
    assert {"gateway_attempts_total", "gateway_retries_total", "gateway_config_reloads_total"} <= names
    assert "process_resident_memory_bytes" in names
    assert not [name for name in names if name.endswith("_created")]


def test_a_histogram_is_cumulative_and_ends_with_its_count() -> None:
    metrics = Metrics()
    for ended_at in (0.05, 0.2, 0.2, 60.0):
        metrics.observe(exchange(ended_at=ended_at))
    samples = _samples(metrics)
    buckets = [
        (dict(labels)["le"], value)
        for (name, labels), value in samples.items()
        if name == "gateway_request_seconds_bucket"
    ]
    assert buckets == [
        ("0.1", 1), ("0.25", 3), ("0.5", 3), ("1.0", 3), ("2.5", 3), ("10.0", 3), ("+Inf", 4),
    ]  # fmt: skip
    assert total(samples, "gateway_request_seconds_count", product="api") == 4
    assert total(samples, "gateway_consumer_request_seconds_sum", consumer="app") == pytest.approx(60.45)


def test_secrets_have_the_age_that_whoever_fetches_them_says() -> None:
    metrics = Metrics()
    metrics.secret_ages = lambda: {"vault:a#b": 12.5}
    assert _samples(metrics)["gateway_secret_age_seconds", (("secret", "vault:a#b"),)] == 12.5


def test_two_hundred_consumers_and_every_route_fit_into_a_megabyte() -> None:
    """With another status on every fourth route, three calls more of each consumer, and segments."""
    metrics = Metrics()
    for number, route in enumerate(load_catalogue().routes):
        fields = {"product": route.product, "label": route.label, "method": route.method}
        metrics.observe(exchange(f"service-{number % 200}", 200 if number % 4 else 404, **fields))
    for number in range(200):
        for status in (201, 400):
            made = exchange(f"service-{number}", status, "POST", segments=1, country="NANP")
            metrics.observe(made)
    assert len(_text(metrics).encode()) < _LONGEST_BYTES


def test_a_scrape_while_exchanges_are_added() -> None:
    """New products, routes and keys come all the time: nothing breaks, and nothing goes back."""
    metrics = Metrics()
    ended_at = threading.Event()

    def add_on() -> None:
        number = 0
        while not ended_at.is_set() and number < 20_000:  # else the page would grow as fast as it is read
            number += 1
            fields = {"label": f"/route-{number // 50}", "product": f"product-{number // 100}"}
            metrics.observe(exchange(f"service-{number % 20}", 200, "GET", **fields))
            metrics.observe(refused())
            metrics.count_key_event(KeyEvent.REFUSED, f"SK{number // 50}")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    adding = threading.Thread(target=add_on)
    adding.start()
    try:
        counted = [total(_samples(metrics), "gateway_requests_total") for _ in range(4)]
    finally:
        ended_at.set()
        adding.join()
        sys.setswitchinterval(before)
    assert counted == sorted(counted)
    assert counted[-1] > counted[0]


def test_paced_items_are_the_same_and_asked_for_one_by_one() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(PORTION * 3 + 1):
            asked.append(number)
            yield number

    for number in yielding(items()):
        assert asked[-1] == number
    assert len(asked) == PORTION * 3 + 1
