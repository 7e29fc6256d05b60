"""Clients that give up: they leave, unless their answer is there already."""

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

from tests.support.caller import RawAnswer, RawCaller

_ANSWER_SECONDS: Final = 60.0


async def answer_or_leave(caller: RawCaller, seconds: float) -> RawAnswer | None:
    """The answer, or None for a client that gives up after `seconds`, and hangs up.

    An answer that is already here when it would give up is taken: a busy loop of ours is not the client's
    impatience, and the gateway cannot know that nobody has read it.
    """
    reading = asyncio.create_task(caller.answer(seconds=seconds + _ANSWER_SECONDS))
    try:
        await asyncio.wait({reading}, timeout=seconds)
        while not reading.done() and not _left(caller):
            await asyncio.wait({reading}, timeout=0.01)
        if reading.done():
            return reading.result()
        caller.hang_up()
        return None
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _left(caller: RawCaller) -> bool:
    """Leave at once, without a turn of the loop; False if bytes of an answer have arrived."""
    there = caller.writer.get_extra_info("socket")
    if there is None or there.fileno() < 0:
        return True
    with socket.socket(fileno=os.dup(there.fileno())) as leaving:
        with suppress(BlockingIOError, ConnectionError):
            if leaving.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return False
        with suppress(OSError):
            leaving.shutdown(socket.SHUT_RDWR)
    return True
