"""Holds a create that comes again while its first request is in flight or ended with an open outcome.

An identical request waits for the end of the first, whoever is still connected. If the first got a definite
answer and its caller was connected when that was written, the second is sent as a message of its own;
otherwise it shares the outcome. Nothing of this survives the process: another replica does not know of it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.errors import GatewayError, Refusal
from gateway.http.response import Response
from gateway.policy.repeat_intent import RepeatIntent
from gateway.repeat_guard.repeat_rules import (
    RepeatEnding,
    RepeatEvent,
    ending_of_error,
    ending_of_response,
    in_flight,
    not_kept,
    shared_error,
)
from gateway.repeat_guard.repeat_table import RepeatEntry, RepeatTable


@dataclass(frozen=True, slots=True)
class RepeatGuardOptions:
    """`reports` counts what would have been held, and holds nothing."""

    reports: bool = False
    max_entries: int = 100_000


class RepeatGuard:
    """One per process. `clock` is in seconds and never goes back; it may be any."""

    def __init__(self, options: RepeatGuardOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.options = options
        self._table = RepeatTable(options.max_entries, clock)

    def apply(self, options: RepeatGuardOptions) -> None:
        """Use other options from now on; what is remembered stays."""
        self.options = options
        self._table.max_entries = options.max_entries

    @property
    def entries(self) -> int:
        """Intents that are remembered, in flight or not."""
        return len(self._table)

    @property
    def open_outcomes(self) -> int:
        """Intents whose outcome is unknown."""
        return self._table.open_outcomes

    def hold(
        self,
        intent: RepeatIntent | None,
        *,
        deadline: float,
        in_doubt: Callable[[], bool],
        on_event: Callable[[RepeatEvent], None],
    ) -> "RepeatHold":
        """Hold an intent while it is sent and its answer is written; None holds nothing.

        `deadline` is by the loop's clock. `in_doubt` says whether bytes were sent that Twilio may have acted
        on; it is asked when the block ends by an exception.
        """
        return RepeatHold(self, self._table, intent, deadline, in_doubt, on_event)


class RepeatHold:
    """An async context manager around sending *and* writing the answer.

    If `shared` is set, that is the answer (with `SHARED_FIELD`); else send, and say `answered` what came.
    Before the block ends, `delivered` says whether the whole answer was written to a caller that was
    connected.
    """

    __slots__ = (
        "_answer",
        "_deadline",
        "_delivered",
        "_entry",
        "_guard",
        "_in_doubt",
        "_intent",
        "_on_event",
        "_streams",
        "_table",
        "shared",
        "waited_seconds",
    )

    def __init__(
        self,
        guard: RepeatGuard,
        table: RepeatTable,
        intent: RepeatIntent | None,
        deadline: float,
        in_doubt: Callable[[], bool],
        on_event: Callable[[RepeatEvent], None],
    ) -> None:
        self._guard = guard
        self._table = table
        self._intent = intent
        self._deadline = deadline
        self._in_doubt = in_doubt
        self._on_event = on_event
        self._entry: RepeatEntry | None = None
        self._answer: Response | None = None
        self._delivered = False
        self._streams = False
        self.shared: Response | None = None
        self.waited_seconds = 0.0

    async def __aenter__(self) -> Self:
        """Begin, wait for the first, or raise `GatewayError` (409, 502, 503)."""
        intent = self._intent
        if intent is None:
            return self
        entry = self._table.find(intent.scope)
        if entry is None:
            self._begin(intent)
        elif self._guard.options.reports:
            self._on_event(RepeatEvent.REPORTED)
        else:
            await self._wait(intent, entry)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entry, intent = self._entry, self._intent
        if entry is None or intent is None:
            return
        if self.shared is not None or entry.ending is not None:
            self._end_shared(intent, entry)
            return
        answer = self._answer
        if answer is not None:
            ending = ending_of_response(answer.status)
            entry.response = None if self._streams else answer
        else:
            assert error is not None, "a block that sent says what was answered"
            ending = ending_of_error(error, in_doubt=self._in_doubt())
            entry.slug = error.slug if isinstance(error, GatewayError) else "upstream_lost"
        if ending is RepeatEnding.NOT_SENT or (ending is RepeatEnding.DEFINITE and self._delivered):
            self._table.forget(intent.scope, entry)
        else:
            self._table.keep(intent.scope, entry, ending)

    def answered(self, response: Response) -> None:
        """Twilio has answered. Call it before anything is done to the answer."""
        if self._entry is not None and self.shared is None:
            self._streams = response.rest is not None
            self._answer = _copy(response)

    def delivered(self) -> None:
        """The answer was written in full to a connected caller."""
        self._delivered = True

    def _begin(self, intent: RepeatIntent) -> None:
        try:
            self._entry = self._table.begin(intent.scope, intent.seconds)
        except Refusal:
            self._on_event(RepeatEvent.FULL)
            raise

    async def _wait(self, intent: RepeatIntent, entry: RepeatEntry | None) -> None:
        """Until this request may be sent (`_entry` is a flight of its own) or has an outcome to share."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        waited = False
        try:
            while entry is not None and entry.ending is None:
                if not waited:
                    waited = True
                    self._on_event(RepeatEvent.WAITED)
                await self._next_look(entry, loop)
                if entry.ending is None:  # forgotten: it ended well, or nothing was sent
                    entry = self._table.find(intent.scope)
        finally:
            self.waited_seconds = loop.time() - started_at
        if entry is None:
            self._begin(intent)
        else:
            self._share(intent, entry)

    async def _next_look(self, entry: RepeatEntry, loop: asyncio.AbstractEventLoop) -> None:
        waiter = loop.create_future()
        entry.waiters.append(waiter)
        try:
            async with asyncio.timeout_at(self._deadline):
                await waiter
        except TimeoutError:
            self._on_event(RepeatEvent.IN_FLIGHT)
            raise in_flight() from None
        finally:
            if waiter in entry.waiters:
                entry.waiters.remove(waiter)

    def _share(self, intent: RepeatIntent, entry: RepeatEntry) -> None:
        self._on_event(RepeatEvent.SHARED)
        self._entry = entry
        if entry.response is not None:
            self.shared = _copy(entry.response)
            return
        self._table.refresh(intent.scope, entry)
        self._entry = None
        raise shared_error(entry.slug) if entry.slug else not_kept()

    def _end_shared(self, intent: RepeatIntent, entry: RepeatEntry) -> None:
        if self._delivered and entry.ending is RepeatEnding.DEFINITE:
            self._table.forget(intent.scope, entry)
        else:
            self._table.refresh(intent.scope, entry)


def _copy(response: Response) -> Response:
    """The response as it came; what is rewritten for one caller is not rewritten for another."""
    body = response.body if response.rest is None else b""
    return Response(response.status, response.reason, response.fields, body, None)
