"""The breaker tells of every change once."""

from gateway.redis.availability import Breaker, StoreState


def test_opens_after_a_burst_and_closes_by_a_probe() -> None:
    now = [100.0]
    told: list[StoreState] = []
    breaker = Breaker(3, lambda: now[0], told.append)
    assert breaker.state == (True, 100.0, "")
    breaker.failed("slow")
    breaker.failed("slow")
    breaker.succeeded()
    breaker.failed("slow")
    breaker.failed("slow")
    assert told == []
    now[0] = 107.0
    breaker.failed("gone")
    breaker.failed("gone")
    assert told == [(False, 107.0, "gone")]
    now[0] = 109.0
    breaker.close()
    breaker.close()
    assert told[1:] == [(True, 109.0, "")]
    breaker.failed("slow")
    assert breaker.state.available


def test_opened_at_the_start() -> None:
    told: list[StoreState] = []
    breaker = Breaker(3, lambda: 1.0, told.append)
    breaker.open("refused")
    assert told == [(False, 1.0, "refused")]
