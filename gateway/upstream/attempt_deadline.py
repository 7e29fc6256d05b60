"""A deadline for the running task: a context manager of one timer, cheaper than `asyncio.timeout`."""

import asyncio
from types import TracebackType


class Deadline:
    """Raises `TimeoutError` out of the block at `when` (the loop's clock, seconds)."""

    __slots__ = ("_fired", "_handle", "_task", "_when")

    def __init__(self, when: float) -> None:
        self._when = when
        self._fired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task")
        self._task = task
        self._handle = asyncio.get_running_loop().call_at(self._when, self._fire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        if self._fired and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _fire(self) -> None:
        self._fired = True
        self._task.cancel()
