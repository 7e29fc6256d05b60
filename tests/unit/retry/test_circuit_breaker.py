"""The breaker: opens after connections failed, lets one through to see, closes when that works."""

from gateway.retry.circuit_breaker import Breakers, CircuitState

HOST = "api.twilio.com"


def opened() -> Breakers:
    breakers = Breakers()
    for _ in range(5):
        assert breakers.allows(HOST, 0.0)
        breakers.failed(HOST, 0.0)
    return breakers


def test_opens_after_five_failures_and_for_that_host_only() -> None:
    breakers = opened()
    assert not breakers.allows(HOST, 0.1)
    assert breakers.allows("verify.twilio.com", 0.1)
    assert breakers.states(0.1) == {HOST: CircuitState.OPEN}


def test_half_open_lets_one_through() -> None:
    breakers = opened()
    assert breakers.states(0.6) == {HOST: CircuitState.HALF_OPEN}
    assert breakers.allows(HOST, 0.6)
    assert not breakers.allows(HOST, 0.6)


def test_success_closes() -> None:
    breakers = opened()
    breakers.succeeded(HOST)
    assert breakers.allows(HOST, 0.1)
    assert breakers.states(0.1) == {}


def test_stays_open_longer_after_each_failed_trial() -> None:
    breakers = opened()
    assert breakers.allows(HOST, 0.6)
    breakers.failed(HOST, 0.6)
    assert not breakers.allows(HOST, 1.5)
    assert breakers.allows(HOST, 1.7)


def test_a_trial_that_was_abandoned_can_be_made_again() -> None:
    breakers = opened()
    assert breakers.allows(HOST, 0.6)
    breakers.abandoned(HOST)
    assert breakers.allows(HOST, 0.6)


def test_success_in_between_starts_the_count_anew() -> None:
    breakers = Breakers()
    for _ in range(4):
        breakers.failed(HOST, 0.0)
    breakers.succeeded(HOST)
    breakers.failed(HOST, 0.0)
    assert breakers.allows(HOST, 0.0)
