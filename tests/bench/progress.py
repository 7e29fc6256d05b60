"""How long a benchmark waits for work whose pace is the machine's."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

_BEAT_SECONDS: Final = 0.1


async def while_it_advances(
    work: Coroutine[Any, Any, object],
    advanced: Callable[[], int],
    seconds: float,
    beat_seconds: float = _BEAT_SECONDS,
) -> bool:
    """Let `work` run to its end; False if it was cancelled, because `advanced` stayed the same for `seconds`.

    Turns of the loop are counted, not time: while this process does not run, nothing can advance.
    """
    running = asyncio.create_task(work)
    seen, quiet = advanced(), 0
    try:
        while quiet * beat_seconds < seconds:
            if (await asyncio.wait({running}, timeout=beat_seconds))[0]:
                running.result()
                return True
            now = advanced()
            quiet = quiet + 1 if now == seen else 0
            seen = now
        return False
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
