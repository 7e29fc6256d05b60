"""In whatever order creates begin, end, hang up and come again: never more than one message an intention.

A ledger stands for Twilio: it counts the messages that were made. A client has one intention at a time, and
calls until a definite answer reaches it. Without faults there are exactly as many messages as intentions. The
machine runs in one process, and over a real Redis between two replicas that may be killed, lose their leases
and meet a store that fails.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.errors import FailurePhase, GatewayError, Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.redis.redis_store import RedisStore
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.repeat_guard.intent_records import account_keys
from gateway.repeat_guard.repeat_guard import RepeatGuard
from tests.support.idempotency import FaultyStore
from tests.support.redis import RedisServer, redis_server
from tests.support.repeat_guard import ACCOUNT, INTENT, PLAIN

SCOPES = ["a" * 64, "b" * 64]
_BASE = f"gateway:{account_keys(ACCOUNT)[0]}"
_running: list[RedisServer] = []


@pytest.fixture(scope="module", autouse=True)
def _redis() -> Iterator[None]:
    with redis_server() as server:
        _running.append(server)
        yield
        _running.clear()


def _answer(status: int) -> Callable[[], Any]:
    return lambda: Response(status, "", (), b"{}", None)


def _failure(phase: FailurePhase) -> Callable[[], Any]:
    return lambda: UpstreamFailure("upstream_lost", phase, "")


MADE: dict[str, Callable[[], Any]] = {
    "201": _answer(201),
    "500 after it was done": _answer(500),
    "lost after it was done": _failure(FailurePhase.SENT),
    "drained after it was done": asyncio.CancelledError,
}
NOT_MADE: dict[str, Callable[[], Any]] = {
    "400": _answer(400),
    "500": _answer(500),
    "lost": _failure(FailurePhase.SENT),
    "unreachable": _failure(FailurePhase.CONNECT),
    "refused": lambda: Refusal("queue_timeout", ""),
}


class Caller:
    """A client with one intention, and its present call."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.done = False
        self.call: Call | None = None


class Call:
    """One request. `end` is there while an attempt of it is on its way, `reading` while its answer is."""

    def __init__(self, caller: Caller, replica: int) -> None:
        self.caller = caller
        self.replica = replica
        self.connected = True
        self.end: asyncio.Future[str] | None = None
        self.reading: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.task is not None and not self.task.done()


