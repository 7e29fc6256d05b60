"""Holds a create that comes again while its first request is in flight or ended with an open outcome.

An identical request waits for the end of the first, whoever is still connected. If the first got a definite
answer and its caller was connected when that was written, the second is sent as a message of its own;
otherwise it shares the outcome. Nothing of this survives the process: another replica does not know of it.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.errors import GatewayError, Refusal
from gateway.http.response import Response
from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.redis.server_clock import ServerClock
from gateway.repeat_guard.local_outcomes import LocalOutcomes
from gateway.repeat_guard.open_outcomes import OpenOutcome, OpenOutcomes, OutcomeState
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
        self._outcomes = LocalOutcomes(self._table, options.max_entries, ServerClock().now)
        self.on_open: Callable[[OpenOutcome], None] = lambda outcome: None
        """Called with a create that has ended open, of this process: whether it was done can be looked up."""

    def apply(self, options: RepeatGuardOptions) -> None:
        """Use other options from now on; what is remembered stays."""
        self.options = options
        self._table.max_entries = options.max_entries
        self._outcomes.max_entries = options.max_entries

    @property
    def outcomes(self) -> OpenOutcomes:
        """The creates whose outcome nobody knows yet."""
        return self._outcomes

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
        describe: Callable[[], CreateSubject],
    ) -> "RepeatHold":
        """Hold an intent while it is sent and its answer is written; None holds nothing.

        `deadline` is by the loop's clock. `in_doubt` says whether bytes were sent that Twilio may have acted
        on; it is asked when the block ends by an exception. `describe` says whose create it is, where that is
        to be remembered.
        """
        return RepeatHold(self, self._table, self._outcomes, intent, deadline, in_doubt, on_event, describe)


class RepeatHold:
    """An async context manager around sending *and* writing the answer.

    If `shared` is set, that is the answer (with `SHARED_FIELD`); if `found` is, it is the SID of what the
    first request created, and that resource is the answer; else send, and say `answered` what came. `outcome`
    is what is entered of the request, if Twilio may be asked about it. Before the block ends, `delivered`
    says that the whole answer was written to a caller that was connected.
    """

    __slots__ = (
        "_absent",
        "_answer",
        "_deadline",
        "_delivered",
        "_describe",
        "_entry",
        "_guard",
        "_in_doubt",
        "_intent",
        "_on_event",
        "_outcomes",
        "_sid",
        "_streams",
        "_table",
        "found",
        "outcome",
        "shared",
        "waited_seconds",
    )

    def __init__(
        self,
        guard: RepeatGuard,
        table: RepeatTable,
        outcomes: LocalOutcomes,
        intent: RepeatIntent | None,
        deadline: float,
        in_doubt: Callable[[], bool],
        on_event: Callable[[RepeatEvent], None],
        describe: Callable[[], CreateSubject],
    ) -> None:
        self._guard = guard
        self._table = table
        self._outcomes = outcomes
        self._intent = intent
        self._deadline = deadline
        self._in_doubt = in_doubt
        self._on_event = on_event
        self._describe = describe
        self._entry: RepeatEntry | None = None
        self._answer: Response | None = None
        self._delivered = False
        self._streams = False
        self._sid = ""
        self._absent = False
        self.shared: Response | None = None
        self.found = ""
        self.outcome: OpenOutcome | None = None
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
        if self.shared is not None or self.found or entry.ending is not None:
            self._end_shared(intent, entry)
            return
        answer = self._answer
        if answer is not None:
            ending = ending_of_response(answer.status, asks=intent.asks)
            entry.response = None if self._streams else answer
        else:
            assert error is not None, "a block that sent says what was answered"
            ending = ending_of_error(error, in_doubt=self._in_doubt())
            entry.slug = error.slug if isinstance(error, GatewayError) else "upstream_lost"
        if self._absent:
            ending = RepeatEnding.NOT_SENT
        if ending is RepeatEnding.OPEN:
            self._end_open(intent, entry)
        elif self.outcome is not None:
            self._outcomes.drop(self.outcome, self._sid)
        if ending is RepeatEnding.NOT_SENT or (ending is RepeatEnding.DEFINITE and self._delivered):
            self._table.forget(intent.scope, entry)
        else:
            self._table.keep(intent.scope, entry, ending)

    def answered(self, response: Response, sid: str = "") -> None:
        """Twilio has answered, and created `sid`. Call it before anything is done to the answer.

        The last call counts: what a look has found is an answer as well.
        """
        if self._entry is not None and self.shared is None:
            self._streams = response.rest is not None
            self._answer = _copy(response)
            self._sid = sid

    def absent(self) -> None:
        """Looks have shown that Twilio did not do it: the next identical request is a new one."""
        self._absent = True

    def delivered(self) -> None:
        """The answer was written in full to a connected caller."""
        self._delivered = True

    def _begin(self, intent: RepeatIntent) -> None:
        try:
            self._entry = self._table.begin(intent.scope, intent.seconds)
        except Refusal:
            self._on_event(RepeatEvent.FULL)
            raise
        if intent.asks:
            self.outcome = self._new_outcome(intent)
            self._outcomes.enter(self.outcome)

    def _new_outcome(self, intent: RepeatIntent) -> OpenOutcome:
        now = self._outcomes.now()
        left = self._deadline - asyncio.get_running_loop().time()
        id_ = secrets.token_hex(16)
        return OpenOutcome(id_, intent.scope, self._describe(), intent.seconds, now, now + left)

    def _end_open(self, intent: RepeatIntent, entry: RepeatEntry) -> None:
        outcome = self.outcome = entry.outcome = self.outcome or self._new_outcome(intent)
        outcome.state = OutcomeState.OPEN
        outcome.ended_at = self._outcomes.now()
        outcome.slug = entry.slug
        outcome.status = self._answer.status if self._answer is not None else 0
        self._outcomes.end(outcome)
        self._guard.on_open(outcome)

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
        if entry.found_sid:
            self.found = entry.found_sid
            return
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
