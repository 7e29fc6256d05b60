"""Work that a request begins and does not wait for: kept until it ends, and given time when its owner closes.

The loop itself holds tasks weakly: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any


class UnwaitedTasks:
    """The running ones can be counted and iterated over."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[asyncio.Task[None]]:
        return iter(self._running.copy())

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin `work` in the next turn of the running loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self, seconds: float = 0.0, others: Iterable[asyncio.Task[None]] = ()) -> None:
        """Give what runs, and `others`, `seconds`, then cancel it. Returns when all of it has ended; errors
        are dropped."""
        tasks = {*self._running, *others}
        if tasks and seconds > 0:
            await asyncio.wait(tasks, timeout=seconds)
        tasks |= self._running
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
