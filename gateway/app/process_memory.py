"""Process memory: tunes the garbage collector, and returns freed memory to the system after a peak.

Nothing here knows what the memory is for.
"""

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

from gateway.background.daemon_thread import run_in_thread
from gateway.background.loops import BackgroundLoop, BackgroundLoops

_GC_THRESHOLDS = (5_000, 10, 10)
_CHECK_SECONDS = 15.0
_SLACK_BYTES = 32 * 1024 * 1024


def settle_garbage() -> None:
    """Freeze everything allocated at start-up (catalogue, modules), so that collections skip it.

    They cost a tenth of the throughput and 25 ms of p99 otherwise (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def resident_bytes() -> int:
    """Resident memory (proc(5)), 0 where the system has no such file."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except FileNotFoundError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def trim() -> None:
    """Give freed pages back to the system (malloc_trim(3)); does nothing where the C library is not glibc."""
    found = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if found is not None:
        found(0)


class Trimmer:
    """Looks at the process's memory now and then, and gives back what a peak has left behind.

    glibc keeps what was freed in between: 200 slow readers of large answers would cost 100 MB for good.
    """

    def __init__(self, resident: Callable[[], int] = resident_bytes, trim: Callable[[], None] = trim) -> None:
        self._resident = resident
        self._trim = trim
        self._least = resident()
        self._checking: asyncio.Task[None] | None = None

    def start(self, loops: BackgroundLoops) -> None:
        """Check every 15 s, beside the running event loop, until `close`."""
        self._checking = loops.start("memory_trim", 2 * _CHECK_SECONDS, self._check_regularly)

    def close(self) -> None:
        """Stop checking."""
        if self._checking is not None:
            self._checking.cancel()

    def look(self) -> bool:
        """Trim if resident memory has grown well above its lowest value. Returns whether it trimmed."""
        now = self._resident()
        self._least = min(self._least, now)
        if now <= self._least + _SLACK_BYTES:
            return False
        self._trim()
        self._least = self._resident()  # what is still there is in use: no reason to try again
        return True

    async def _check_regularly(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await run_in_thread(self.look)  # a trim takes milliseconds that no exchange should wait for
            loop.beat()
