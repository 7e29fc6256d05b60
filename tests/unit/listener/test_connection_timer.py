"""One timer a connection: it fires for the deadline that is set when it looks, and for no other."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.listener.connection_timer import ConnectionTimer


class Handle:
    def __init__(self, moment: float, call: Callable[[], object]) -> None:
        self.moment, self.call, self.cancelled = moment, call, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """The part of a loop that a timer uses, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handles: list[Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, moment: float, call: Callable[[], object]) -> Handle:
        self.handles.append(Handle(moment, call))
        return self.handles[-1]

    def move_to(self, now: float) -> None:
        """Fire what is due on the way."""
        while due := [h for h in self.handles if not h.cancelled and h.moment <= now]:
            first = min(due, key=lambda handle: handle.moment)
            self.handles.remove(first)
            self.now = first.moment
            first.call()
        self.now = now

    @property
    def pending(self) -> int:
        return sum(not handle.cancelled for handle in self.handles)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Any, late: list[str]) -> ConnectionTimer:
    loop: asyncio.AbstractEventLoop = clock
    return ConnectionTimer(loop, lambda: late.append("idle"))


def test_it_fires_once_at_the_deadline(clock: Clock) -> None:
    late: list[str] = []
    timer = make(clock, late)
    timer.set(10, lambda: late.append(f"at {clock.now:g}"))
    clock.move_to(9.9)
    assert late == []
    clock.move_to(100)
    assert late == ["at 10"]


def test_a_handshake_behind_the_first_deadline_costs_no_timer(clock: Clock) -> None:
    late: list[str] = []
    timer = make(clock, late)
    timer.set(75, lambda: late.append("idle"))
    clock.move_to(0.0004)
    timer.set(10, lambda: late.append(f"at {clock.now:g}"))
    assert len(clock.handles) == 1
    clock.move_to(9.99)
    assert late == []
    clock.move_to(100)
    assert late == ["at 10.0004"]


def test_a_deadline_that_moves_costs_no_timer(clock: Clock) -> None:
    late: list[str] = []
    timer = make(clock, late)
    for second in range(50):
        clock.move_to(second)
        timer.set(75, lambda: late.append(f"at {clock.now:g}"))
        timer.clear()
        timer.set(75, lambda: late.append(f"at {clock.now:g}"))
        assert clock.pending == 1
    clock.move_to(200)
    assert late == ["at 124"]


def test_a_nearer_deadline_replaces_a_farther_one(clock: Clock) -> None:
    late: list[str] = []
    timer = make(clock, late)
    timer.set(75, lambda: late.append("idle"))
    timer.set(5, lambda: late.append(f"head at {clock.now:g}"))
    clock.move_to(80)
    assert late == ["head at 5"]


def test_what_is_cleared_or_closed_never_fires(clock: Clock) -> None:
    late: list[str] = []
    timer = make(clock, late)
    timer.set(10, lambda: late.append("late"))
    timer.clear()
    clock.move_to(20)
    timer.set(10, lambda: late.append("late"))
    timer.close()
    clock.move_to(40)
    assert late == []
    assert clock.pending == 0
