"""A real event loop whose clock jumps to the next timer: the test of a pause takes no time."""

import asyncio
import gc
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits, and no timer will wake one"
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def spend(self, seconds: float) -> None:
        """Let time pass as if the running callback had taken so long: whatever is due meanwhile is late."""
        self._jumping.now += seconds

    def timers(self) -> list[asyncio.TimerHandle]:
        """What is planned and was not cancelled."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return [handle for handle in scheduled if not handle.cancelled()]


def run_in_virtual_time(main: Callable[[VirtualTimeLoop], Coroutine[Any, Any, T]]) -> T:
    """Run `main(loop)` to its end; fails if it leaves a task or a timer, or an exception nobody took."""
    complaints: list[dict[str, Any]] = []
    loop = VirtualTimeLoop()
    gc.collect()
    gc.freeze()  # what else the process holds is not what is looked through below, a hundred times
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        result = runner.run(main(loop))
        gc.collect()
        assert loop.timers() == []
        assert asyncio.all_tasks(loop) == set()
    assert complaints == []
    return result
