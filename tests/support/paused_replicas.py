"""Replicas over a real Redis in a state machine whose steps depend on its rules alone.

Work that asks the store again after a while pauses here instead. `PausedReplicas` resumes it, one pause after
the other, until nothing changes any more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.support.idempotency import FaultyStore


class PausedReplicas:
    """`run_ready` lets everything run that waits for nothing outside the process; `situation` is compared to
    see whether anything changed. `stores` may grow while the machine runs.
    """

    def __init__(
        self,
        stores: Sequence[FaultyStore],
        run_ready: Callable[[], Awaitable[None]],
        situation: Callable[[], object],
    ) -> None:
        self._stores = stores
        self._run_ready = run_ready
        self._situation = situation
        self._paused: list[asyncio.Future[None]] = []

    async def pause(self, _: float) -> None:
        """In place of `asyncio.sleep`: wait for a turn."""
        turn = asyncio.get_running_loop().create_future()
        self._paused.append(turn)
        await turn

    async def come_to_rest(self) -> None:
        """Give turns until that changes nothing."""
        await self._until_quiet()
        before = None
        while before != (before := self._situation()):
            for _ in range(len(self._paused)):
                turn = self._paused.pop(0)
                if not turn.done():
                    turn.set_result(None)
                await self._until_quiet()

    async def _until_quiet(self) -> None:
        """Wait until the stores have answered everything, and the answers lead to no other question."""
        runs = -1
        while runs != (runs := sum(store.runs for store in self._stores)):
            for _ in range(3):
                await self._run_ready()
                for store in self._stores:
                    await store.until_quiet()
