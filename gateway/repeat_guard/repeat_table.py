"""The intents of this process: which are in flight, and which ended without their caller knowing how.

Knows times and room, nothing of requests: what follows from an entry is `repeat_rules.py`, who waits is
`repeat_guard.py`. The clock is handed in, in seconds.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from gateway.consumers.consumer import are_different
from gateway.http.response import Response
from gateway.policy.repeat_intent import Meant, RepeatIntent, WatchedCreate
from gateway.repeat_guard.intent_lease import IntentLease
from gateway.repeat_guard.open_outcomes import WAITED_SECONDS, OpenOutcome, OutcomeState
from gateway.repeat_guard.repeat_rules import MAX_SECONDS, RepeatEnding, guard_full


class RepeatEntry:
    """One intent. In flight while `ending` is None; then its outcome is `response`, or the failure `slug` (''
    where there was a response too large to keep). `outcome` is what is entered of it, `found_sid` what a look
    found, `lease` what the store has of it. Once it has ended, `identities` are those of its consumer.
    """

    __slots__ = (
        "ending",
        "expires_at",
        "found_sid",
        "identities",
        "is_written",
        "lease",
        "outcome",
        "response",
        "seconds",
        "slug",
        "started_at",
        "waiters",
    )

    def __init__(self, now: float, seconds: float) -> None:
        self.started_at = now
        self.seconds = seconds
        self.expires_at = 0.0
        self.ending: RepeatEnding | None = None
        self.response: Response | None = None
        self.slug = ""
        self.outcome: OpenOutcome | None = None
        self.found_sid = ""
        self.identities: tuple[str, ...] = ()
        self.is_written = False
        self.lease: IntentLease | None = None
        self.waiters: list[asyncio.Future[None]] = []

    def touch(self, now: float) -> None:
        """Keep the outcome for its seconds from now, within the bound on all of them."""
        self.expires_at = min(now + self.seconds, self.started_at + MAX_SECONDS)

    def is_of_another(self, intent: RepeatIntent) -> bool:
        """Whether a former consumer of this name had it. One in flight is waited for all the same."""
        return self.ending is not None and are_different(self.identities, intent.identities)

    @property
    def is_pursued(self) -> bool:
        """Whether its outcome is open, and this process asks Twilio about it."""
        outcome = self.outcome
        return (
            self.ending is RepeatEnding.OPEN
            and outcome is not None
            and outcome.subject.asks
            and outcome.state is OutcomeState.OPEN
        )

    @property
    def is_forgotten(self) -> bool:
        """Whether it says nothing to one who was woken: it ended well, nothing was sent, it is absent, or the
        store has it.
        """
        outcome = self.outcome
        return (
            self.ending is None
            or self.is_written
            or (outcome is not None and outcome.state is OutcomeState.ABSENT)
        )

    @property
    def is_being_written(self) -> bool:
        """Whether the store will have its definite answer in a moment. Until then no caller gets it: one of
        another replica may be given it by the store at the same time.
        """
        lease = self.lease
        return (
            self.ending is RepeatEnding.DEFINITE
            and lease is not None
            and not (self.is_written or lease.is_queued or lease.is_lost)
        )

    def waits_until(self, deadline: float, now: float) -> float:
        """Until when a repeat waits for a change, at most until its `deadline`; 0 for not at all.

        Both are by the loop's clock, `now` by that of outcomes.
        """
        outcome = self.outcome
        if self.ending is None or self.is_being_written:
            return deadline
        if outcome is None or not self.is_pursued:
            return 0.0
        left = outcome.ended_at + WAITED_SECONDS - now
        return min(deadline, asyncio.get_running_loop().time() + left)

    async def changed(self, deadline: float) -> bool:
        """Wait until it may have changed; False if `deadline`, by the loop's clock, passes before."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                await waiter
        except TimeoutError:
            return False
        finally:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
        return True

    def wake(self) -> None:
        """Have everyone who waits look again."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class RepeatTable:
    """At most `max_entries`. An entry that is resolved may be forgotten for room; an open one never."""

    def __init__(self, max_entries: int, clock: Callable[[], float]) -> None:
        self.max_entries = max_entries
        self._clock = clock
        self._lone: dict[Meant, float] = {}
        self._flights: dict[str, RepeatEntry] = {}
        self._open: OrderedDict[str, RepeatEntry] = OrderedDict()
        self._resolved: OrderedDict[str, RepeatEntry] = OrderedDict()
        self._written: OrderedDict[str, RepeatEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._lone) + len(self._flights) + len(self._open) + len(self._resolved)

    @property
    def open_outcomes(self) -> int:
        """How many ended with an unknown outcome."""
        return len(self._open)

    def find(self, scope: str) -> RepeatEntry | None:
        """The intent's entry, unless it has expired."""
        entry = self._flights.get(scope)
        if entry is not None:
            return entry
        for kept in (self._open, self._resolved):
            entry = kept.get(scope)
            if entry is not None:
                if entry.expires_at > self._clock():
                    return entry
                del kept[scope]
        return None

    def find_for(self, intent: RepeatIntent) -> RepeatEntry | None:
        """The same, unless it is a former consumer's of this name: that one's repeats still find it."""
        entry = self.find(intent.scope)
        return None if entry is None or entry.is_of_another(intent) else entry

    def begin(self, scope: str, seconds: float) -> RepeatEntry:
        """Enter a flight. Raises `Refusal` (503 repeat_guard_full)."""
        if len(self) >= self.max_entries:
            self._make_room()
        entry = self._flights[scope] = RepeatEntry(self._clock(), seconds)
        return entry

    def begin_lone(self, create: WatchedCreate) -> bool:
        """Enter a flight that needs no name, since nothing like it is remembered; False if it cannot be.

        All that there is of it is when it began, until it ends, or needs a name since another is like it.
        """
        lone = self._lone
        before = len(lone)
        lone.setdefault(create.meant, self._clock())  # one look-up: what is meant is hashed as a whole
        if len(lone) == before:
            self.name_lone(create)
            return False
        if self._flights or self._open or self._resolved or create.asks or before >= self.max_entries:
            return self._stays_alone(create)
        return True

    def end_lone(self, create: WatchedCreate) -> bool:
        """Its caller has its definite answer: the next one is another message. False if it has a name."""
        return self._lone.pop(create.meant, None) is not None

    def name_lone(self, create: WatchedCreate) -> RepeatEntry | None:
        """The entry of a flight that was lone, which has a name now."""
        scope = create.intent().scope
        started_at = self._lone.pop(create.meant, None)
        if started_at is not None:
            self._flights[scope] = RepeatEntry(started_at, create.seconds)
        return self._flights.get(scope)

    def _stays_alone(self, create: WatchedCreate) -> bool:
        full = len(self) > self.max_entries
        if not full and not create.asks and self.find(create.intent().scope) is None:
            return True
        del self._lone[create.meant]
        return False

    def keep(self, scope: str, entry: RepeatEntry, ending: RepeatEnding) -> None:
        """A flight has ended in a way that its caller does not know of."""
        entry.ending = ending
        entry.touch(self._clock())
        if self._flights.get(scope) is entry:
            del self._flights[scope]
        self._open.pop(scope, None)
        (self._open if ending is RepeatEnding.OPEN else self._resolved)[scope] = entry
        entry.wake()

    def take(self, scope: str, entry: RepeatEntry) -> None:
        """A definite answer is given to a caller: others wait whether it arrives."""
        if self._resolved.get(scope) is entry:
            del self._resolved[scope]
            entry.ending = None
            self._flights[scope] = entry

    def written(self, scope: str, entry: RepeatEntry) -> None:
        """The store has it, and is authoritative as long as it can be reached."""
        for kept in (self._open, self._resolved):
            if kept.get(scope) is entry:
                del kept[scope]
                self._written[scope] = entry
                self._written.move_to_end(scope)
                entry.is_written = True
                entry.wake()
        while len(self._written) > self.max_entries:
            self._written.popitem(last=False)

    def find_written(self, intent: RepeatIntent) -> RepeatEntry | None:
        """What the store had of this process's intents, where it cannot be asked."""
        entry = self._written.get(intent.scope)
        if entry is None or entry.is_of_another(intent):
            return None
        return entry if entry.expires_at > self._clock() else None

    def refresh(self, scope: str, entry: RepeatEntry) -> None:
        """A caller was given the outcome: start the time for which it is kept."""
        entry.touch(self._clock())
        for kept in (self._open, self._resolved):
            if kept.get(scope) is entry:
                kept.move_to_end(scope)

    def forget(self, scope: str, entry: RepeatEntry) -> None:
        """The intent is over: the next request like it is another one."""
        for kept in (self._flights, self._open, self._resolved, self._written):
            if kept.get(scope) is entry:
                del kept[scope]
        entry.wake()

    def _make_room(self) -> None:
        now = self._clock()
        for kept in (self._open, self._resolved):
            for scope in [scope for scope, entry in kept.items() if entry.expires_at <= now]:
                del kept[scope]
        if len(self) < self.max_entries:
            return
        if not self._resolved:
            raise guard_full()
        self._resolved.popitem(last=False)
