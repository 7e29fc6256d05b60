"""For the tests of keyed requests: a store over a real Redis that can be made to fail, and replicas.

`server`, `one` and `two` are fixtures of every integration test (`tests/integration/conftest.py`).
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.errors import Refusal
from gateway.http.response import Response
from gateway.idempotency.keyed_requests import ClaimGuard, Idempotency, IdempotencyOptions
from gateway.policy.idempotency_key import Claim
from gateway.redis.availability import StoreState, StoreUnavailable
from gateway.redis.command_bytes import Argument
from gateway.redis.redis_store import RedisStore
from gateway.redis.script import Script
from tests.support.redis import RedisServer, redis_server

CLAIM = Claim("a" * 64, "2:" + "1" * 64, False, "1" * 64, ("b" * 16,))
RECORD = "gateway:idempotency:{" + CLAIM.scope + "}"
LEASE = RECORD + ":lease"


class FaultyStore:
    """A `RedisStore` whose next runs fail as told: `before` (never asked) and `after` (done, answer lost).

    `late` does not ask, and `hold` keeps the answer back, until `let_go`. After a fault that ends in `_away`
    the store counts as unavailable until `away` is set to False.
    """

    def __init__(self, store: RedisStore) -> None:
        self.store = store
        self.faults: deque[str] = deque()
        self.away = False
        self.runs = 0
        self.asking = 0
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self._ran = asyncio.Condition()
        self._posts: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> StoreState:
        """As the store says, unless it was told to be away."""
        return StoreState(False, 0.0, "as told") if self.away else self.store.state

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """What `RedisStore.run` does, or a fault."""
        return await self.run_packed(script, self.pack(script, keys, args))

    def post(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], on_end: Callable[[Any], None]
    ) -> None:
        """What `RedisStore.post` does, or a fault: those of `run`."""
        self.post_packed(script, self.pack(script, keys, args), on_end)

    def pack(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> bytes:
        """What `RedisStore.pack` does."""
        return self.store.pack(script, keys, args)

    async def run_packed(self, script: Script, packed: bytes) -> Any:
        """As `run`."""
        fault = "before" if self.away else self.faults.popleft() if self.faults else ""
        fault, _, away = fault.partition("_")
        self.away = self.away or bool(away)
        self.asking += 1
        self.asked.set()
        try:
            if fault == "before":
                raise StoreUnavailable("as told")
            if fault == "late":
                await self.let_go.wait()
            answer = await self.store.run_packed(script, packed)
            if fault == "after":
                raise StoreUnavailable("as told")
        finally:
            await self._count_run()
        if fault == "hold":
            await self.let_go.wait()
        return answer

    def post_packed(self, script: Script, packed: bytes, on_end: Callable[[Any], None]) -> None:
        """As `post`."""
        if self.away or self.faults:
            self._spawn(self._post(script, packed, on_end))
            return

        def ended(answer: Any) -> None:
            on_end(answer)
            self._spawn(self._count_run())

        self.store.post_packed(script, packed, ended)
        self.asking += 1

    async def _post(self, script: Script, packed: bytes, on_end: Callable[[Any], None]) -> None:
        try:
            answer = await self.run_packed(script, packed)
        except StoreUnavailable as error:
            answer = error
        on_end(answer)

    async def _count_run(self) -> None:
        async with self._ran:
            self.runs += 1
            self.asking -= 1
            self._ran.notify_all()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    async def until_runs(self, count: int) -> None:
        """Wait for the run number `count` to be over."""
        async with asyncio.timeout(120), self._ran:
            await self._ran.wait_for(lambda: self.runs >= count)

    async def until_asked(self) -> None:
        """Wait until a question is open."""
        async with asyncio.timeout(120):
            while not self.asking:
                self.asked.clear()
                await self.asked.wait()

    async def until_quiet(self) -> None:
        """Wait until no question is open."""
        async with asyncio.timeout(120), self._ran:
            await self._ran.wait_for(lambda: self.asking == 0)


class ClaimHolder:
    """Holds claims of `room` as the handler does."""

    room: Idempotency

    def hold(self, claim: Claim | None = CLAIM, *, seconds: float = 20, in_doubt: bool = True) -> ClaimGuard:
        """For a request that may take so many seconds; `in_doubt` if it may have been done when it fails."""
        deadline = asyncio.get_running_loop().time() + seconds
        return self.room.hold(claim, deadline=deadline, in_doubt=lambda: in_doubt)

    async def slug(self, claim: Claim = CLAIM, seconds: float = 20) -> str:
        """The slug that refuses a request; '' if it may be sent (and it is released)."""
        try:
            async with self.hold(claim, seconds=seconds) as held:
                assert held.replay is None
                await held.release()
        except Refusal as refusal:
            return refusal.slug
        return ""


@dataclass
class KeyedReplica(ClaimHolder):
    """One gateway's idempotency in front of a shared Redis."""

    room: Idempotency
    store: FaultyStore
    events: list[str]
    changed: asyncio.Event

    async def send(
        self, claim: Claim = CLAIM, status: int = 201, body: bytes = b"{}"
    ) -> tuple[bool, Response]:
        """One keyed request: (whether it was sent, the answer)."""
        async with self.hold(claim) as held:
            if held.replay is not None:
                return False, held.replay
            return True, await held.keep(Response(status, "Created", ((b"X", b"1"),), body, None))

    async def until_event(self, event: str, count: int = 1) -> None:
        """Wait until `event` was told of `count` times."""
        async with asyncio.timeout(120):
            while self.events.count(event) < count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def replica(
    server: RedisServer,
    answer_seconds: float = 20,
    clock: Callable[[], float] = time.time,
    **options: Any,
) -> AsyncIterator[KeyedReplica]:
    """A replica; `clock` times the silence of Redis; `options` are those of `IdempotencyOptions`."""
    events: list[str] = []
    changed = asyncio.Event()

    def note(event: str) -> None:
        events.append(event)
        changed.set()

    store = RedisStore(
        server.url, lambda state: None, clock=clock, answer_seconds=answer_seconds, probe_every_seconds=0.02
    )
    faulty = FaultyStore(store)
    room = Idempotency(
        IdempotencyOptions(**options), asyncio.get_running_loop().time, store=faulty, on_event=note
    )
    try:
        yield KeyedReplica(room, faulty, events, changed)
    finally:
        await room.close()
        await store.close()


@pytest.fixture(scope="module")
def module_server() -> Iterator[RedisServer]:
    """One Redis for a module."""
    with redis_server() as server:
        yield server


@pytest.fixture
def server(module_server: RedisServer) -> RedisServer:
    """The same, empty."""
    module_server.client.flushall()
    return module_server


@pytest.fixture
async def one(server: RedisServer) -> AsyncIterator[KeyedReplica]:
    """A replica that waits long for Redis, so that a busy machine changes nothing."""
    async with replica(server) as made:
        yield made


@pytest.fixture
async def two(server: RedisServer) -> AsyncIterator[KeyedReplica]:
    """Another one on the same Redis."""
    async with replica(server) as made:
        yield made
