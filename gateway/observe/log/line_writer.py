"""Log lines on their way out, so that a blocked standard output can never block traffic.

Lines gather for a moment on the loop and are written by a thread. What does not fit into the buffer is
dropped and counted; the count is the next thing written.
"""

import asyncio
import os
import queue
import select
import threading
from collections.abc import Callable

_FLUSH_SECONDS = 0.05
_JOIN_SECONDS = 2.0


class LineWriter:
    """Writes bytes to a file descriptor. `write` may be called from any thread and never blocks.

    `dropped` counts the lines that found no room; `describe_drops` makes the line that tells of them.
    """

    def __init__(self, descriptor: int, most_bytes: int = 4 * 1024 * 1024) -> None:
        self.dropped = 0
        self.describe_drops: Callable[[int], bytes] = lambda total: b"log lines dropped: %d\n" % total
        self._descriptor = descriptor
        self._most_bytes = most_bytes
        self._gathered: list[bytes] = []
        self._accepted_bytes = 0
        self._written_bytes = 0
        self._reported = 0
        self._flush_later: Callable[[], object] | None = None
        self._handed: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._scheduled = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def gather_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, gather lines and hand them over in batches, on this loop's thread."""
        thread = threading.get_ident()

        def flush_later() -> object:
            if threading.get_ident() == thread:
                return loop.call_later(_FLUSH_SECONDS, self.flush)
            return loop.call_soon_threadsafe(self.flush)

        self._flush_later = flush_later

    def write(self, line: bytes) -> None:
        """Take a line, newline included, or drop it if the buffer is full."""
        if self._accepted_bytes - self._written_bytes + len(line) > self._most_bytes:
            self.dropped += 1
            return
        self._accepted_bytes += len(line)
        self._gathered.append(line)
        if self._flush_later is None:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._flush_later()

    def flush(self) -> None:
        """Hand what was gathered to the thread."""
        self._scheduled = False
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._handed.put(b"".join(gathered))

    def close(self) -> None:
        """Write what is left, waiting a moment at most."""
        self._flush_later = None
        self.flush()
        self._handed.put(None)
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while (block := self._handed.get()) is not None:
            self._write_all(block)
            self._written_bytes += len(block)
            if (dropped := self.dropped) != self._reported:  # somebody reads again
                self._reported = dropped
                self._write_all(self.describe_drops(dropped))

    def _write_all(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # somebody made the pipe non-blocking: wait as a blocking one would
                select.select([], [self._descriptor], [], 1.0)
            except OSError:
                return  # nobody reads any more; there is nowhere left to say so
