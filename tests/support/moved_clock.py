"""A clock that a test moves: deadlines pass when it says so, and on a busy machine no sooner."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager


class MovedClock:
    """The running loop's time plus what the test adds to it. Timers that are due then fire at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self._ahead = 0.0
        loop.time = self.time  # type: ignore[method-assign]

    def time(self) -> float:
        """Seconds, as `loop.time` gives them."""
        return self._time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self._ahead += seconds


class StoppedClock(MovedClock):
    """The same, but no time passes by itself: what a test says of a second holds on any machine."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._real = self._time
        began = self._real()
        self._time = lambda: began

    def go_on(self) -> None:
        """Let time pass by itself again."""
        self._time = self._real


class BoundedTime:
    """Real time, of which no more passes than the test allows: what lasts longer is the machine's doing."""

    def __init__(self) -> None:
        self._base = time.time()
        self._allowed_at = time.monotonic()
        self._most = 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._base + min(time.monotonic() - self._allowed_at, self._most)

    def allow(self, seconds: float) -> None:
        """From now on so much time may pass."""
        self._base = self.time()
        self._allowed_at = time.monotonic()
        self._most = seconds


@asynccontextmanager
async def attended_time() -> AsyncIterator[Callable[[], float]]:
    """A clock, in seconds, of the time in which this loop ran: what a machine stands still does not count.

    It ticks each 5 ms; a tick that comes late, by whatever, counts as 20 ms.
    """
    passed = 0.0

    async def tick() -> None:
        nonlocal passed
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            passed += min(now - before, 0.02)
            before = now

    ticking = asyncio.create_task(tick())
    try:
        yield lambda: passed
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


@contextmanager
def steady_time() -> Iterator[None]:
    """The running loop's time passes only while it runs meanwhile: a stall of the machine is 20 ms to it.

    Deadlines of everything on this loop then hold for the work, and not for the machine.
    """
    loop = asyncio.get_running_loop()
    real = loop.time
    before, lost = real(), 0.0
    ticking: asyncio.TimerHandle

    def time_without_stalls() -> float:
        nonlocal before, lost
        now = real()
        lost += max(0.0, now - before - 0.02)
        before = now
        return now - lost

    def tick() -> None:  # else a loop that waits for something would seem to stand still
        nonlocal ticking
        ticking = loop.call_later(0.005, tick)

    loop.time = time_without_stalls  # type: ignore[method-assign]
    ticking = loop.call_later(0.005, tick)
    try:
        yield
    finally:
        ticking.cancel()
        kept = lost
        loop.time = lambda: real() - kept  # type: ignore[method-assign]


@asynccontextmanager
async def noted_stalls() -> AsyncIterator[list[float]]:
    """The times, in seconds, that this loop stood still for more than 0.2 s meanwhile."""
    stalls: list[float] = []

    async def tick() -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            if now - before > 0.2:
                stalls.append(now - before)
            before = now

    ticking = asyncio.create_task(tick())
    try:
        yield stalls
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


@contextmanager
def stopped_time() -> Iterator[StoppedClock]:
    """The running loop's time stands still meanwhile, and no longer: what cleans up may need it."""
    clock = StoppedClock(asyncio.get_running_loop())
    try:
        yield clock
    finally:
        clock.go_on()


@asynccontextmanager
async def passing_time(
    clock: MovedClock, step: float = 0.2, keep_up: Callable[[], object] = lambda: None
) -> AsyncIterator[None]:
    """Let time pass a hundred times as fast, in steps, while everything on this loop keeps up with it.

    `keep_up` is called before each step: it returns when what works outside of this loop has kept up, too.
    """

    async def pass_time() -> None:
        while True:
            await asyncio.sleep(0.002)
            keep_up()
            clock.advance(step)

    passing = asyncio.create_task(pass_time())
    try:
        yield
    finally:
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)
