"""Reports each reload: a log line, a metric, and the status shown on the admin port.

Knows how a `Reload` is presented, not how it is made or applied.
"""

from gateway.config.reloading.reloader import Reload, Result
from gateway.observe.observers import Observers
from gateway.observe.status.process_status import ProcessStatus

_EVENTS = {
    Result.DONE: "configuration reloaded",
    Result.UNCHANGED: "configuration unchanged",
    Result.FAILED: "configuration reload failed",
    Result.REFUSED: "configuration reload refused",
}


class ReloadReporter:
    """One per process, used on the data loop."""

    def __init__(self, observers: Observers, process_status: ProcessStatus) -> None:
        self._observers = observers
        self._process_status = process_status

    def record(self, reload: Reload) -> None:
        """Log it, count it, and show it until the next one."""
        problems = tuple(str(problem) for problem in reload.problems)
        if reload.result in (Result.DONE, Result.FAILED):
            ok = reload.result is Result.DONE
            self._process_status.record_reload(ok, "; ".join(problems), reload.waiting)
            self._observers.metrics.configuration.record_reload(ok=ok)
            if ok and reload.changes:
                self._process_status.record_changes(reload.reason, reload.config_hash, reload.changes)
        values: dict[str, object] = {"reason": reload.reason, "config": reload.config_hash}
        if reload.seconds:
            values["seconds"] = round(reload.seconds, 3)
        for name, found in (
            ("changes", reload.changes),
            ("after_restart", reload.waiting),
            ("problems", problems),
            ("warnings", tuple(str(warning) for warning in reload.warnings)),
        ):
            if found:
                values[name] = list(found)
        log = self._observers.log
        write = log.error if reload.result is Result.FAILED else log.warning if reload.waiting else log.info
        write(_EVENTS[reload.result], **values)
