"""Intents in Redis, for all replicas: entered before the send, ended after it, renewed in between.

The script that enters an intent is waited for; that which ends it is not (`intent_ends.py`). An intent whose
replica fell silent has an open outcome, and is never free before its seconds are over. Knows nothing of
requests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.policy.repeat_intent import RepeatIntent
from gateway.redis.availability import StoreUnavailable
from gateway.redis.command_bytes import Argument
from gateway.redis.script import Script, ScriptStore
from gateway.repeat_guard.intent_commands import KnownCommands
from gateway.repeat_guard.intent_ends import IntentEnds
from gateway.repeat_guard.intent_lease import IntentLease
from gateway.repeat_guard.intent_records import IntentEnd, SharedIntent, read_intent
from gateway.repeat_guard.intent_scripts import BEGIN, GIVE, RENEW
from gateway.repeat_guard.open_outcomes import LEASE_SECONDS, OpenOutcome
from gateway.repeat_guard.outcome_text import write_outcome
from gateway.repeat_guard.repeat_rules import store_unavailable

RENEW_SECONDS: Final = LEASE_SECONDS / 4
_LAPSED_SECONDS: Final = 1.0
"""From a lease's end to that of its attempt: others say that it was not done from 15 s after the lease on."""


def _ignore() -> None:
    """Nothing follows from it."""


