"""Notices that files were replaced: by the kernel's events on their directories, and by looking now and then.

Only says that there may be something new; whether there is, whoever it tells finds out. Events need not come
(network file systems, a directory that was put in another's place), so that looking is never given up.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import watch

from gateway.config.reloading.fingerprints import find_directories

POLL_SECONDS = 30.0
WATCHER_REASONS = frozenset({"files", "poll"})
"""What it says; nobody asked, so that nobody need hear that nothing has changed."""
_QUIET_MS = 300  # so long no event must come: a file that is written in place is not read half
_LONGEST_MS = 3_000
_LOOK_MS = 1_000


class Watcher:
    """`files` gives those that matter now; `tell` is called on the loop, with `files` or `poll`."""

    def __init__(
        self,
        files: Callable[[], Iterable[Path]],
        tell: Callable[[str], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._files = files
        self._tell = tell
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self.watching = threading.Event()
        """Set while the kernel tells of changes."""
        self._thread: threading.Thread | None = None
        self._polling: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """On the loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()
        self._poll_later()

    async def close(self) -> None:
        """End it."""
        self._stopped.set()
        if self._polling is not None:
            self._polling.cancel()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _poll_later(self) -> None:
        self._polling = self._loop.call_later(self._poll_seconds, self._poll)

    def _poll(self) -> None:
        self._tell("poll")
        self._poll_later()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.watching.clear()
            if directories := find_directories(self._files()):
                self._watch_these(directories)
            else:
                self._stopped.wait(_LOOK_MS / 1000)

    def _watch_these(self, directories: dict[Path, tuple[int, int]]) -> None:
        """Until they are no longer the directories to be watched."""
        try:
            for changes in watch(
                *directories,
                watch_filter=None,
                step=_QUIET_MS,
                debounce=_LONGEST_MS,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
                stop_event=self._stopped,
                recursive=False,
                raise_interrupt=False,
            ):
                # The first time in any case: nobody tells what happened before the kernel was asked.
                if changes or not self.watching.is_set():
                    self._loop.call_soon_threadsafe(self._tell, "files")
                self.watching.set()
                if find_directories(self._files()) != directories:
                    return
        except OSError:  # one of them went away in between, or the kernel has no watches left
            self._stopped.wait(_LOOK_MS / 1000)