class OneProcess(RuleBasedStateMachine):
    """One gateway, without a store."""

    replicas = 1

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.faulted = False
        self.calm = False
        self.callers: list[Caller] = []
        self.calls: list[Call] = []
        self.made: Counter[str] = Counter()
        self.intended: Counter[str] = Counter()
        self.on_the_way: Counter[str] = Counter()
        self.guards = self.loop.run_until_complete(self._open())

    @initialize(calm=st.booleans())
    def choose(self, calm: bool) -> None:
        """Half of the runs are without faults: only there can messages be missed."""
        self.calm = calm

    async def _open(self) -> list[RepeatGuard]:
        return [RepeatGuard(RepeatGuardOptions(), lambda: self.now)]

    async def _carry_out(self, call: Call) -> None:
        """One request, as the handler does it."""
        caller, scope = call.caller, call.caller.scope
        doubt = [True]
        hold = self.guards[call.replica].hold(
            INTENT._replace(scope=scope),
            deadline=self.loop.time() + 60,
            in_doubt=lambda: doubt[0],
            on_event=lambda event: None,
            describe=lambda: PLAIN,
        )
        try:
            async with hold:
                answer = hold.shared
                if answer is None:
                    how = await self._send(call)
                    doubt[0] = how not in ("unreachable", "refused")
                    ended = (MADE | NOT_MADE)[how]()
                    if isinstance(ended, BaseException):
                        raise ended
                    answer = ended
                    hold.answered(ended)
                if call.connected:
                    call.reading = self.loop.create_future()
                    await call.reading
                    call.reading = None
                if call.connected:
                    hold.delivered()
                    caller.done = answer.status < 500
        except (GatewayError, asyncio.CancelledError):
            return

    async def _send(self, call: Call) -> str:
        scope = call.caller.scope
        self.on_the_way[scope] += 1
        assert self.on_the_way[scope] == 1, "two are on their way"
        call.end = self.loop.create_future()
        how = await call.end
        call.end = None
        self.on_the_way[scope] -= 1
        self.made[scope] += how in MADE
        return how

    def _turn(self) -> None:
        self.loop.run_until_complete(self._come_to_rest())

    async def _come_to_rest(self) -> None:
        """Let everything run that waits for nobody."""
        for _ in range(12):
            await asyncio.sleep(0)

    @rule(scope=st.sampled_from(SCOPES), replica=st.integers(0, 1))
    def intend(self, scope: str, replica: int) -> None:
        """Another client means a message, and calls."""
        caller = Caller(scope)
        self.callers.append(caller)
        self.intended[scope] += 1
        self._start(caller, replica)
        self._turn()

    def _start(self, caller: Caller, replica: int) -> None:
        call = caller.call = Call(caller, replica % self.replicas)
        call.task = self.loop.create_task(self._carry_out(call))
        self.calls.append(call)

    def _idle(self) -> list[Caller]:
        """Clients that may call again: they have no definite answer."""
        return [each for each in self.callers if not each.done and not (each.call and each.call.runs)]

    @precondition(lambda self: self._idle())
    @rule(data=st.data(), replica=st.integers(0, 1))
    def call_again(self, data: st.DataObject, replica: int) -> None:
        """It means the same message still."""
        self._start(data.draw(st.sampled_from(self._idle()), label="who"), replica)
        self._turn()

    def _on_their_way(self) -> list[Call]:
        return [each for each in self.calls if each.end is not None and not each.end.done()]

    @precondition(lambda self: self._on_their_way())
    @rule(how=st.sampled_from([*MADE, *NOT_MADE]), data=st.data())
    def end(self, how: str, data: st.DataObject) -> None:
        """An attempt ends."""
        how = "201" if self.calm else how
        self.faulted = self.faulted or how != "201"
        call = data.draw(st.sampled_from(self._on_their_way()), label="which")
        assert call.end is not None
        call.end.set_result(how)
        self._turn()

    def _reading(self) -> list[Call]:
        return [each for each in self.calls if each.reading is not None and not each.reading.done()]

    @precondition(lambda self: self._reading())
    @rule(data=st.data())
    def an_answer_arrives(self, data: st.DataObject) -> None:
        """All of it, at its caller."""
        reading = data.draw(st.sampled_from(self._reading()), label="which").reading
        assert reading is not None
        reading.set_result(None)
        self._turn()

    @precondition(lambda self: any(each.runs and each.connected for each in self.calls))
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        """A request that waits ends with its caller; one that was sent is awaited."""
        calling = [each for each in self.calls if each.runs and each.connected]
        self._leave(data.draw(st.sampled_from(calling), label="which"))
        self._turn()

    def _leave(self, call: Call) -> None:
        call.connected = False
        call.caller.call = None
        if call.reading is not None:
            if not call.reading.done():
                call.reading.set_result(None)
        elif call.end is None:
            assert call.task is not None
            call.task.cancel()

    @precondition(lambda self: not self.calm)
    @rule()
    def seconds_pass(self) -> None:
        """All that is remembered has expired; what is on its way has not, and is meant anew."""
        self.now += 3601
        self._expire()
        self._forget()

    def _forget(self) -> None:
        self.made.clear()
        self.intended.clear()
        for call in self._on_their_way():
            self.intended[call.caller.scope] += 1
        for caller in self.callers:
            if not caller.done:
                self.intended[caller.scope] += 1
        self.faulted = True

    def _expire(self) -> None:
        """In one process the clock is enough."""

    @invariant()
    def never_more_than_one_message_an_intention(self) -> None:
        for scope, made in self.made.items():
            assert made <= self.intended[scope], (made, self.intended)

    @invariant()
    def no_request_failed(self) -> None:
        for call in self.calls:
            if call.task is not None and call.task.done() and not call.task.cancelled():
                call.task.result()

    def teardown(self) -> None:
        try:
            self._settle()
            self.no_request_failed()
            self.never_more_than_one_message_an_intention()
            if not self.faulted:
                assert self.made == self.intended, "exactly one without faults"
            self.loop.run_until_complete(self._close())
        finally:
            self.loop.close()

    async def _close(self) -> None:
        for guard in self.guards:
            await guard.close()

    def _settle(self) -> None:
        """Faults are over: nobody stays locked. Without any, a client that keeps calling gets its message."""

        async def settle() -> None:
            async with asyncio.timeout(60):
                while True:
                    for call in self._on_their_way():
                        assert call.end is not None
                        call.end.set_result("201")
                    for call in self._reading():
                        assert call.reading is not None
                        call.reading.set_result(None)
                    for caller in () if self.faulted else self._idle():
                        self._start(caller, 0)
                    await self._come_to_rest()
                    if not any(each.runs for each in self.calls) and (self.faulted or not self._idle()):
                        return

        self.loop.run_until_complete(settle())