class SharedIntents:
    """The intents of all replicas. `now` is the time that they share, in seconds since the epoch.

    At most `unwritten_max` ends are queued while the store is silent; dropped ones read as open. `sleep`
    waits for some seconds.
    """

    def __init__(
        self,
        store: ScriptStore,
        *,
        now: Callable[[], float],
        unwritten_max: int,
        loops: BackgroundLoops | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._store = store
        self._now = now
        self._lease_seconds = lease_seconds
        self._lease_ms = round(lease_seconds * 1000)
        self._renew_seconds = renew_seconds
        self._leases = 0
        self._held: dict[str, IntentLease] = {}
        self._taken: dict[str, IntentLease] = {}
        self._loops = loops if loops is not None else BackgroundLoops()
        self._commands = KnownCommands(store.pack, self._lease_ms)
        self._ends = IntentEnds(
            store, now, unwritten_max, lease_ms=self._lease_ms, loops=self._loops, sleep=sleep
        )
        self._renewing: asyncio.Task[None] | None = None

    @property
    def is_available(self) -> bool:
        """Whether the store counts as available."""
        return self._store.state.available

    def resize(self, unwritten_max: int) -> None:
        """Apply another bound."""
        self._ends.resize(unwritten_max)

    @property
    def unwritten(self) -> int:
        """Ends that the store does not have yet."""
        return len(self._ends)

    def lease(
        self, intent: RepeatIntent, outcome: OpenOutcome, on_lost: Callable[[], None] = _ignore
    ) -> IntentLease:
        """A lease that the store does not know yet. It supersedes an earlier one whose end is unwritten."""
        self._leases += 1
        lease = IntentLease(intent, outcome, on_lost, self._leases)
        earlier = self._ends.take(intent.scope)
        if earlier is not None:
            lease.supersede(earlier)
        elif outcome.ends_by - outcome.started_at <= intent.seconds:
            lease.commands = self._commands.find(intent, outcome.subject, lease.identities)
        return lease

    async def begin(self, lease: IntentLease) -> SharedIntent | None:
        """Enter the intent, or return what there is.

        Raises `StoreUnavailable`: it is then uncertain which; the same lease may be begun again.
        """
        asked_at = self._time()
        is_asked = self.is_available
        lease.is_asked = lease.is_asked or is_asked
        commands = lease.commands
        try:
            if commands is not None:
                found = await self._store.run_packed(BEGIN, commands.begin(lease.outcome, self._now()))
            else:
                found = await self._enter(BEGIN, lease)
        except BaseException:
            lease.is_unsure = lease.is_unsure or is_asked
            raise
        lease.ends_at = asked_at + self._lease_seconds
        try:
            return None if found is None else read_intent(found, lease.intent.secret)
        except ValueError:  # of another form: something was begun, and no more is known
            return SharedIntent("", False, slug="replica_lost", is_open=True)

    def hold(self, lease: IntentLease) -> None:
        """Renew the lease until it is ended."""
        self._held[lease.outcome.id] = lease
        self._start_renewing()

    def take(self, lease: IntentLease) -> None:
        """The definite answer of another request is being given to a caller, who may be slow to take it: no
        other gets it before that is `taken`.
        """
        self._taken[lease.outcome.id] = lease
        self._start_renewing()

    def require_held(self, lease: IntentLease, *, refuses: bool) -> None:
        """An attempt is about to begin. Raises `Refusal` if others may believe by now that there is none.

        While the store is unavailable, and that refuses nothing, this process goes on alone.
        """
        if self._time() >= lease.ends_at and (refuses or self.is_available):
            raise store_unavailable()

    def end(
        self,
        lease: IntentLease,
        end: IntentEnd | None,
        on_written: Callable[[], None] = _ignore,
        on_refused: Callable[[], None] = _ignore,
    ) -> None:
        """Write how it ended; None: it is given up before anything was sent. Not waited for.

        `on_refused` is called if the store did not take it: it is written later, or the intent is another's.
        """
        self._held.pop(lease.outcome.id, None)
        if end is None and not (lease.is_asked or lease.supersedes):
            return  # the store was away: it knows nothing of this
        lease.is_written = False
        lease.on_written = on_written
        lease.on_refused = on_refused
        lease.is_queued = False
        self._ends.write(lease, end)

    def taken(self, lease: IntentLease, found: SharedIntent, *, delivered: bool) -> None:
        """A caller was given the definite answer of another request; if it has it, the intent is over."""
        self._taken.pop(lease.outcome.id, None)
        self._ends.write_taken(lease, found, delivered=delivered)

    async def close(self, seconds: float = 1.0) -> None:
        """Give writes under way `seconds`. What remains unwritten reads as open, never as free."""
        renewing = self._renewing
        if renewing is not None:
            renewing.cancel()
        await self._ends.close(seconds)
        if renewing is not None:
            await asyncio.gather(renewing, return_exceptions=True)

    @property
    def is_writing(self) -> bool:
        """Whether an end is under way."""
        return self._ends.is_writing

    async def settled(self, seconds: float = 60.0) -> None:
        """Wait until each end is written or queued."""
        await self._ends.settled(seconds)

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _enter(self, script: Script, lease: IntentLease) -> Awaitable[Any]:
        keys, outcome = lease.keys, lease.outcome
        names: tuple[str, ...] = (keys.intent, keys.open, keys.leases, keys.released)
        if outcome.subject.to_digest:
            names = (*names, keys.to)
        now = self._now()
        # It may be in flight for longer, and this replica cut off: then nobody renews it.
        seconds = max(lease.intent.seconds, outcome.ends_by - now)
        times = (round(now * 1000), self._lease_ms, round(seconds * 1000))
        ids = (outcome.id, *lease.supersedes, lease.identities)
        args: tuple[Argument, ...] = (*times, write_outcome(outcome), *ids)
        return self._store.run(script, names, args)

    def _start_renewing(self) -> None:
        if self._renewing is None:
            self._renewing = self._loops.start("repeat_renewals", 2 * self._renew_seconds, self._renew_all)

    async def _renew_all(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(self._renew_seconds)
            soon = self._time() + self._lease_seconds - self._renew_seconds / 2
            due = [each for each in self._held.values() if each.ends_at < soon]
            await asyncio.gather(*map(self._renew_held, due), *map(self._renew_taken, self._taken.values()))
            lapsed = self._time() - _LAPSED_SECONDS
            for lease in [each for each in self._held.values() if each.ends_at <= lapsed]:
                lease.on_lapsed()
            loop.beat()

    async def _renew_held(self, lease: IntentLease) -> None:
        if lease.outcome.id in self._held:  # else its end was posted since, and comes first
            await self._renew(lease)

    async def _renew_taken(self, lease: IntentLease) -> None:
        args = (round(self._now() * 1000), lease.outcome.id, self._lease_ms)
        if lease.outcome.id in self._taken:
            with suppress(StoreUnavailable):
                await self._store.run(GIVE, (lease.keys.intent,), args)

    async def _renew(self, lease: IntentLease) -> None:
        asked_at = self._time()
        lease.is_asked = lease.is_asked or self.is_available  # it may be what enters it: the store was away
        was_unsure, lease.is_unsure = lease.is_unsure, True  # until it is answered; else the next round asks
        with suppress(StoreUnavailable):
            renewed = await self._enter(RENEW, lease)
            lease.is_unsure = was_unsure
            if renewed == 1:
                lease.ends_at = asked_at + self._lease_seconds
            elif renewed == -1:
                self._held.pop(lease.outcome.id, None)
                lease.lose()
