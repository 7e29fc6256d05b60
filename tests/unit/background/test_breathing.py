"""Turns of a thread that computes: pauses inside `short_turns` only, and the usual interval afterwards."""

import sys
import threading
import time

import pytest

from gateway.background.breathing import breathe, short_turns


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; a clock that moves by 0.2 ms at each look."""
    made: list[float] = []
    looks = iter(range(10_000))
    monkeypatch.setattr(time, "sleep", made.append)
    monkeypatch.setattr(time, "perf_counter", lambda: next(looks) * 0.0002)
    return made


def test_c13_no_pause_unless_turns_are_short(pauses: list[float]) -> None:
    for _ in range(100):
        breathe()
    assert pauses == []


def test_c13_a_pause_behind_each_turn(pauses: list[float]) -> None:
    with short_turns():
        for _ in range(40):
            breathe()
    assert len(pauses) == 40 // 10, "a turn of 2 ms is over at the tenth look"
    breathe()
    assert len(pauses) == 40 // 10, "the turns ended with the block"


def test_c13_blocks_may_overlap_in_any_order() -> None:
    """Two threads: the first to begin ends first. The interpreter's interval is then what it was."""
    usual = sys.getswitchinterval()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with short_turns():
            inside.set()
            leave.wait(20)

    with short_turns():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(20)
        assert sys.getswitchinterval() < usual
    assert sys.getswitchinterval() < usual
    leave.set()
    thread.join(20)
    assert sys.getswitchinterval() == usual
