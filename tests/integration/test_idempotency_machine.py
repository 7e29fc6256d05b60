"""In whatever order keyed requests begin, end, hang up, expire and lose their store: none is sent twice.

A ledger stands for Twilio: it counts what is on its way and what may have been done. The machine runs in
memory, and over a real Redis between two replicas that refuse without it.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import FailurePhase, Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.http.stored_response import STORED_BYTES
from gateway.idempotency.keyed_requests import Idempotency, IdempotencyOptions
from gateway.policy.idempotency_key import Claim
from gateway.redis.redis_store import RedisStore
from tests.support.idempotency import FaultyStore
from tests.support.paused_replicas import PausedReplicas
from tests.support.redis import RedisServer, redis_server

TTL = 100.0
SCOPES = ["a" * 64, "b" * 64]
FINGERPRINTS = ["1" * 64, "2" * 64]
_running: list[RedisServer] = []


@pytest.fixture(scope="module", autouse=True)
def _redis() -> Iterator[None]:
    with redis_server() as server:
        _running.append(server)
        yield
        _running.clear()


def _failure(phase: FailurePhase) -> UpstreamFailure:
    return UpstreamFailure("upstream_lost", phase, "").with_outcome(replayable=False)


RELEASED: dict[str, Callable[[], Any]] = {
    "429": lambda: Response(429, "", (), b"", None),
    "refused": lambda: Refusal("body_too_large", ""),
    "unreachable": lambda: _failure(FailurePhase.CONNECT),
    "cancelled in the queue": asyncio.CancelledError,
}
DONE: dict[str, Callable[[], Any]] = {
    "201": lambda: Response(201, "", (), b"{}", None),
    "400": lambda: Response(400, "", (), b"{}", None),
    "500": lambda: Response(500, "", (), b"{}", None),
    "large": lambda: Response(201, "", (), b"x" * STORED_BYTES, None),
    "lost": lambda: _failure(FailurePhase.SENT),
    "cancelled in doubt": asyncio.CancelledError,
}


class Sending:
    """A request that holds its claim, and how it will end."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()


