"""Sessions that a reload replaced: each is closed when the last exchange that uses it has ended."""

import asyncio

from aiohttp import ClientSession

from gateway.upstream.session import CleanConnector

_LOOK_SECONDS = 0.5


class RetiredSessions:
    """No new request goes to any of them; what is under way may take as long as it takes."""

    def __init__(self) -> None:
        self._closing: dict[asyncio.Task[None], ClientSession] = {}

    def add(self, session: ClientSession) -> None:
        """Close it when it is idle."""
        task = asyncio.create_task(_close_when_idle(session))
        self._closing[task] = session
        task.add_done_callback(self._closing.pop)

    async def close(self) -> None:
        """Close all of them now."""
        closing = dict(self._closing)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
        for session in closing.values():
            await session.close()


async def _close_when_idle(session: ClientSession) -> None:
    connector = session.connector
    assert isinstance(connector, CleanConnector)
    while connector.is_busy:  # noqa: ASYNC110 - a connector tells nobody when its last connection comes back
        await asyncio.sleep(_LOOK_SECONDS)
    await session.close()
