"""Clients that give up: they leave, unless their answer is there already."""

import asyncio
from typing import Final

from tests.support.caller import RawAnswer, RawCaller

_ANSWER_SECONDS: Final = 60.0


async def answer_or_leave(caller: RawCaller, seconds: float) -> RawAnswer | None:
    """The answer, or None for a client that gives up after `seconds`, and hangs up.

    An answer that is already here when it would give up is taken: a busy loop of ours is not the client's
    impatience, and the gateway cannot know that nobody has read it. Between the look and the reset the loop
    has no turn, in which a gateway on it could answer.
    """
    reading = asyncio.create_task(caller.answer(seconds=seconds + _ANSWER_SECONDS))
    try:
        await asyncio.wait({reading}, timeout=seconds)
        while not reading.done():
            if not caller.is_answered():
                caller.hang_up()
                return None
            await asyncio.wait({reading}, timeout=0.01)
        return reading.result()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
