"""Where `gateway tail` reads exchanges: one replica that answers for all, or several, each for itself."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.commands.admin_client import AdminAway, AdminClient, AdminError, Event
from gateway.commands.tail_table import Exchange

_MAX: Final = 2000
_MAX_EVENT: Final = 500
_FIRST_PAUSE_SECONDS: Final = 0.5
_MAX_PAUSE_SECONDS: Final = 10.0
_REMEMBERED: Final = 8_000


class Source:
    """One admin port. `replica` is whose exchanges it is asked for: 'all', a name, or '' for its own."""

    def __init__(self, client: AdminClient, filters: Mapping[str, object], replica: str) -> None:
        self.note = ""
        """What the reader should know of the last answer: who is missing, and why."""
        self.replicas: set[str] = set()
        self._client = client
        self._filters = filters
        self._replica = replica
        self._last = 0
        self._heard: tuple[bool, set[str]] | None = None
        self._seen: deque[tuple[str, int]] = deque(maxlen=_REMEMBERED)

    def latest(self, limit: int) -> list[Exchange]:
        """The latest, newest first. Raises `AdminError`."""
        answer = self._ask({"limit": limit})
        self._last = answer["last_seq"]
        found: list[Exchange] = answer["exchanges"]
        self._seen.extend(map(_identity, found))
        return found

    def events(self) -> Iterable[Event]:
        """What comes after the latest. Raises `AdminError`."""
        query = {**self._query(), "after": self._last}
        if self._replica:
            query["limit"] = _MAX_EVENT
        return self._client.events("/api/events", query)

    def take(self, event: Event) -> tuple[list[Exchange], int]:
        """The new exchanges of an event, oldest first, and how many came too fast to be shown.

        An event has the newest only, if there were many: a replica has the others of its own, by number.
        """
        newest: list[Exchange] = event.content["exchanges"]
        missing: int = event.content["skipped"]
        older: list[Exchange] = []
        if missing and not self._replica:
            between = {"after": self._last, "before": newest[-1]["seq"], "limit": _MAX}
            older = self._ask(between)["exchanges"]
            missing = max(0, missing - len(older))
        self._last = newest[0]["seq"] if event.number is None else event.number
        known = set(self._seen)
        found = [each for each in [*reversed(older), *reversed(newest)] if _identity(each) not in known]
        self._seen.extend(map(_identity, found))
        return found, missing

    def hear(self, event: Event) -> str:
        """What is new about the replicas, in an event that lists them; '' while nothing is."""
        content = event.content
        gone = {each["replica"] for each in content["replicas"] if each["state"] == "vanished"}
        state = (content["shared"], gone)
        is_new = self._heard not in (None, state)
        self._heard = state
        return str(content["note"]) if is_new else ""

    def _query(self) -> dict[str, object]:
        return {**self._filters, "replica": self._replica} if self._replica else dict(self._filters)

    def _ask(self, more: Mapping[str, object]) -> Any:
        try:
            answer = self._client.get("/api/exchanges", {**self._query(), **more})
        except AdminError as error:
            # The previous release does not know `replica`: it answers for itself.
            if not error.wrong_usage or self._replica != "all" or "unknown parameter" not in str(error):
                raise
            self._replica = ""
            return self._ask(more)
        self.replicas = set(answer.get("replicas", ()))
        self.note = str(answer.get("note", ""))
        return answer


class Follower:
    """Prints what comes, of all sources, until it is interrupted; each reconnects by itself."""

    def __init__(
        self,
        sources: Sequence[Source],
        show: Callable[[Iterable[Exchange]], None],
        say: Callable[[str], None],
    ) -> None:
        self._sources = sources
        self._show = show
        self._say = say
        self._printing = threading.Lock()

    def run(self) -> None:
        """Returns never. Raises `AdminError` if access is denied."""
        threads = [
            threading.Thread(target=self._guarded, args=(source,), daemon=True)
            for source in self._sources[1:]
        ]
        for thread in threads:
            thread.start()
        self._follow(self._sources[0])

    def _guarded(self, source: Source) -> None:
        try:
            self._follow(source)
        except AdminError as error:
            with self._printing:
                self._say(f"gateway tail: {error}")

    def _follow(self, source: Source) -> None:
        pause = _FIRST_PAUSE_SECONDS
        lost = False
        while True:
            try:
                for event in source.events():
                    if lost:
                        self._say("gateway tail: connected again")
                    lost, pause = False, _FIRST_PAUSE_SECONDS
                    self._take(source, event)
            except AdminAway as error:
                if not lost:
                    self._say(f"gateway tail: {error}; trying again")
                lost = True
            time.sleep(pause)
            pause = min(_MAX_PAUSE_SECONDS, pause * 2)

    def _take(self, source: Source, event: Event) -> None:
        if event.name == "exchanges":
            found, missing = source.take(event)
            with self._printing:
                if missing:
                    self._say(f"gateway tail: {missing} exchanges came too fast to be shown")
                self._show(found)
        elif event.name == "replicas" and (news := source.hear(event)):
            with self._printing:
                self._say(f"gateway tail: {news}")


def _identity(exchange: Exchange) -> tuple[str, int]:
    return str(exchange.get("replica", "")), exchange["seq"]
