"""Signals that come while the gateway starts."""

import asyncio
import os
import signal

from gateway.app.lifecycle import _Signals
from tests.support.attempts import until


async def test_a_hang_up_during_the_start_is_a_reload_afterwards() -> None:
    """The log says `serving` a moment before reloads are taken: who has read that may ask for one."""
    loop = asyncio.get_running_loop()
    signals = _Signals(loop)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: signals._hung_up)
        asked: list[str] = []
        signals.reload_by(lambda: asked.append("at the start"))
        assert asked == ["at the start"]
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(asked) == 2)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
