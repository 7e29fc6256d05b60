"""The benchmarks of admission run, and no caller of the gateway is failed; figures are not asserted.

Side effects and the retry storm: `tests/integration/test_storm.py`.
"""

import asyncio
import time
from functools import partial

import pytest

from tests.bench import fairness
from tests.bench.goodput.__main__ import main
from tests.bench.precise_delay import PreciseTimer
from tests.bench.turn_order import Scenario, simulate


@pytest.mark.parametrize("words", ["limit 20, log-normal", "two replicas, limit 20"])
def test_goodput(words: str) -> None:
    assert main(["--short", "--ways", "gateway", "--only", words]) == 0


def test_another_way_of_calling_is_measured_too() -> None:
    assert main(["--short", "--ways", "aiohttp-retry", "--only", "limit 5"]) == 0


def test_fairness() -> None:
    assert fairness.main(["--short"]) == 0


def test_timers_of_whole_milliseconds_keep_calls_of_equal_length_in_step() -> None:
    """In virtual time, so that the figure is the same on every machine."""
    exact, coarse = (
        simulate(Scenario("sent first", False, False, whole_ms, 1, seconds=4)).goodput
        for whole_ms in (False, True)
    )
    assert 0.97 < coarse < exact < 1.0


async def test_a_precise_timer_calls_in_the_order_of_what_is_due_and_never_early() -> None:
    called: list[tuple[float, bool]] = []
    done = asyncio.Event()
    timer = PreciseTimer()
    began = time.monotonic()

    def note(due: float) -> None:
        called.append((due, time.monotonic() - began >= due))

    for seconds in (0.003, 0.0015, 0.0045, 0.0015):
        timer.call_later(seconds, partial(note, seconds))
    timer.call_later(0.005, done.set)
    async with asyncio.timeout(30):
        await done.wait()
    assert called == [(due, True) for due in (0.0015, 0.0015, 0.003, 0.0045)]
