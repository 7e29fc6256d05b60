"""The condition of the process: since when it runs, whether it drains, the last reload, what ails it.

Written by whoever finds out, on any thread, and read on any other: each value is replaced in one piece and
never changed. Knows nothing of who shows it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class LastReload(NamedTuple):
    """One try at a new configuration. `at` is in seconds since the epoch; `detail` says what was wrong."""

    at: float
    ok: bool
    detail: str


class ProcessStatus:
    """One per process. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._writing = threading.Lock()
        self.started_at = clock()
        self.draining = False
        self.loaded_at = self.started_at
        """When the configuration in force was taken into use."""
        self.last_reload: LastReload | None = None
        """None until there was one."""
        self.after_restart: tuple[str, ...] = ()
        """Settings that were changed since the start, and are without effect until the next one."""
        self.reasons: Mapping[str, str] = MappingProxyType({})
        """What ails the process besides what its parts show: subject -> text for people, without secrets."""

    def record_reload(self, ok: bool, detail: str = "", after_restart: tuple[str, ...] = ()) -> None:
        """A reload was tried. `detail` must be fit for logs: names and places, no values."""
        self.after_restart = after_restart
        now = self._clock()
        if ok:
            self.loaded_at = now
        self.last_reload = LastReload(now, ok, detail)

    def set_reason(self, subject: str, text: str) -> None:
        """From now on `subject` ails the process; an empty text takes it back."""
        with self._writing:
            reasons = {name: reason for name, reason in self.reasons.items() if name != subject}
            if text:
                reasons[subject] = text
            self.reasons = MappingProxyType(reasons)
