"""The status of the process: start time, draining or not, last reload, and why it is degraded.

Written and read on any thread: each value is replaced as a whole and never changed. Does not know how it is
shown.
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


class AppliedChanges(NamedTuple):
    """The last reload that changed something: when, what asked for it, and a line a change; no secrets."""

    at: float
    reason: str
    config: str
    changes: tuple[str, ...]


class ProcessStatus:
    """One per process. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._writing = threading.Lock()
        self.started_at = clock()
        self.draining = False
        self.loaded_at = self.started_at
        """When the active configuration was applied."""
        self.last_reload: LastReload | None = None
        """None until the first reload."""
        self.last_changes: AppliedChanges | None = None
        self.after_restart: tuple[str, ...] = ()
        """Settings changed since the start that take effect at the next one."""
        self.reasons: Mapping[str, str] = MappingProxyType({})
        """Why the process is degraded, beyond what its parts show: subject -> text without secrets."""

    def record_reload(self, ok: bool, detail: str = "", after_restart: tuple[str, ...] = ()) -> None:
        """A reload was tried. `detail` must be fit for logs: names and places, no values."""
        self.after_restart = after_restart
        now = self._clock()
        if ok:
            self.loaded_at = now
        self.last_reload = LastReload(now, ok, detail)

    def record_changes(self, reason: str, config: str, changes: tuple[str, ...]) -> None:
        """A reload has changed these."""
        self.last_changes = AppliedChanges(self._clock(), reason, config, changes)

    def set_reason(self, subject: str, text: str) -> None:
        """Set the reason why `subject` makes the process degraded; an empty text clears it."""
        with self._writing:
            reasons = {name: reason for name, reason in self.reasons.items() if name != subject}
            if text:
                reasons[subject] = text
            self.reasons = MappingProxyType(reasons)
