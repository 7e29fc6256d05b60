"""Process memory: tunes the garbage collector and glibc, and returns freed memory to the system after a peak.

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
_SLACK_BYTES = 12 * 1024 * 1024
_M_MMAP_THRESHOLD = -3  # malloc.h
_MMAPPED_BYTES = 128 * 1024


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


_MALLINFO_NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2` (mallinfo(3))."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _MALLINFO_NAMES.split())


def used_bytes() -> int:
    """What is in use of glibc's heap, without blocks that are mapped one by one; 0 without glibc 2.33.

    Python keeps small objects elsewhere.
    """
    found = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if found is None:
        return 0
    found.restype = _MallInfo
    return int(found().uordblks)


def settle_allocator() -> None:
    """Have glibc map large blocks one by one, so that they go back to the system when they are freed.

    By itself it does so until the first of them is freed (mallopt(3)). uvloop's TLS takes 256 KiB for each
    connection, of which hardly any is used.
    """
    found = getattr(ctypes.CDLL(None), "mallopt", None)
    if found is not None:
        found(_M_MMAP_THRESHOLD, _MMAPPED_BYTES)


def trim() -> None:
    """Give freed pages back to the system (malloc_trim(3)); does nothing where the C library is not glibc."""
    found = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if found is not None:
        found(0)


class Trimmer:
    """Checks the process's memory periodically, and returns to the system what a peak has left behind.

    glibc keeps what was freed in between: 200 slow readers of large answers would cost 100 MB for good.
    """

    def __init__(
        self,
        resident: Callable[[], int] = resident_bytes,
        used: Callable[[], int] = used_bytes,
        trim: Callable[[], None] = trim,
    ) -> None:
        self._resident = resident
        self._used = used
        self._trim = trim
        self._least_unused = resident() - used()
        self._checking: asyncio.Task[None] | None = None

    def start(self, loops: BackgroundLoops) -> None:
        """Check every 15 s, beside the running event loop, until `close`."""
        self._checking = loops.start("memory_trim", 2 * _CHECK_SECONDS, self._check_regularly)

    def close(self) -> None:
        """Stop checking."""
        if self._checking is not None:
            self._checking.cancel()

    def look(self) -> bool:
        """Trim if resident memory that is not in use has grown well above its lowest value.

        Returns whether it trimmed. What is left then is no reason to try again.
        """
        unused = self._resident() - self._used()
        self._least_unused = min(self._least_unused, unused)
        if unused <= self._least_unused + _SLACK_BYTES:
            return False
        self._trim()
        self._least_unused = self._resident() - self._used()
        return True

    async def _check_regularly(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await run_in_thread(self.look)  # a trim takes milliseconds that no exchange should wait for
            loop.beat()
