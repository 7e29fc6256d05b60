"""The short form of the run that shows it: no create is sent twice, and none is lost without a word."""

import asyncio

import pytest

from tests.bench import at_most_once
from tests.bench.progress import while_it_advances


def test_no_create_is_sent_twice() -> None:
    """All faults, three kinds of clients, two replicas of which one is killed, a Redis that pauses."""
    assert at_most_once.main(["--creates", "2000", "--callers", "300"]) == 0


@pytest.mark.parametrize("advances", [True, False])
async def test_work_goes_on_for_as_long_as_it_advances(advances: bool) -> None:
    """As many turns as it needs, though one turn without an advance is too many."""
    turns, done = 0, asyncio.Event()

    def advanced() -> int:
        nonlocal turns
        turns += advances
        if turns == 5:
            done.set()
        return turns

    assert await while_it_advances(done.wait(), advanced, 0.001, beat_seconds=0.001) is advances


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await while_it_advances(work(), int, 60)
