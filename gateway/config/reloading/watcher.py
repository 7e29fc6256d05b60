"""Notices that files were replaced: by the kernel's events on their directories, and by polling.

Only reports that there may be a change; the reloader finds out whether there is one. Events are not reliable
(network file systems, a directory that was replaced by another), so polling never stops.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import watch

from gateway.background.daemon_thread import run_in_thread
from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.config.reloading.fingerprints import find_directories

POLL_SECONDS = 30.0
WATCHER_REASONS = frozenset({"files", "poll"})
"""Its reasons for a reload. No operator asked for one, so an unchanged result is not reported."""
_DEBOUNCE_MS = 300  # wait until writes have settled, so that no half-written file is read
_MAX_DEBOUNCE_MS = 3_000
_CHECK_MS = 1_000
_MAX_JOIN_SECONDS = 3.0
_LATE_SECONDS = 10.0  # it checks every second, and a mount may be slow


class Watcher:
    """`files` gives the files of the active configuration; `notify` is called on the loop, with `files` or
    `poll`."""

    def __init__(
        self,
        files: Callable[[], Iterable[Path]],
        notify: Callable[[str], None],
        poll_seconds: float = POLL_SECONDS,
        loops: BackgroundLoops | None = None,
    ) -> None:
        self._files = files
        self._notify = notify
        self._poll_seconds = poll_seconds
        self._loops = loops if loops is not None else BackgroundLoops()
        self._stopped = threading.Event()
        self.watching = threading.Event()
        """Set while the kernel reports changes."""
        self._thread: threading.Thread | None = None
        self._polling: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """On the loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = self._loops.start_thread("config_watch", _LATE_SECONDS, self._watch, self._stopped)
        self._poll_later()

    async def close(self) -> None:
        """Stop watching. A thread that hangs on a mount is left behind."""
        self._stopped.set()
        if self._polling is not None:
            self._polling.cancel()
        if (thread := self._thread) is not None:
            await run_in_thread(lambda: thread.join(_MAX_JOIN_SECONDS))

    def _poll_later(self) -> None:
        self._polling = self._loop.call_later(self._poll_seconds, self._poll)

    def _poll(self) -> None:
        self._poll_later()
        self._notify("poll")

    def _watch(self, loop: BackgroundLoop) -> None:
        while not self._stopped.is_set():
            self.watching.clear()
            if directories := find_directories(self._files()):
                self._watch_these(directories, loop)
            else:
                self._stopped.wait(_CHECK_MS / 1000)
            loop.beat()

    def _watch_these(self, directories: dict[Path, tuple[int, int]], loop: BackgroundLoop) -> None:
        """Until they are no longer the directories to be watched."""
        try:
            for changes in watch(
                *directories,
                watch_filter=None,
                step=_DEBOUNCE_MS,
                debounce=_MAX_DEBOUNCE_MS,
                rust_timeout=_CHECK_MS,
                yield_on_timeout=True,
                stop_event=self._stopped,
                recursive=False,
                raise_interrupt=False,
            ):
                # The first time in any case: what happened before the kernel was asked is not reported.
                if changes or not self.watching.is_set():
                    self._loop.call_soon_threadsafe(self._notify, "files")
                self.watching.set()
                loop.beat()
                if find_directories(self._files()) != directories:
                    return
        except OSError:  # one of them went away in between, or the kernel has no watches left
            self._stopped.wait(_CHECK_MS / 1000)
