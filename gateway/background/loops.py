"""Background loops, supervised: none can end, or stop making progress, without being noticed.

A loop that fails is reported, counted and started again after a pause. A loop that hangs shows by its age,
the time since it last finished a round. Knows nothing of what the loops do.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

_MIN_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 60.0

OnFailure = Callable[[str, BaseException], object]
"""Called with a loop's name and what ended it, on the loop's own thread."""


def _ignore(_name: str, _error: BaseException) -> None:
    """For loops of tools and tests, which are not supervised."""


class BackgroundLoop:
    """The state of one loop. Any thread may read it; the loop calls `beat` whenever it has finished a round.

    `interval_seconds` is the longest that a round normally takes, its pause included.
    """

    def __init__(self, name: str, interval_seconds: float, clock: Callable[[], float]) -> None:
        self.name = name
        self.interval_seconds = interval_seconds
        self.failures = 0
        self._clock = clock
        self._beat_at = clock()
        self._pause_seconds = _MIN_PAUSE_SECONDS

    @property
    def age_seconds(self) -> float:
        """Since the last finished round, or since the start."""
        return max(0.0, self._clock() - self._beat_at)

    def beat(self) -> None:
        """A round is finished."""
        self._beat_at = self._clock()
        self._pause_seconds = _MIN_PAUSE_SECONDS

    def failed(self) -> float:
        """Count a failure; returns how long to pause before the next start (seconds)."""
        self.failures += 1
        pause, self._pause_seconds = self._pause_seconds, min(2 * self._pause_seconds, _MAX_PAUSE_SECONDS)
        return pause


class BackgroundLoops:
    """The loops of one process. `clock` is monotonic, in seconds."""

    def __init__(self, on_failure: OnFailure = _ignore, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_failure = on_failure
        self._clock = clock
        self._loops: dict[str, BackgroundLoop] = {}
        self._included: list[BackgroundLoops] = []

    def __iter__(self) -> Iterator[BackgroundLoop]:
        included = [loop for each in list(self._included) for loop in each]
        return iter([*list(self._loops.values()), *included])

    def include(self, others: "BackgroundLoops") -> None:
        """Show the loops of a part that was made before this registry, and report their failures as here."""
        others.on_failure = self.on_failure
        self._included.append(others)

    def add(self, name: str, interval_seconds: float) -> BackgroundLoop:
        """Register a loop. One that has the same name is replaced."""
        loop = self._loops[name] = BackgroundLoop(name, interval_seconds, self._clock)
        return loop

    def remove(self, loop: BackgroundLoop) -> None:
        """A loop has been ended on purpose."""
        if self._loops.get(loop.name) is loop:
            del self._loops[loop.name]

    def start(
        self, name: str, interval_seconds: float, body: Callable[[BackgroundLoop], Awaitable[None]]
    ) -> "asyncio.Task[None]":
        """Run `body` as a task of the running event loop, until it returns or the task is cancelled."""
        return asyncio.get_running_loop().create_task(self._supervise(name, interval_seconds, body))

    def start_thread(
        self,
        name: str,
        interval_seconds: float,
        body: Callable[[BackgroundLoop], None],
        stopped: threading.Event,
    ) -> threading.Thread:
        """Run `body` on a daemon thread, until it returns or `stopped` is set after a failure."""
        loop = self.add(name, interval_seconds)

        def run() -> None:
            while True:
                try:
                    body(loop)
                except Exception as error:  # noqa: BLE001 - a fault must not end the loop for good
                    self.on_failure(name, error)
                    if stopped.wait(loop.failed()):
                        break
                else:
                    break
            self.remove(loop)

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    async def _supervise(
        self, name: str, interval_seconds: float, body: Callable[[BackgroundLoop], Awaitable[None]]
    ) -> None:
        loop = self.add(name, interval_seconds)
        task = asyncio.current_task()
        assert task is not None
        try:
            while True:
                try:
                    await body(loop)
                except asyncio.CancelledError as error:
                    if task.cancelling():
                        raise
                    self.on_failure(name, error)  # something that it awaited was cancelled
                except Exception as error:  # noqa: BLE001 - a fault must not end the loop for good
                    self.on_failure(name, error)
                else:
                    return
                await asyncio.sleep(loop.failed())
        finally:
            self.remove(loop)
