"""Writes log lines on a thread, so that a blocked standard output can never block traffic.

Lines are gathered for a moment on the loop and written in batches. A line that does not fit into the buffer,
or that the descriptor does not take (a full disk, a closed pipe), is dropped and counted; no line is left
half written. The count is the next line written.
"""

import asyncio
import os
import queue
import select
import threading
from collections.abc import Callable

from gateway.background.loops import BackgroundLoop, BackgroundLoops

_FLUSH_SECONDS = 0.05
_JOIN_SECONDS = 2.0
_IDLE_SECONDS = 10.0
_THROUGH_SECONDS = 5.0


class _Through:
    """A line whose writer waits for it. The thread takes it, or its writer gives up: one of the two."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.done = threading.Event()
        self.written = False
        self._taking = threading.Lock()
        self._decided = False

    def take(self) -> bool:
        """Whether it is still to be written (asked by the thread), or was not begun (asked by its writer)."""
        with self._taking:
            mine, self._decided = not self._decided, True
        return mine


class LineWriter:
    """Writes bytes to a file descriptor. `write` may be called from any thread and never blocks.

    `describe_drops` makes the line that reports how many lines were dropped so far.
    """

    def __init__(self, descriptor: int, max_bytes: int = 4 * 1024 * 1024) -> None:
        self.describe_drops: Callable[[int], bytes] = lambda total: b"log lines dropped: %d\n" % total
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._gathered: list[bytes] = []
        self._accepted_bytes = 0
        self._written_bytes = 0
        self._refused = 0  # counted by the threads that write
        self._lost = 0  # counted by the thread that hands lines on
        self._reported = 0
        self._rest = b""
        self._flush_later: Callable[[], object] | None = None
        self._handed: queue.SimpleQueue[bytes | _Through | None] = queue.SimpleQueue()
        self._scheduled = False
        self.loops = BackgroundLoops()
        """Its thread, which nothing logs about: the metrics show it."""
        self._closing = threading.Event()
        self._thread = self.loops.start_thread("log_writer", _IDLE_SECONDS, self._run, self._closing)

    @property
    def dropped(self) -> int:
        """How many lines were lost so far."""
        return self._refused + self._lost

    def gather_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gather lines on this loop's thread, and hand them over in batches."""
        thread = threading.get_ident()

        def flush_later() -> object:
            if threading.get_ident() == thread:
                return loop.call_later(_FLUSH_SECONDS, self.flush)
            return loop.call_soon_threadsafe(self.flush)

        self._flush_later = flush_later

    def write(self, line: bytes) -> None:
        """Take a line, newline included, or drop it if the buffer is full."""
        if self._accepted_bytes - self._written_bytes + len(line) > self._max_bytes:
            self._refused += 1
            return
        self._accepted_bytes += len(line)
        self._gathered.append(line)
        if self._flush_later is None:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._flush_later()

    def write_through(self, line: bytes) -> bool:
        """Write a line and wait until the descriptor has it. False if it could not be written in five
        seconds. Not for a loop: it blocks."""
        through = _Through(line)
        self._handed.put(through)
        if not through.done.wait(_THROUGH_SECONDS) and through.take():
            return False
        through.done.wait()
        return through.written

    def flush(self) -> None:
        """Hand the gathered lines to the thread."""
        self._scheduled = False
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._handed.put(b"".join(gathered))

    def close(self) -> None:
        """Write the remaining lines, for a bounded time."""
        self._flush_later = None
        self.flush()
        self._closing.set()
        self._handed.put(None)
        self._thread.join(_JOIN_SECONDS)

    def _run(self, loop: BackgroundLoop) -> None:
        while True:
            try:
                block = self._handed.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                loop.beat()
                continue
            if block is None:
                return
            if isinstance(block, _Through):
                self._write_through(block)
                loop.beat()
                continue
            try:
                self._lost += self._write_lines(block)
            finally:
                self._written_bytes += len(block)
            loop.beat()
            if (dropped := self.dropped) != self._reported and not self._write_lines(
                self.describe_drops(dropped)
            ):
                self._reported = dropped

    def _write_through(self, through: _Through) -> None:
        try:
            if through.take():
                through.written = not self._write_lines(through.line)
        finally:
            through.done.set()

    def _write_lines(self, lines: bytes) -> int:
        """Write whole lines. Returns how many of them were lost because the descriptor took no more."""
        rest, self._rest = self._rest, b""
        written = self._write_all(rest)
        if written < len(rest):
            self._rest = rest[written:]
            return lines.count(b"\n")
        written = self._write_all(lines)
        if written == len(lines):
            return 0
        torn = written - (lines.rfind(b"\n", 0, written) + 1)
        if torn and not self._cut_off(torn):
            end = lines.index(b"\n", written) + 1
            self._rest = lines[written:end]  # the next write completes the line
            return lines.count(b"\n", end)
        return lines.count(b"\n", written)

    def _write_all(self, block: bytes) -> int:
        """Write as much as the descriptor takes. Returns how many bytes that were."""
        view = memoryview(block)
        written = 0
        while written < len(view):
            try:
                written += os.write(self._descriptor, view[written:])
            except BlockingIOError:  # another process made the pipe non-blocking: wait all the same
                select.select([], [self._descriptor], [], 1.0)
            except OSError:  # a full disk, a reader that has gone
                break
        return written

    def _cut_off(self, size: int) -> bool:
        """Take the beginning of a line off a file again. False where that cannot be done."""
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if os.fstat(self._descriptor).st_size != end:  # another process has written behind it
                return False
            os.ftruncate(self._descriptor, end - size)
            os.lseek(self._descriptor, end - size, os.SEEK_SET)
        except OSError:
            return False
        return True
