"""What the parts of the process call to have an act on record: before it is done, or because it happened."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from gateway.audit.audit_trail import AuditEvent, AuditTrail, AuditUnavailable
from gateway.background.breathing import short_turns
from gateway.background.daemon_thread import run_in_thread

HINT = "free the disk or repair the path in `audit.file`; nothing may be managed until it can be written"


class Auditor:
    """Without a `trail` nothing is on record, and nothing is refused. `on_change` is called, on any thread,
    with why the trail cannot be written, and with '' once it can be again."""

    def __init__(self, trail: AuditTrail | None, on_change: Callable[[str], object]) -> None:
        self.trail = trail
        self._on_change = on_change
        self._failure = ""

    async def require(self, event: str, **values: Any) -> None:
        """Put an act on record before it is done. Raises `AuditUnavailable`, then it must not be done."""
        if self.trail is None:
            return
        trail = self.trail
        try:
            await run_in_thread(lambda: trail.record(event, **values))
        finally:
            self._look(trail)

    async def require_all(self, events: Iterable[AuditEvent]) -> None:
        """The same for an act of many lines: if one fails, those of writes before it are on record.

        `events` are made where they are written, not on the loop: there may be very many.
        """
        if self.trail is None:
            return
        trail, rest = self.trail, iter(events)

        def record_some() -> bool:
            with short_turns():
                some = list(islice(rest, trail.at_once))
                if some:
                    trail.record_all(some)
                return bool(some)

        try:
            while await run_in_thread(record_some):
                pass
        finally:
            self._look(trail)

    async def note(self, event: str, **values: Any) -> None:
        """Put on record what happens in any case."""
        try:
            await self.require(event, **values)
        except AuditUnavailable:
            return

    def note_now(self, event: str, **values: Any) -> None:
        """The same on a thread that may wait for the disk."""
        if self.trail is not None:
            self.trail.try_record(event, **values)
            self._look(self.trail)

    def _look(self, trail: AuditTrail) -> None:
        failure, self._failure = self._failure, trail.failure
        if failure != self._failure:
            self._on_change(self._failure)
