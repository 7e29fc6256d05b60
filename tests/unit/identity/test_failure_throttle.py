"""Row B11: wrong keys are answered 401 up to a burst and 429 above it, for each address apart."""

from gateway.errors import Refusal
from gateway.identity.failure_throttle import FailureThrottle

WRONG = Refusal("unknown_consumer", "The consumer key is not known here.")


def test_b11_a_burst_is_401_and_more_is_429_with_a_time() -> None:
    throttle = FailureThrottle(burst=3)
    slugs = [throttle.check(WRONG, "192.0.2.1", 100.0).slug for _ in range(5)]
    assert slugs == ["unknown_consumer"] * 3 + ["too_many_failures"] * 2
    refused = throttle.check(WRONG, "192.0.2.1", 100.0)
    assert (refused.status, refused.closes) == (429, True)
    assert refused.headers == (("Retry-After", "2"),)


def test_b11_the_bucket_fills_with_time_and_refusals_cost_nothing() -> None:
    throttle = FailureThrottle(burst=3)
    for _ in range(100):
        throttle.check(WRONG, "192.0.2.1", 100.0)
    assert throttle.check(WRONG, "192.0.2.1", 101.0).slug == "unknown_consumer"
    assert throttle.check(WRONG, "192.0.2.1", 101.0).slug == "too_many_failures"
    assert [throttle.check(WRONG, "192.0.2.1", 200.0).slug for _ in range(4)] == [
        *["unknown_consumer"] * 3,
        "too_many_failures",
    ]


def test_b11_addresses_are_counted_apart() -> None:
    throttle = FailureThrottle(burst=1)
    for address in ("192.0.2.1", "2001:db8::/64"):
        assert throttle.check(WRONG, address, 0.0) is WRONG
        assert throttle.check(WRONG, address, 0.0).slug == "too_many_failures"


def test_b11_the_table_is_bounded() -> None:
    throttle = FailureThrottle(burst=1, most_addresses=100)
    for number in range(1000):
        throttle.check(WRONG, str(number), 0.0)
    assert len(throttle._full_at) == 100
    assert throttle.check(WRONG, "999", 0.0).slug == "too_many_failures"


def test_b11_what_is_no_wrong_key_does_not_count() -> None:
    throttle = FailureThrottle(burst=1)
    for slug in ("missing_key", "not_allowed", "issuer_unavailable"):
        given = Refusal(slug, "")
        assert all(throttle.check(given, "192.0.2.1", 0.0) is given for _ in range(10))
    assert throttle.check(WRONG, "192.0.2.1", 0.0) is WRONG
