"""Reads large configurations without collecting garbage in between.

A configuration of thousands of consumers is made of some 100,000 objects. Collecting garbage while they are
made visits all of them again and again: three quarters of the time to read one, and pauses of up to 0.1 s in
which no thread runs (docs/performance.md).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MANY_OBJECTS = 20_000


@contextmanager
def paused_collection() -> Iterator[None]:
    """Collect no garbage inside the block. On any thread; for one block at a time.

    If many objects were made that are still there, collections pass over them from then on (`gc.freeze`):
    they are a configuration, which holds no cycles. What else is there at that moment is passed over, too.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > _MANY_OBJECTS:
            gc.freeze()
        if was_enabled:
            gc.enable()
