"""What is told of reloads: a log line, a metric, and what the admin port shows until the next one.

Knows how a `Reload` is said to people; neither how one is made, nor what it puts into force.
"""

import time
from typing import NamedTuple

from gateway.config.reload import Reload, Result
from gateway.observe.observers import Observers

_TELLS_LOG = {
    Result.DONE: "configuration reloaded",
    Result.UNCHANGED: "configuration unchanged",
    Result.FAILED: "configuration not reloaded",
    Result.REFUSED: "configuration not reloaded",
}


class LastReload(NamedTuple):
    """For the admin port: when (seconds since the epoch), what came of it, what was wrong and where."""

    at: float
    result: Result
    problems: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def shown(self) -> dict[str, object]:
        """As JSON has it."""
        told: dict[str, object] = {"result": str(self.result), "at": round(self.at, 3)}
        if self.problems:
            told["problems"] = list(self.problems)
        if self.waiting:
            told["after_restart"] = list(self.waiting)
        return told


class Reloads:
    """Told of each reload on the data loop; `last` is replaced in one piece, for other threads to read."""

    def __init__(self, observers: Observers) -> None:
        self.last: LastReload | None = None
        self._observers = observers

    def tell(self, reload: Reload) -> None:
        """Log it, count it, remember it."""
        problems = tuple(str(problem) for problem in reload.problems)
        if reload.result is not Result.REFUSED:
            self.last = LastReload(time.time(), reload.result, problems, reload.waiting)
        self._observers.metrics.count_reload(reload.result)
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
