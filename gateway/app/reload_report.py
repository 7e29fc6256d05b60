"""Reports each reload: a log line, a metric, and the status shown on the admin port.

Knows how a `Reload` is presented, not how it is made or applied.
"""

from collections.abc import Sequence
from typing import Final

from gateway.config.reloading.reloader import Reload, Result
from gateway.observe.observers import Observers
from gateway.observe.status.process_status import ProcessStatus

_EVENTS = {
    Result.DONE: "configuration reloaded",
    Result.UNCHANGED: "configuration unchanged",
    Result.FAILED: "configuration reload failed",
    Result.REFUSED: "configuration reload refused",
}

MOST_TOLD: Final = 200


class ReloadReporter:
    """One per process, used on the data loop."""

    def __init__(self, observers: Observers, process_status: ProcessStatus) -> None:
        self._observers = observers
        self._process_status = process_status

    def record(self, reload: Reload) -> None:
        """Log it, count it, and show it until the next one."""
        problems, changes = tell_some(reload.problems), tell_some(reload.changes)
        if reload.result in (Result.DONE, Result.FAILED):
            ok = reload.result is Result.DONE
            self._process_status.record_reload(ok, "; ".join(problems), reload.waiting)
            self._observers.metrics.configuration.record_reload(ok=ok)
            if ok and reload.changes:
                self._process_status.record_changes(reload.reason, reload.config_hash, changes)
        values: dict[str, object] = {"reason": reload.reason, "config": reload.config_hash}
        if reload.seconds:
            values["seconds"] = round(reload.seconds, 3)
        for name, found in (
            ("changes", changes),
            ("after_restart", reload.waiting),
            ("problems", problems),
            ("warnings", tell_some(reload.warnings)),
        ):
            if found:
                values[name] = list(found)
        log = self._observers.log
        write = log.error if reload.result is Result.FAILED else log.warning if reload.waiting else log.info
        write(_EVENTS[reload.result], **values)


def tell_some(found: Sequence[object]) -> tuple[str, ...]:
    """The first of them, in words, and how many there are beside. A rotation of all keys is 40,000 changes:
    megabytes that no collector of logs takes, and 20 ms of the data loop."""
    told = tuple(str(each) for each in found[:MOST_TOLD])
    return told if len(found) <= MOST_TOLD else (*told, f"and {len(found) - MOST_TOLD} more")