class OverRedis(OneProcess):
    """Two replicas and a store that fails before or after it has done what it was asked."""

    replicas = 2

    async def _open(self) -> list[RepeatGuard]:
        _running[0].client.flushall()
        self.redis: list[RedisStore] = []
        self.killed: list[RepeatGuard] = []
        self.paused: list[asyncio.Future[None]] = []
        self.stores = [self._new_store() for _ in range(2)]
        return [self._new_guard(store) for store in self.stores]

    def _new_store(self) -> FaultyStore:
        self.redis.append(RedisStore(_running[0].url, lambda state: None, answer_seconds=20))
        return FaultyStore(self.redis[-1])

    def _new_guard(self, store: FaultyStore) -> RepeatGuard:
        now = store.store.server_clock.now
        options = RepeatGuardOptions(refuses=True)
        return RepeatGuard(options, lambda: self.now, store=store, now=now, sleep=self._pause)

    async def _close(self) -> None:
        for guard in self.killed:
            await guard._parts.shared.close(0)  # type: ignore[union-attr]
        await super()._close()
        for store in self.redis:
            await store.close()

    async def _pause(self, _: float) -> None:
        """What asks again does so in its turn, so that all that happens depends on the rules alone."""
        self.paused.append(self.loop.create_future())
        await self.paused[-1]

    async def _come_to_rest(self) -> None:
        """Let those who pause go on, one after the other, until that changes nothing."""
        await self._quiet()
        before = None
        while before != (before := self._situation()):
            for _ in range(len(self.paused)):
                turn = self.paused.pop(0)
                if not turn.done():
                    turn.set_result(None)
                await self._quiet()

    async def _quiet(self) -> None:
        runs = -1
        while runs != (runs := sum(store.runs for store in self.stores)):
            await super()._come_to_rest()
            for store in self.stores:
                await store.until_quiet()
            await super()._come_to_rest()

    def _situation(self) -> tuple[object, ...]:
        """What may change while nobody does anything."""
        running = [(each.runs, each.end is None, each.reading is None) for each in self.calls]
        faults = [len(store.faults) for store in self.stores]
        unwritten = [guard._parts.shared.unwritten for guard in self.guards if guard._parts.shared]
        return running, faults, unwritten, [each.done for each in self.callers]

    @precondition(lambda self: not self.calm)
    @rule(fault=st.sampled_from(["before", "after"]), which=st.integers(0, 1))
    def the_store_will_fail(self, fault: str, which: int) -> None:
        """Once: it is asked again, and that sends nothing twice."""
        self.faulted = True
        self.stores[which].faults.append(fault)

    @precondition(lambda self: not self.calm)
    @rule(scope=st.sampled_from(SCOPES))
    def a_lease_is_lost(self, scope: str) -> None:
        """As if its replica had been silent for long."""
        self.faulted = True
        if _running[0].client.hget(f"{_BASE}:intent:{scope}", "state") == b"flight":
            _running[0].client.hset(f"{_BASE}:intent:{scope}", "lease", 1)
            self._turn()

    @precondition(lambda self: not self.calm)
    @rule(which=st.integers(0, 1), how=st.sampled_from(["201", "lost"]))
    def a_replica_is_killed(self, which: int, how: str) -> None:
        """What it had sent is done or not; it writes nothing more, and another takes its place."""
        self.faulted = True
        self.stores[which].away = True
        for call in self.calls:
            if call.runs and call.replica == which:
                self._leave(call)
                if call.end is not None and not call.end.done():
                    call.end.set_result(how)
        self._turn()
        self.killed.append(self.guards[which])
        self.stores[which] = self._new_store()
        self.guards[which] = self._new_guard(self.stores[which])

    def _expire(self) -> None:
        """Redis has a clock of its own. What was not yet written would come after it: wait for that."""
        self._settle()

        async def write() -> None:
            for store, guard in zip(self.stores, self.guards, strict=True):
                store.faults.clear()
                shared = guard._parts.shared
                assert shared is not None
                while shared._tasks or shared.unwritten:
                    await self._come_to_rest()

        self.loop.run_until_complete(write())
        _running[0].client.flushall()


TestOneProcess = OneProcess.TestCase
TestOneProcess.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOverRedis = OverRedis.TestCase
TestOverRedis.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_an_answer_that_its_caller_left_goes_to_one_of_two_replicas() -> None:
    """It calls its replica again while another client's request waits at the other one: two messages."""
    machine = OverRedis()
    machine.choose(calm=True)
    machine.intend(scope=SCOPES[0], replica=0)
    machine.intend(scope=SCOPES[0], replica=1)
    machine._leave(machine.calls[0])
    machine._turn()
    machine.teardown()
    assert machine.made == {SCOPES[0]: 2}
