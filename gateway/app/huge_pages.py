"""Puts what was allocated at start-up into huge pages of 2 MiB: fewer translations of addresses to look up.

A request touches a little of many pages of 4 KiB: modules, catalogue, configuration. A translation that the
processor does not hold is looked up in memory, in a virtual machine twice over.
"""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

HUGE_BYTES: Final = 2 * 1024 * 1024
_MADV_HUGEPAGE: Final = 14
_MADV_COLLAPSE: Final = 25  # madvise(2): Linux 6.1; older kernels refuse it, and nothing is changed
_WRITABLE: Final = "rw-p"
_HEAP: Final = "[heap]"
_MAPS: Final = Path("/proc/self/maps")
_POLICY: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_FORBIDDEN: Final = "[never]"


def collapse_pages() -> int:
    """Move the process's memory into huge pages, where the kernel can and the machine's settings do not
    forbid it. Returns how many bytes.

    Takes some milliseconds for each huge page, in which other threads run (`ctypes` gives Python's lock up
    for a call of C), so that it belongs in a thread of its own. Memory that is mapped later stays in small
    pages, so that a peak goes back to the system as before.
    """
    madvise = getattr(ctypes.CDLL(None), "madvise", None)
    try:
        if madvise is None or _FORBIDDEN in _POLICY.read_text("ascii"):
            return 0
        maps = _MAPS.read_text("utf-8", "replace")
    except OSError:  # no Linux, or one without huge pages
        return 0
    return sum(collapse(madvise, begin, end) for begin, end in whole_huge_pages(maps))


def collapse(madvise: Callable[..., Any], begin: int, end: int) -> int:
    """Move the memory between two addresses, one huge page after the other: one that cannot be moved is no
    reason to leave the next. Returns how many bytes were moved."""
    done = 0
    for start in range(begin, end, HUGE_BYTES):
        address, size = ctypes.c_void_p(start), ctypes.c_size_t(HUGE_BYTES)
        if madvise(address, size, _MADV_COLLAPSE) == 0:
            madvise(address, size, _MADV_HUGEPAGE)  # else the kernel may take it apart again
            done += HUGE_BYTES
    return done


def whole_huge_pages(maps: str) -> Iterator[tuple[int, int]]:
    """Begin and end of what fills whole huge pages of the heap, and of other private memory without a file;
    `maps` is as in `/proc/self/maps` (proc(5))."""
    for line in maps.splitlines():
        addresses, mode, _, _, inode, *name = line.split(maxsplit=5)
        if mode != _WRITABLE or inode != "0" or (name and name[0] != _HEAP):
            continue
        first, _, last = addresses.partition("-")
        begin = -(-int(first, 16) // HUGE_BYTES) * HUGE_BYTES
        end = int(last, 16) // HUGE_BYTES * HUGE_BYTES
        if begin < end:
            yield begin, end
