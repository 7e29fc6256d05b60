"""Two replicas over a real Redis for the state machines of the repeat guard: words that are lost or late,
leases that end, replicas that are killed.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gateway.redis.redis_store import RedisStore
from gateway.redis.script import Script
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.repeat_guard.intent_records import account_keys
from gateway.repeat_guard.outcome_scripts import COMPARE, RESOLVE, TAKE_OVER, WRITE
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.shared_intents import SharedIntents
from tests.support.idempotency import FaultyStore
from tests.support.paused_replicas import PausedReplicas
from tests.support.redis import RedisServer
from tests.support.repeat_guard import ACCOUNT
from tests.support.repeat_machine import RepeatMachine
from tests.support.repeat_machine_calls import SCOPES

BASE = f"gateway:{account_keys(ACCOUNT)[0]}"
RUNNING: list[RedisServer] = []
"""The server that the machines use, while a test has one."""
_AWAITED = (TAKE_OVER, COMPARE, WRITE, RESOLVE)
"""What a machine asks in one of its own steps: it would wait for ever for what comes late."""


class LateWords(FaultyStore):
    """A store some of whose questions stay on their way (fault `late`), and arrive in any order; also if who
    asked has given up, or was killed. What looks ask is never late.
    """

    def __init__(self, store: RedisStore) -> None:
        super().__init__(store)
        self.held: list[asyncio.Future[None]] = []
        self._underway: set[asyncio.Task[Any]] = set()

    async def run_packed(self, script: Script, packed: bytes) -> Any:
        """What `RedisStore.run_packed` does, or a fault."""
        if self.away or not self.faults or self.faults[0] != "late":
            return await super().run_packed(script, packed)
        if any(script is each for each in _AWAITED):
            return await self.store.run_packed(script, packed)
        self.faults.popleft()
        gate = asyncio.get_running_loop().create_future()
        self.held.append(gate)
        work = asyncio.get_running_loop().create_task(self._run_late(gate, script, packed))
        self._underway.add(work)
        work.add_done_callback(self._underway.discard)
        return await asyncio.shield(work)

    async def _run_late(self, gate: asyncio.Future[None], script: Script, packed: bytes) -> Any:
        await gate
        try:
            return await self.store.run_packed(script, packed)
        finally:
            await self._count_run()

    def arrive(self, which: int) -> None:
        """One of them is read by the store now."""
        self.asking += 1
        self.held.pop(which).set_result(None)

    async def let_all_arrive(self) -> None:
        """All of them, in the order in which they were sent."""
        while self.held:
            self.arrive(0)
        await self.until_quiet()


class RedisMachine(RepeatMachine):
    """Two replicas; their store fails before or after it has done what it was asked, or hears of it late."""

    replicas = 2

    async def _open(self) -> list[RepeatGuard]:
        RUNNING[0].client.flushall()
        self.redis: list[RedisStore] = []
        self.killed: list[RepeatGuard] = []
        self.late: list[LateWords] = []
        self.paused = PausedReplicas(self.late, super()._come_to_rest, self._situation)
        self.stores = [self._new_store() for _ in range(2)]
        return [self._new_guard(store) for store in self.stores]

    def _new_store(self) -> LateWords:
        self.redis.append(RedisStore(RUNNING[0].url, lambda state: None, answer_seconds=20))
        self.late.append(LateWords(self.redis[-1]))
        return self.late[-1]

    def _new_guard(self, store: LateWords) -> RepeatGuard:
        options = RepeatGuardOptions(refuses=True)
        now = self._clock(store)
        return RepeatGuard(options, lambda: self.now, store=store, now=now, sleep=self.paused.pause)

    def _clock(self, store: LateWords) -> Callable[[], float]:
        """The time that replicas share."""
        return store.store.server_clock.now

    def _shared(self, which: int) -> SharedIntents:
        shared = self.guards[which]._parts.shared
        assert shared is not None
        return shared

    async def _close(self) -> None:
        for words in self.late:
            await words.let_all_arrive()
        for guard in self.killed:
            await guard._parts.shared.close(0)  # type: ignore[union-attr]
        await super()._close()
        for store in self.redis:
            await store.close()

    async def _come_to_rest(self) -> None:
        await self.paused.come_to_rest()

    def _situation(self) -> tuple[object, ...]:
        """What may change without a rule."""
        running = [(each.runs, each.end is None, each.reading is None) for each in self.calls]
        faults = [len(store.faults) for store in self.stores]
        unwritten = [guard._parts.shared.unwritten for guard in self.guards if guard._parts.shared]
        waiting = [len(store.held) for store in self.late]
        return running, faults, unwritten, waiting, [each.done for each in self.callers]

    @precondition(lambda self: not self.calm)
    @rule(fault=st.sampled_from(["before", "after", "late"]), which=st.integers(0, 1))
    def the_store_will_fail(self, fault: str, which: int) -> None:
        """Once: it is asked again, and that sends nothing twice. What is late may come after later words."""
        self.faulted = True
        self.stores[which].faults.append(fault)

    @precondition(lambda self: any(store.held for store in self.late))
    @rule(data=st.data())
    def a_late_word_arrives(self, data: st.DataObject) -> None:
        """Even if its replica has been killed since."""
        store = data.draw(st.sampled_from([each for each in self.late if each.held]), label="of")
        store.arrive(data.draw(st.integers(0, len(store.held) - 1), label="which"))
        self._turn()

    async def _go_on(self) -> None:
        for store in self.late:
            store.faults.clear()
            await store.let_all_arrive()

    @precondition(lambda self: not self.calm)
    @rule(scope=st.sampled_from(SCOPES))
    def a_lease_is_lost(self, scope: str) -> None:
        """As if its replica had been silent for long."""
        self.faulted = True
        if RUNNING[0].client.hget(f"{BASE}:intent:{scope}", "state") == b"flight":
            RUNNING[0].client.hset(f"{BASE}:intent:{scope}", "lease", 1)
            self._turn()

    @precondition(lambda self: not self.calm)
    @rule(which=st.integers(0, 1), how=st.sampled_from(["201", "lost"]))
    def a_replica_is_killed(self, which: int, how: str) -> None:
        """What it had sent is done or not; it writes nothing more, and another takes its place."""
        self.faulted = True
        self.stores[which].away = True
        for call in self.calls:
            if call.runs and call.replica == which:
                call.is_dead = True
                self._leave(call)
                if call.end is not None and not call.end.done():
                    call.end.set_result(how)
        self._turn()
        self.killed.append(self.guards[which])
        self.stores[which] = self._new_store()
        self.guards[which] = self._new_guard(self.stores[which])
        self._replaced(which)

    def _replaced(self, which: int) -> None:
        """There is another replica in its place."""
