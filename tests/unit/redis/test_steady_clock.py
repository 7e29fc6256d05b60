"""Seconds since an attempt, whatever the server's clock turns out to be."""

import pytest

from gateway.redis.server_clock import ServerClock
from gateway.redis.steady_clock import SteadyClock


class Scene:
    """A server whose time is `ahead` of this process's moments, and what the steady clock makes of it."""

    def __init__(self, ahead: float) -> None:
        self.moment = 100.0
        self.server = ServerClock(lambda: 1000.0, lambda: self.moment)
        self.tell(ahead)
        self.steady = SteadyClock(self.server)

    def tell(self, ahead: float) -> None:
        self.server.set(self.moment, [b"%d" % int(self.moment + ahead), b"0"])

    def passed(self, seconds: float, steps: int = 10) -> float:
        """How much time is said to have passed."""
        before = self.steady.now()
        for _ in range(steps):
            self.moment += seconds / steps
            self.steady.now()
        return self.steady.now() - before


@pytest.mark.parametrize("wrong", [6.0, -6.0])
@pytest.mark.parametrize("steps", [1, 10])
def test_seconds_last_as_long_as_seconds_but_for_a_tenth(wrong: float, steps: int) -> None:
    scene = Scene(1000.0 + wrong)
    scene.steady.now()
    scene.tell(1000.0)
    assert abs(scene.passed(15.0, steps) - 15.0) == pytest.approx(1.5)


def test_it_gets_to_the_server_s_time() -> None:
    scene = Scene(1006.0)
    scene.tell(1000.0)
    scene.passed(61.0)
    assert scene.steady.now() == scene.server.now()
    assert scene.passed(15.0) == pytest.approx(15.0)


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    scene = Scene(1000.0)
    scene.tell(5000.0)
    assert scene.steady.now() == scene.server.now()


def test_the_server_s_time_replaces_the_replica_s_own_at_once() -> None:
    moment = 100.0
    server = ServerClock(lambda: 1000.0, lambda: moment)
    steady = SteadyClock(server)
    server.set(moment, [b"1008", b"0"])
    assert steady.now() == server.now() == 1008.0


def test_a_server_that_does_not_tell_its_time_for_a_moment_moves_nothing_at_once() -> None:
    """A script that runs for long has it refuse TIME; the replica's own clock is 8 s ahead."""
    scene = Scene(892.0)
    scene.server.use_own()
    assert scene.passed(1.0) == pytest.approx(1.1)
    scene.tell(892.0)
    assert scene.passed(1.0) == pytest.approx(0.9)
