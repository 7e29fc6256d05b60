"""One guarded create: it waits for an identical one, is sent, or shares an outcome (docs/design.md 4.7).

The table of this process comes first, the store (if there is one) second. Knows nothing of attempts: its
holder says what was answered, and whether that reached a caller.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from gateway.errors import GatewayError, Refusal
from gateway.http.response import Response
from gateway.http.stored_response import copy_response
from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.redis.availability import StoreUnavailable
from gateway.repeat_guard.guard_parts import GuardParts
from gateway.repeat_guard.intent_lease import IntentLease
from gateway.repeat_guard.intent_records import IntentEnd, SharedIntent
from gateway.repeat_guard.open_outcomes import OpenOutcome, OutcomeState, new_outcome
from gateway.repeat_guard.other_flights import await_others, end_elsewhere, end_shared
from gateway.repeat_guard.repeat_rules import (
    RepeatEnding,
    RepeatEvent,
    RepeatEvents,
    ending_of_error,
    ending_of_response,
    not_kept,
    shared_error,
)
from gateway.repeat_guard.repeat_table import RepeatEntry
from gateway.repeat_guard.shared_claim import claim, find_forgotten
from gateway.repeat_guard.shared_intents import SharedIntents

# Asked for by name, a member costs 1,000 instructions.
_OPEN: Final = RepeatEnding.OPEN
_DEFINITE: Final = RepeatEnding.DEFINITE
_SECOND_HOLDER: Final = RepeatEvent.SECOND_HOLDER
_DELIVERED: Final = IntentEnd()


class RepeatHold:
    """An async context manager around sending *and* writing the answer.

    If `shared` is set, that is the answer (with `SHARED_FIELD`); if `found` is, it is the SID of what the
    first request created, and that resource is the answer; else send, and say `answered` what came. `outcome`
    is what is entered of the request, if Twilio may be asked about it. Before the block ends, `delivered`
    says that the whole answer was written to a caller that was connected.
    """

    __slots__ = (
        "_absent", "_answer", "_deadline", "_delivered", "_elsewhere", "_entry", "_events", "_in_doubt",
        "_intent", "_lease", "_parts", "_sid", "_streams",
        "describe", "found", "outcome", "shared", "waited_seconds",
    )  # fmt: skip

    def __init__(
        self,
        parts: GuardParts,
        intent: RepeatIntent | None,
        deadline: float,
        in_doubt: Callable[[], bool],
        on_event: Callable[[RepeatEvent], None],
        describe: Callable[[], CreateSubject],
    ) -> None:
        self._parts = parts
        self._intent = intent
        self._deadline = deadline
        self._in_doubt = in_doubt
        self._events = RepeatEvents(on_event)
        self.describe = describe
        self._entry: RepeatEntry | None = None
        self._lease: IntentLease | None = None
        self._elsewhere: SharedIntent | None = None
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
        shared = self._parts.shared
        entry = self._parts.table.find_for(intent)
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        try:
            if entry is not None and not await self._await_others(intent, entry):
                return self
            entry = self._begin(intent)
            if shared is not None and entry is not None:
                await self._enter(intent, entry, shared)
        finally:
            self.waited_seconds = loop.time() - started_at
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._finish(error)

    def resume(
        self, entry: RepeatEntry, answer: Response | None, error: BaseException | None, *, delivered: bool
    ) -> None:
        """End a create that was sent without this hold: `begin_alone` has entered it."""
        self._entry = entry
        if answer is not None:
            self.answered(answer)
        self._delivered = delivered
        self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        entry, intent = self._entry, self._intent
        if intent is None:
            return
        if self._elsewhere is not None:
            end_elsewhere(self._parts, self._lease, self._elsewhere, delivered=self._delivered)
        elif entry is not None and (self.shared is not None or self.found or entry.ending is not None):
            end_shared(self._parts, intent, entry, delivered=self._delivered)
        elif entry is not None:
            self._end(intent, entry, self._ending(intent, entry, error))

    @property
    def is_plain(self) -> bool:
        """Whether it is to be sent, and Twilio may not be asked about it."""
        return self.outcome is None and self.shared is None and not self.found

    def before_attempts(self, check: Callable[[], None] | None) -> Callable[[], None] | None:
        """What is called before each attempt: `check`, and with a store whether the lease still lasts."""
        shared = self._parts.shared
        if shared is None or self._parts.options.reports:
            return check

        def require_turn() -> None:
            if check is not None:
                check()
            if self._lease is not None and self._elsewhere is None:
                shared.require_held(self._lease, refuses=self._parts.options.refuses)

        return require_turn

    def answered(self, response: Response, sid: str = "") -> None:
        """Twilio has answered, and created `sid`. Call it before anything is done to the answer.

        The last call counts: what a look has found is an answer as well.
        """
        if self._entry is not None and self.shared is None:
            self._streams = response.rest is not None
            self._answer = copy_response(response)
            self._sid = sid

    def when_lapsed(self, give_up: Callable[[], None]) -> None:
        """`give_up` is called if other replicas may believe that the attempt in flight has ended."""
        if self._lease is not None and self._parts.options.gives_up:
            self._lease.on_lapsed = give_up

    def absent(self) -> None:
        """Looks have shown that Twilio did not do it: the next identical request is a new one."""
        self._absent = True

    def delivered(self) -> None:
        """The answer was written in full to a connected caller."""
        self._delivered = True

    def _begin(self, intent: RepeatIntent) -> RepeatEntry | None:
        try:
            entry = self._entry = self._parts.table.begin(intent.scope, intent.seconds)
        except Refusal:
            self._events.count(RepeatEvent.FULL)
            if not self._parts.options.reports:
                raise
            return None
        if self._parts.shared is None and intent.asks:
            self.outcome = self._new_outcome(intent)
            self._parts.local.enter(self.outcome)
        return entry

    def _new_outcome(self, intent: RepeatIntent) -> OpenOutcome:
        left, parts = self._deadline - asyncio.get_running_loop().time(), self._parts
        return new_outcome(intent, self.describe(), parts.now(), left, parts.owner)

    async def _await_others(self, intent: RepeatIntent, entry: RepeatEntry) -> bool:
        """Until this request may be sent; False if it has an outcome to share, or is let through."""
        if self._parts.options.reports:
            self._events.count(RepeatEvent.REPORTED)
            return False
        ended = await await_others(self._parts, intent, entry, self._deadline, self._events)
        if ended is not None:
            self._share(intent, ended)
        return ended is None

    async def _enter(self, intent: RepeatIntent, entry: RepeatEntry, shared: SharedIntents) -> None:
        """Until `_entry` is a flight of this request's own, or it has an outcome to share."""
        parts = self._parts
        lease = shared.lease(intent, self._new_outcome(intent), partial(self._events.count, _SECOND_HOLDER))
        found: SharedIntent | RepeatEntry | None = None
        first: SharedIntent | None = None
        failure: StoreUnavailable | None = None
        try:
            try:
                first = await shared.begin(lease)
            except StoreUnavailable as error:
                failure = error
            if first is not None or failure is not None or find_forgotten(parts, lease) is not None:
                found = await claim(parts, shared, lease, self._deadline, self._events, first, failure)
        except BaseException:
            self._let_go(intent, entry)
            shared.end(lease, None)  # the script may have run nevertheless
            raise
        self._lease = lease
        if found is None:
            self.outcome = lease.outcome if intent.asks else None
            shared.hold(lease)
            return
        self._let_go(intent, entry)
        if parts.options.reports:
            self._events.count(RepeatEvent.REPORTED)
            shared.end(lease, None)
        elif isinstance(found, RepeatEntry):  # the store is away, or has forgotten it; it may have this one
            shared.end(lease, None)
            self._share(intent, found)
        else:
            self._share_found(found)

    def _let_go(self, intent: RepeatIntent, entry: RepeatEntry) -> None:
        self._parts.table.forget(intent.scope, entry)
        self._entry = None

    def _share(self, intent: RepeatIntent, entry: RepeatEntry) -> None:
        self._events.count(RepeatEvent.SHARED)
        self._entry = entry
        self.found = entry.found_sid
        if not self.found and entry.response is not None:
            self.shared = copy_response(entry.response)
        if self.found or self.shared is not None:
            self._parts.table.take(intent.scope, entry)
            return
        self._parts.table.refresh(intent.scope, entry)
        self._entry = None
        raise shared_error(entry.slug) if entry.slug else not_kept()

    def _share_found(self, found: SharedIntent) -> None:
        self._events.count(RepeatEvent.SHARED)
        self._elsewhere = found
        self.found, self.shared = found.found_sid, found.response
        if not self.found and self.shared is None:
            end_elsewhere(self._parts, self._lease, found, delivered=self._delivered)
            raise shared_error(found.slug) if found.slug else not_kept()

    def _ending(self, intent: RepeatIntent, entry: RepeatEntry, error: BaseException | None) -> RepeatEnding:
        if self._absent:
            return RepeatEnding.NOT_SENT
        if self._answer is not None:
            entry.response = None if self._streams else self._answer
            return ending_of_response(self._answer.status, asks=intent.asks)
        assert error is not None, "a block that sent says what was answered"
        entry.slug = error.slug if isinstance(error, GatewayError) else "upstream_lost"
        return ending_of_error(error, in_doubt=self._in_doubt())

    @property
    def _status(self) -> int:
        return self._answer.status if self._answer is not None else 0

    def _end(self, intent: RepeatIntent, entry: RepeatEntry, ending: RepeatEnding) -> None:
        """The flight is over: keep its outcome if it is open, or if no caller has it."""
        table, lease, shared = self._parts.table, self._lease, self._parts.shared
        if lease is not None and shared is not None and ending is _DEFINITE and self._delivered:
            shared.end(lease, IntentEnd(sid=self._sid) if self._sid else _DELIVERED)
            table.forget(intent.scope, entry)
            return
        is_open = ending is _OPEN
        entry.identities = intent.identities
        outcome = self._open(intent, entry) if is_open else self.outcome
        keeps = is_open or (ending is _DEFINITE and not self._delivered)
        if lease is not None and shared is not None:
            state = "" if not keeps else OutcomeState.OPEN if is_open else "done"
            end = IntentEnd(state, self._sid, self._status, entry.slug, entry.response, intent.asks)
            entry.lease = lease
            shared.end(lease, end, lambda: table.written(intent.scope, entry), entry.wake)
        elif is_open and outcome is not None:
            self._parts.local.end(outcome)
        elif outcome is not None:
            self._parts.local.drop(outcome, self._sid)
        if keeps:
            table.keep(intent.scope, entry, ending)
        else:
            table.forget(intent.scope, entry)
        if is_open and outcome is not None:
            self._parts.on_open(outcome)

    def _open(self, intent: RepeatIntent, entry: RepeatEntry) -> OpenOutcome:
        outcome = self.outcome or (self._lease.outcome if self._lease else self._new_outcome(intent))
        outcome.end_open(self._parts.now(), entry.slug, self._status, asks=intent.asks)
        self.outcome = entry.outcome = outcome
        return outcome
