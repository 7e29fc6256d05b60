"""How creates ended, written to the store: not waited for, and written again if the store is silent.

What cannot be written for long reads as open, never as free. Knows nothing of requests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gateway.background.loops import BackgroundLoops
from gateway.background.unwaited import UnwaitedTasks
from gateway.redis.availability import StoreUnavailable
from gateway.redis.command_bytes import Argument
from gateway.redis.late_writes import LateWrites
from gateway.redis.script import Script, ScriptStore
from gateway.repeat_guard.intent_lease import IntentLease, describe_end
from gateway.repeat_guard.intent_records import IntentEnd, SharedIntent
from gateway.repeat_guard.intent_scripts import BAR, FORGET, GIVE, KEEP, RELEASE
from gateway.repeat_guard.open_outcomes import OutcomeState
from gateway.repeat_guard.outcome_scripts import OWN
from gateway.repeat_guard.posted_ends import PostedEnds

_CATCH_UP_SECONDS: Final = 0.5
_LATE_MS: Final = 60_000
_TRIES: Final = 60
_OPEN: Final = OutcomeState.OPEN
_KNOWN: Final = (OutcomeState.FOUND, OutcomeState.ABSENT)


class IntentEnds:
    """`now` is the time that replicas share. At most `most` ends are queued while the store is silent; of
    more, the oldest reads as open. `sleep` waits for some seconds.
    """

    def __init__(
        self,
        store: ScriptStore,
        now: Callable[[], float],
        most: int,
        *,
        lease_ms: int,
        loops: BackgroundLoops,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._now = now
        self._lease_ms = lease_ms
        self._sleep = sleep
        self._posted = PostedEnds(store, now, self._post_ended)
        self._tasks = UnwaitedTasks()
        self._unwritten: LateWrites[IntentLease] = LateWrites(
            self._write, most, name="repeat_writes", loops=loops, sleep=sleep
        )

    def __len__(self) -> int:
        """Ends that the store does not have yet."""
        return len(self._unwritten)

    def resize(self, most: int) -> None:
        """Apply another bound."""
        self._unwritten.most = most

    def take(self, scope: str) -> IntentLease | None:
        """What is unwritten of a scope, and is ended by another from now on."""
        return self._unwritten.take(scope)

    def write(self, lease: IntentLease, end: IntentEnd | None) -> None:
        """Write an end; None: it is given up before anything was sent."""
        is_posted = end is not None and self._posted.post(lease, end)
        lease.end = end
        if not is_posted:
            self._tasks.start(self._write_or_queue(lease))

    def write_taken(self, lease: IntentLease, found: SharedIntent, *, delivered: bool) -> None:
        """As `SharedIntents.taken`."""
        keys = lease.keys
        if delivered:
            work = self._try(FORGET, (keys.intent, keys.open, keys.leases, keys.kept), ("", found.id))
        else:
            work = self._try(GIVE, (keys.intent,), (lease.outcome.id, 0))
        self._tasks.start(work)

    async def close(self, seconds: float) -> None:
        """Give writes under way `seconds`."""
        await self._posted.close(seconds)
        await self._tasks.close(seconds, self._unwritten.tasks)

    @property
    def is_writing(self) -> bool:
        """Whether an end is under way."""
        return len(self._tasks) > 0 or self._posted.over() is not None

    async def settled(self, seconds: float = 60.0) -> None:
        """Wait until each end is written or queued."""
        while self.is_writing:
            posted = self._posted.over()
            await asyncio.wait({*self._tasks, *(() if posted is None else (posted,))}, timeout=seconds)

    def _run(self, script: Script, keys: tuple[str, ...], args: tuple[Argument, ...]) -> Awaitable[Any]:
        return self._store.run(script, keys, (round(self._now() * 1000), *args))

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
        if reply != 1:
            if not (lease.is_queued and lease.end is not None and not lease.end.state):
                lease.lose(is_alarming=reply == -1)  # else the first write was done, and its reply was lost
            lease.on_refused()
        else:
            lease.is_written = True
            lease.on_written()
            lease.let_go()

    async def _try(self, script: Script, keys: tuple[str, ...], args: tuple[Argument, ...]) -> None:
        for _ in range(_TRIES):  # afterwards its lease ends, and the answer is given to another caller
            try:
                await self._run(script, keys, args)
                return
            except StoreUnavailable:
                await self._sleep(_CATCH_UP_SECONDS)
