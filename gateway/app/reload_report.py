"""What is told of reloads: a log line, a metric, and what the admin port shows until the next one.

Knows how a `Reload` is said to people; neither how one is made, nor what it puts into force.
"""

from gateway.config.reloading.reloader import Reload, Result
from gateway.observe.observers import Observers
from gateway.observe.status.process_status import ProcessStatus

_TELLS_LOG = {
    Result.DONE: "configuration reloaded",
    Result.UNCHANGED: "configuration unchanged",
    Result.FAILED: "configuration not reloaded",
    Result.REFUSED: "configuration not reloaded",
}


class ReloadReporter:
    """Told of each reload, on the data loop."""

    def __init__(self, observers: Observers, process_status: ProcessStatus) -> None:
        self._observers = observers
        self._process_status = process_status

    def tell(self, reload: Reload) -> None:
        """Log it, count it, remember it."""
        problems = tuple(str(problem) for problem in reload.problems)
        if reload.result in (Result.DONE, Result.FAILED):
            ok = reload.result is Result.DONE
            self._process_status.record_reload(ok, "; ".join(problems), reload.waiting)
        if reload.result is Result.FAILED:
            self._observers.metrics.configuration.failed()
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
        write(_TELLS_LOG[reload.result], **values)
