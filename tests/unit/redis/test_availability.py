"""The breaker reports every change once, and takes a pause for no outage."""

from gateway.redis.availability import Breaker, ProbePause, StoreState


class Scene:
    """A breaker, its clock, and what it reported."""

    def __init__(self) -> None:
        self.now = 100.0
        self.states: list[StoreState] = []
        self.breaker = Breaker(3, 1.0, lambda: self.now, self.states.append)


def test_rejections_open_it_at_once_and_a_probe_closes_it() -> None:
    scene = Scene()
    breaker = scene.breaker
    assert breaker.state == (True, 100.0, "")
    breaker.rejected("READONLY")
    breaker.rejected("READONLY")
    breaker.succeeded()
    breaker.rejected("READONLY")
    breaker.rejected("READONLY")
    assert scene.states == []
    scene.now = 107.0
    breaker.rejected("OOM")
    breaker.rejected("OOM")
    assert scene.states == [(False, 107.0, "OOM")]
    scene.now = 109.0
    breaker.close()
    breaker.close()
    assert scene.states[1:] == [(True, 109.0, "")]
    breaker.rejected("READONLY")
    assert breaker.state.available


def test_silence_opens_it_only_when_it_has_lasted() -> None:
    """However many requests fail in one pause."""
    scene = Scene()
    for _ in range(50):
        scene.breaker.failed("no answer in time")
    scene.now = 100.99
    scene.breaker.failed("no answer in time")
    assert scene.states == []
    scene.now = 101.0
    scene.breaker.failed("no answer in time")
    assert scene.states == [(False, 101.0, "no answer in time")]


def test_an_answer_ends_the_silence() -> None:
    scene = Scene()
    for _ in range(10):
        scene.breaker.failed("no answer in time")
        scene.now += 0.5
        scene.breaker.failed("no answer in time")
        scene.breaker.succeeded()
    assert scene.states == []


def test_a_few_failures_far_apart_open_it() -> None:
    scene = Scene()
    scene.breaker.failed("refused")
    scene.now += 60
    scene.breaker.failed("refused")
    assert scene.states == []
    scene.now += 60
    scene.breaker.failed("refused")
    assert scene.states == [(False, 220.0, "refused")]


def test_a_clock_that_is_set_back_does_not_keep_it_closed() -> None:
    scene = Scene()
    scene.breaker.failed("refused")
    scene.now = 50.0
    for _ in range(5):
        scene.breaker.failed("refused")
        scene.now += 0.3
    assert not scene.breaker.state.available


def test_opened_at_the_start() -> None:
    scene = Scene()
    scene.breaker.open("refused")
    assert scene.states == [(False, 100.0, "refused")]


def test_c11_a_store_that_refuses_some_scripts_only_is_not_used_in_turns() -> None:
    """It answers each probe, and refuses soon after: a node that has not all slots of a cluster."""
    now = [0.0]
    pause = ProbePause(0.25, lambda: now[0])
    waits = []
    for _ in range(10):
        pause.refused()
        waits.append(pause.seconds)
        now[0] += pause.seconds
        pause.available()
        now[0] += 0.1
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    pause.silent()
    assert pause.seconds == 0.25
    pause.refused()
    assert pause.seconds == 0.5
    now[0] += 61
    pause.refused()
    assert pause.seconds == 0.25
