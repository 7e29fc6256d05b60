"""Intents in Redis, for all replicas: entered before the send, ended after it, renewed in between.

The script that enters an intent is waited for; that which ends it is not, and is sent again later if the
store is silent. An intent whose replica fell silent has an open outcome, and is never free before its seconds
are over. Knows nothing of requests.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.policy.repeat_intent import RepeatIntent
from gateway.redis.availability import StoreUnavailable
from gateway.redis.late_writes import LateWrites
from gateway.redis.redis_store import Script, ScriptStore
from gateway.repeat_guard.intent_records import (
    IntentEnd,
    IntentLease,
    SharedIntent,
    describe_end,
    read_intent,
)
from gateway.repeat_guard.intent_scripts import BAR, BEGIN, FORGET, HAND_BACK, KEEP, RELEASE, RENEW
from gateway.repeat_guard.open_outcomes import LEASE_SECONDS, OpenOutcome, OutcomeState
from gateway.repeat_guard.outcome_scripts import OWN
from gateway.repeat_guard.outcome_text import write_outcome
from gateway.repeat_guard.posted_ends import PostedEnds
from gateway.repeat_guard.repeat_rules import store_unavailable

RENEW_SECONDS = LEASE_SECONDS / 4
_CATCH_UP_SECONDS = 0.5
_LATE_MS = 60_000
_LAPSED_SECONDS = 1.0
"""From a lease's end to that of its attempt: others say that it was not done from 15 s after the lease on."""
_TRIES = 60
_OPEN = OutcomeState.OPEN
_KNOWN = (OutcomeState.FOUND, OutcomeState.ABSENT)


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
        self._sleep = sleep
        self._leases = 0
        self._held: dict[str, IntentLease] = {}
        self._posted = PostedEnds(store, now, self._post_ended)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops = loops if loops is not None else BackgroundLoops()
        self._unwritten: LateWrites[IntentLease] = LateWrites(
            self._write, unwritten_max, name="repeat_writes", loops=self._loops, sleep=sleep
        )
        self._renewing: asyncio.Task[None] | None = None

    @property
    def is_available(self) -> bool:
        """Whether the store counts as available."""
        return self._store.state.available

    def resize(self, unwritten_max: int) -> None:
        """Apply another bound."""
        self._unwritten.most = unwritten_max

    @property
    def unwritten(self) -> int:
        """Ends that the store does not have yet."""
        return len(self._unwritten)

    def lease(
        self, intent: RepeatIntent, outcome: OpenOutcome, on_lost: Callable[[], None] = lambda: None
    ) -> IntentLease:
        """A lease that the store does not know yet. It supersedes an earlier one whose end is unwritten."""
        self._leases += 1
        lease = IntentLease(intent, outcome, on_lost, self._leases)
        earlier = self._unwritten.take(intent.scope)
        if earlier is not None:
            lease.supersede(earlier)
        return lease

    async def begin(self, lease: IntentLease) -> SharedIntent | None:
        """Enter the intent, or return what there is.

        Raises `StoreUnavailable`: it is then uncertain which; the same lease may be begun again.
        """
        asked_at = self._time()
        is_asked = self.is_available
        lease.is_asked = lease.is_asked or is_asked
        try:
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
        if self._renewing is None:
            self._renewing = self._loops.start("repeat_renewals", 2 * self._renew_seconds, self._renew_all)

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
        on_written: Callable[[], None] = lambda: None,
        on_refused: Callable[[], None] = lambda: None,
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
        is_posted = end is not None and self._posted.post(lease, end)
        lease.end = end
        if not is_posted:
            self._spawn(self._write_or_queue(lease))

    def taken(self, lease: IntentLease, found: SharedIntent, *, delivered: bool) -> None:
        """A caller was given the definite answer of another request; if it has it, the intent is over."""
        keys = lease.keys
        if delivered:
            work = self._try(FORGET, (keys.intent, keys.open, keys.leases, keys.kept), ("", found.id))
        else:
            work = self._try(HAND_BACK, (keys.intent,), (lease.outcome.id,))
        self._spawn(work)

    async def close(self, seconds: float = 1.0) -> None:
        """Give writes under way `seconds`. What remains unwritten reads as open, never as free."""
        if self._renewing is not None:
            self._renewing.cancel()
        await self._posted.close(seconds)
        tasks = set(self._tasks)
        if self._unwritten.running is not None:
            tasks.add(self._unwritten.running)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks | self._tasks:
            task.cancel()
        renewing = {self._renewing} if self._renewing is not None else set()
        await asyncio.gather(*tasks, *self._tasks, *renewing, return_exceptions=True)

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _run(
        self, script: Script, keys: tuple[str, ...], args: tuple[bytes | str | int, ...]
    ) -> Coroutine[Any, Any, Any]:
        return self._store.run(script, keys, (round(self._now() * 1000), *args))

    def _enter(self, script: Script, lease: IntentLease) -> Coroutine[Any, Any, Any]:
        keys, outcome = lease.keys, lease.outcome
        names: tuple[str, ...] = (keys.intent, keys.open, keys.leases, keys.released)
        if outcome.subject.to_digest:
            names = (*names, keys.to)
        seconds_ms = round(lease.intent.seconds * 1000)
        text = write_outcome(outcome)
        return self._run(
            script, names, (self._lease_ms, seconds_ms, text, outcome.id, *lease.supersedes, lease.identities)
        )

    async def _renew_all(self, loop: BackgroundLoop) -> None:
        while True:
            await asyncio.sleep(self._renew_seconds)
            soon = self._time() + self._lease_seconds - self._renew_seconds / 2
            due = [each for each in self._held.values() if each.ends_at < soon]
            await asyncio.gather(*map(self._renew_held, due))
            lapsed = self._time() - _LAPSED_SECONDS
            for lease in [each for each in self._held.values() if each.ends_at <= lapsed]:
                lease.on_lapsed()
            loop.beat()

    async def _renew_held(self, lease: IntentLease) -> None:
        if lease.outcome.id in self._held:  # else its end was posted since, and comes first
            await self._renew(lease)

    async def _renew(self, lease: IntentLease) -> None:
        asked_at = self._time()
        was_unsure, lease.is_unsure = lease.is_unsure, True  # until it is answered; else the next round asks
        with suppress(StoreUnavailable):
            renewed = await self._enter(RENEW, lease)
            lease.is_unsure = was_unsure
            if renewed == 1:
                lease.ends_at = asked_at + self._lease_seconds
            elif renewed == -1:
                self._held.pop(lease.outcome.id, None)
                self._lost(lease)

    async def _write_or_queue(self, lease: IntentLease) -> None:
        if not await self._write(lease):
            self._queue(lease)

    def _post_ended(self, lease: IntentLease, reply: int | None) -> None:
        if reply is None:
            self._queue(lease)
        else:
            self._note_written(lease, reply)

    def _queue(self, lease: IntentLease) -> None:
        lease.is_queued = True
        self._unwritten.add(lease)
        lease.on_refused()

    async def _write(self, lease: IntentLease) -> bool:
        keys, end = lease.keys, lease.end
        if end is not None and end.state == _OPEN and lease.outcome.state in _KNOWN:
            lease.is_written = True  # a look has told the store more meanwhile
            lease.on_written()
            return True
        ids = (lease.outcome.id, *lease.supersedes)
        asks = bool(lease.outcome.subject.to_digest)
        try:
            if lease.is_unsure:
                await self._run(BAR, keys.released_of(ids), (_LATE_MS, *ids))
            if end is None:
                names = (keys.intent, keys.open, keys.leases, *((keys.to,) if asks else ()))
                await self._run(RELEASE, names, ids)
                if lease.sids:
                    await self._run(OWN, (keys.sids,), (lease.sids,))
                return True
            names = (keys.intent, keys.open, keys.leases, keys.kept)
            made = f"{end.sid} {lease.sids}".strip()
            if asks or made:
                names = (*names, keys.sids, keys.to)
            if not end.state:
                written = await self._run(FORGET, names, (made, *ids))
            else:
                ended = (*describe_end(lease, end, self._lease_ms), made, *ids, lease.identities)
                written = await self._run(KEEP, names, ended)
        except StoreUnavailable:
            return False
        self._note_written(lease, written)
        return True

    def _note_written(self, lease: IntentLease, reply: int) -> None:
        if reply == -1:
            if not (lease.is_queued and lease.end is not None and not lease.end.state):
                self._lost(lease)  # else it was over with the first write, whose reply was lost
            lease.on_refused()
        else:
            lease.is_written = True
            lease.on_written()
            lease.let_go()

    def _lost(self, lease: IntentLease) -> None:
        """The store forgot the intent, and another replica has entered it since: both may have sent."""
        if not lease.is_lost:
            lease.is_lost = True
            lease.on_lost()

    async def _try(self, script: Script, keys: tuple[str, ...], args: tuple[bytes | str | int, ...]) -> None:
        for _ in range(_TRIES):  # afterwards its lease ends, and the answer is given to another caller
            try:
                await self._run(script, keys, args)
                return
            except StoreUnavailable:
                await self._sleep(_CATCH_UP_SECONDS)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
