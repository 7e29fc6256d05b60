"""Holds a create that comes again while its first request is in flight or ended with an open outcome.

An identical request waits for the end of the first, even if the first one's caller has gone. If the first got
a definite answer and its caller was connected when that was written, the second is sent as a message of its
own; otherwise it shares the outcome. With a store all replicas know of it; without one, nothing of this
survives the process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.background.loops import BackgroundLoops
from gateway.policy.repeat_intent import CreateSubject, RepeatIntent, WatchedCreate
from gateway.redis.script import ScriptStore
from gateway.redis.server_clock import ServerClock
from gateway.repeat_guard.guard_parts import GuardParts, RepeatGuardOptions
from gateway.repeat_guard.local_outcomes import LocalOutcomes
from gateway.repeat_guard.open_outcomes import OpenOutcome, OpenOutcomes, new_owner
from gateway.repeat_guard.repeat_hold import RepeatHold
from gateway.repeat_guard.repeat_rules import RepeatEnding, RepeatEvent, ending_of_response
from gateway.repeat_guard.repeat_table import RepeatEntry, RepeatTable
from gateway.repeat_guard.shared_intents import SharedIntents
from gateway.repeat_guard.shared_outcomes import SharedOutcomes

_DEFINITE: Final = RepeatEnding.DEFINITE  # slow to get at by name


class RepeatGuard:
    """One per process. `clock` is in seconds and never goes back; it may be any.

    With a `store`, `now` is the time that all replicas share, in seconds since the epoch. `sleep` waits for
    some seconds.
    """

    def __init__(
        self,
        options: RepeatGuardOptions,
        clock: Callable[[], float] = time.monotonic,
        *,
        store: ScriptStore | None = None,
        now: Callable[[], float] | None = None,
        loops: BackgroundLoops | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        now = now or ServerClock().now
        table = RepeatTable(options.max_entries, clock)
        local = LocalOutcomes(table, options.max_entries, now)
        self.outcomes: OpenOutcomes = local
        """The creates whose outcome is not known yet."""
        shared = None
        if store is not None and options.shares:
            shared = SharedIntents(
                store, now=now, unwritten_max=options.max_entries, loops=loops, sleep=sleep
            )
            self.outcomes = SharedOutcomes(store, now)
        self._parts = GuardParts(options, table, local, shared, now, sleep, lambda outcome: None, new_owner())
        self._table = table
        self._is_local = shared is None

    def apply(self, options: RepeatGuardOptions) -> None:
        """Apply other options; what is remembered stays where it is."""
        parts = self._parts
        parts.options = options
        parts.table.max_entries = parts.local.max_entries = options.max_entries
        if parts.shared is not None:
            parts.shared.resize(options.max_entries)

    def set_on_open(self, on_open: Callable[[OpenOutcome], None]) -> None:
        """Call it with each create of this process that ends open: whether it was done can be looked up."""
        self._parts.on_open = on_open

    @property
    def options(self) -> RepeatGuardOptions:
        """The options in use."""
        return self._parts.options

    @property
    def is_shared(self) -> bool:
        """Whether other replicas know of the intents."""
        return self._parts.shared is not None

    @property
    def entries(self) -> int:
        """Intents that this process remembers; with a store, those in flight or not yet written there."""
        return len(self._parts.table)

    @property
    def open_outcomes(self) -> int:
        """Those of them whose outcome is unknown."""
        return self._parts.table.open_outcomes

    def hold(
        self,
        intent: RepeatIntent | None,
        deadline: float,
        in_doubt: Callable[[], bool],
        *,
        on_event: Callable[[RepeatEvent], None],
        describe: Callable[[], CreateSubject],
    ) -> RepeatHold:
        """Hold an intent while it is sent and its answer is written; None holds nothing.

        `deadline` is by the loop's clock. `in_doubt` says whether bytes were sent that Twilio may have acted
        on; it is asked when the block ends by an exception. `describe` says whose create it is, where that is
        to be remembered.
        """
        return RepeatHold(self._parts, intent, deadline, in_doubt, on_event, describe)

    def begin_alone(self, create: WatchedCreate) -> bool:
        """Enter a create that nothing else is known of, and that no other replica or look needs to know of.

        Nearly every create of a guard without a store is one. False if it has to be held. End it by
        `end_alone`, or by a hold that is resumed with what `name_alone` returns.
        """
        return self._is_local and self._table.begin_lone(create)

    def end_alone(self, create: WatchedCreate, status: int) -> bool:
        """A connected caller has Twilio's answer; False if that is open, or others wait: a hold ends it."""
        is_definite = status < 500 or ending_of_response(status) is _DEFINITE
        return is_definite and self._table.end_lone(create)

    def name_alone(self, create: WatchedCreate) -> RepeatEntry | None:
        """The entry of a create that `begin_alone` has entered."""
        return self._table.name_lone(create)

    def forget(self, intent: RepeatIntent) -> None:
        """Keep nothing for repeats of it. Looks for its outcome go on."""
        entry = self._table.find(intent.scope)
        if entry is not None:
            self._table.forget(intent.scope, entry)

    async def close(self) -> None:
        """Finish what is being written. Call it when no exchange is left."""
        if self._parts.shared is not None:
            await self._parts.shared.close()
