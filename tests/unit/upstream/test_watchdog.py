"""One timer, moved by setting a number."""

import math
from collections.abc import Callable

from gateway.upstream.watchdog import Watchdog


class Handle:
    def __init__(self, when: float, look: Callable[[], None]) -> None:
        self.when, self.look, self.cancelled = when, look, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Of an event loop, its clock, which the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set: list[Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, look: Callable[[], None]) -> Handle:
        self.set.append(Handle(when, look))
        return self.set[-1]

    def advance(self, now: float) -> None:
        self.now = now
        due = [each for each in self.set if each.when <= now and not each.cancelled]
        self.set = [each for each in self.set if each not in due and not each.cancelled]
        for each in due:
            each.look()


def make() -> tuple[Loop, Watchdog, list[float]]:
    loop, seen = Loop(), list[float]()
    return loop, Watchdog(loop, lambda: seen.append(loop.now)), seen  # type: ignore[arg-type]


def test_it_calls_once_when_it_is_due() -> None:
    loop, watchdog, seen = make()
    watchdog.watch(5)
    loop.advance(4)
    assert seen == []
    loop.advance(5)
    loop.advance(50)
    assert seen == [5]


def test_later_costs_no_timer_and_sooner_another() -> None:
    loop, watchdog, seen = make()
    for due in range(5, 100):
        watchdog.watch(due)
    assert [each.when for each in loop.set] == [5]
    loop.advance(5)
    assert seen == []
    assert [each.when for each in loop.set] == [99]
    watchdog.watch(7)
    loop.advance(7)
    assert seen == [7]


def test_at_rest_it_leaves_no_timer_behind_for_long() -> None:
    loop, watchdog, seen = make()
    watchdog.watch(5)
    watchdog.rest()
    loop.advance(math.inf)
    assert (seen, loop.set) == ([], [])
    watchdog.watch(7)
    watchdog.stop()
    loop.advance(math.inf)
    assert (seen, loop.set) == ([], [])
