"""Bounds the looks in the background: how many an account may have at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.outcome_resolution.look_schedule import background_looks


class BackgroundShare:
    """The looks in the background that an account has room for."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def place(self, account: str, limit: float) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._used[account] < background_looks(limit))
            self._used[account] += 1
        try:
            yield
        finally:
            self._used[account] -= 1
            if not self._used[account]:
                del self._used[account]
            async with self._freed:
                self._freed.notify_all()
