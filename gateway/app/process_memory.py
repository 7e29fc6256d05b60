"""What the process does about its memory: when garbage is collected, and that a peak is given back.

Nothing here knows what the memory is for.
"""

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

_GC_THRESHOLDS = (5_000, 10, 10)
_LOOK_SECONDS = 15.0
_SLACK_BYTES = 32 * 1024 * 1024


def settle_garbage() -> None:
    """Have collections pass over all that stands after the start (catalogue, modules): it is there for good.

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
        self._handle: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look every quarter of a minute, on this loop, until `close`."""
        self._handle = loop.call_later(_LOOK_SECONDS, self._look_on, loop)

    def close(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()

    def look(self) -> bool:
        """Give memory back if it has grown since it was least; whether it did."""
        now = self._resident()
        self._least = min(self._least, now)
        if now <= self._least + _SLACK_BYTES:
            return False
        self._trim()
        self._least = self._resident()  # what is still there is in use: no reason to try again
        return True

    def _look_on(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_in_executor(None, self.look)  # a trim takes milliseconds that no exchange should wait for
        self.start(loop)