class InMemory(RuleBasedStateMachine):
    """One process without a store."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.tasks: list[asyncio.Task[None]] = []
        self.on_their_way: dict[str, list[Sending]] = {scope: [] for scope in SCOPES}
        self.may_be_done: dict[str, int] = dict.fromkeys(SCOPES, 0)
        self.rooms = self.loop.run_until_complete(self._open())

    async def _open(self) -> list[Idempotency]:
        return [Idempotency(self._options(), lambda: self.now)]

    def _options(self) -> IdempotencyOptions:
        return IdempotencyOptions(ttl_seconds=TTL, max_bytes=10, refuses=True)

    async def _close(self) -> None:
        for room in self.rooms:
            await room.close()

    async def _request(self, room: Idempotency, claim: Claim) -> None:
        doubt = [True]
        deadline = self.loop.time() + 60
        try:
            async with room.hold(claim, deadline=deadline, in_doubt=lambda: doubt[0]) as held:
                if held.replay is not None:
                    assert self.may_be_done[claim.scope]
                    return
                sending = Sending(claim.scope)
                assert not self.on_their_way[claim.scope], "two on their way"
                assert not self.may_be_done[claim.scope], "sent again after it may have been done"
                self.on_their_way[claim.scope].append(sending)
                how = await sending.end
                self.on_their_way[claim.scope].remove(sending)
                self.may_be_done[claim.scope] += how in DONE
                doubt[0] = how in DONE
                end = (DONE | RELEASED)[how]()
                if isinstance(end, BaseException):
                    raise end
                await held.keep(end)
        except (Refusal, UpstreamFailure, asyncio.CancelledError):
            return

    def _turn(self) -> None:
        self.loop.run_until_complete(self._come_to_rest())

    async def _come_to_rest(self) -> None:
        """Let everything run that waits for nobody."""
        for _ in range(10):
            await asyncio.sleep(0)

    @rule(scope=st.sampled_from(SCOPES), print_=st.sampled_from(FINGERPRINTS), replica=st.integers(0, 1))
    def begin(self, scope: str, print_: str, replica: int) -> None:
        room = self.rooms[replica % len(self.rooms)]
        self.tasks.append(self.loop.create_task(self._request(room, Claim(scope, print_))))
        self._turn()

    @precondition(lambda self: any(self.on_their_way.values()))
    @rule(how=st.sampled_from([*RELEASED, *DONE]), data=st.data())
    def end(self, how: str, data: st.DataObject) -> None:
        flying = [each for all_ in self.on_their_way.values() for each in all_ if not each.end.done()]
        if flying:
            data.draw(st.sampled_from(flying), label="which").end.set_result(how)
            self._turn()

    @precondition(lambda self: any(not task.done() for task in self.tasks))
    @rule(data=st.data())
    def one_that_waits_hangs_up(self, data: st.DataObject) -> None:
        held = sum(map(len, self.on_their_way.values()))
        waiting = [task for task in self.tasks if not task.done()]
        if len(waiting) > held:  # cancelling one that holds is an end of its own
            task = data.draw(st.sampled_from(waiting), label="which")
            if not self._holds(task):
                task.cancel()
                self._turn()

    def _holds(self, task: asyncio.Task[None]) -> bool:
        frame = task.get_stack(limit=1)
        return bool(frame) and "sending" in frame[0].f_locals

    @rule()
    def time_passes(self) -> None:
        """Every record expires; what is still on its way does not."""
        self.now += TTL
        self._expire()
        self.may_be_done = dict.fromkeys(SCOPES, 0)

    def _expire(self) -> None:
        """In memory the clock is enough."""

    @invariant()
    def no_request_failed(self) -> None:
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.result()

    def teardown(self) -> None:
        try:
            self._settle()
            self.no_request_failed()
            self.loop.run_until_complete(self._close())
        finally:
            self.loop.close()

    def _settle(self) -> None:
        """Let every request end: none may be left locked."""

        async def settle() -> None:
            async with asyncio.timeout(120):
                while pending := [task for task in self.tasks if not task.done()]:
                    for all_ in self.on_their_way.values():
                        for each in all_:
                            if not each.end.done():
                                each.end.set_result("429")
                    await self._come_to_rest()
                    await asyncio.wait(pending, timeout=0.01)

        self.loop.run_until_complete(settle())


class OverRedis(InMemory):
    """Two replicas and a store that fails before or after it has done what it was asked."""

    async def _open(self) -> list[Idempotency]:
        server = _running[0]
        server.client.flushall()
        self.redis = [RedisStore(server.url, lambda state: None, answer_seconds=20) for _ in range(2)]
        self.stores = [FaultyStore(store) for store in self.redis]
        self.replicas = PausedReplicas(self.stores, super()._come_to_rest, self._situation)
        return [
            Idempotency(self._options(), lambda: self.now, store=store, sleep=self.replicas.pause)
            for store in self.stores
        ]

    async def _close(self) -> None:
        await super()._close()
        for store in self.redis:
            await store.close()

    async def _come_to_rest(self) -> None:
        await self.replicas.come_to_rest()

    def _situation(self) -> tuple[object, ...]:
        """What may change without a rule."""
        on_their_way = [len(each) for each in self.on_their_way.values()]
        unwritten = [len(room._shared._unwritten) for room in self.rooms if room._shared is not None]
        faults = [len(store.faults) for store in self.stores]
        return [task.done() for task in self.tasks], on_their_way, unwritten, faults

    @rule(fault=st.sampled_from(["before", "after"]), which=st.integers(0, 1))
    def the_store_will_fail(self, fault: str, which: int) -> None:
        self.stores[which].faults.append(fault)

    @rule(scope=st.sampled_from(SCOPES))
    def a_lease_is_lost(self, scope: str) -> None:
        _running[0].client.delete("gateway:idempotency:{" + scope + "}:lease")

    def _expire(self) -> None:
        """Redis has a clock of its own. What was not yet written would come after it: wait for that."""
        self._settle()

        async def write() -> None:
            for room, store in zip(self.rooms, self.stores, strict=True):
                store.faults.clear()
                assert room._shared is not None
                while tasks := {*room._shared._tasks, *filter(None, [room._shared._unwritten.running])}:
                    await self._come_to_rest()
                    await asyncio.wait(tasks, timeout=0.01)

        self.loop.run_until_complete(write())
        _running[0].client.flushall()


TestInMemory = InMemory.TestCase
TestInMemory.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestOverRedis = OverRedis.TestCase
TestOverRedis.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
