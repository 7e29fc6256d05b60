"""For the tests of guarded creates over a real Redis: replicas, and a look into the store.

`guard_one` and `guard_two` are fixtures of every integration test (`tests/integration/conftest.py`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.errors import FailurePhase, GatewayError, UpstreamFailure
from gateway.http.response import Response
from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.redis.redis_store import RedisStore
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.repeat_guard.intent_records import account_keys
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.repeat_hold import RepeatHold
from gateway.repeat_guard.repeat_rules import RepeatEvent
from tests.support.idempotency import FaultyStore
from tests.support.redis import RedisServer

ACCOUNT = "AC" + "0" * 32
SUBJECT = CreateSubject(
    "billing", "main", ACCOUNT, "api", "/Messages", to="+15550100", to_digest="d1", asks=True
)
PLAIN = SUBJECT._replace(to="", to_digest="", asks=False)
INTENT = RepeatIntent("a" * 64, 300.0, secret=b"s" * 32)
ASKING = INTENT._replace(asks=True)
BODY = b'{"sid": "SM1", "body": "a text for nobody else"}'


def created(sid: str = "SM1") -> Response:
    """Twilio's answer to a create."""
    return Response(201, "Created", ((b"X", b"1"),), BODY.replace(b"SM1", sid.encode()), None)


def lost() -> UpstreamFailure:
    """The connection broke after the request."""
    return UpstreamFailure("upstream_lost", FailurePhase.SENT, "broke")


@dataclass
class GuardReplica:
    """One gateway's guard in front of a shared Redis."""

    guard: RepeatGuard
    store: FaultyStore
    server: RedisServer
    events: list[RepeatEvent] = field(default_factory=list)
    sent: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, event: RepeatEvent) -> None:
        """What the guard tells."""
        self.events.append(event)
        self.changed.set()

    def hold(self, intent: RepeatIntent = INTENT, *, seconds: float = 20) -> RepeatHold:
        """As the handler would."""
        subject = SUBJECT if intent.asks else PLAIN
        deadline = asyncio.get_running_loop().time() + seconds
        return self.guard.hold(
            intent, deadline=deadline, in_doubt=lambda: True, on_event=self.note, describe=lambda: subject
        )

    async def create(
        self,
        outcome: Response | BaseException | None = None,
        *,
        intent: RepeatIntent = INTENT,
        connected: bool = True,
        seconds: float = 20,
        sid: str = "",
        until: asyncio.Event | None = None,
    ) -> str:
        """One create, in a word: `sent STATUS`, `shared STATUS`, `found SID`, or a slug."""
        try:
            async with self.hold(intent, seconds=seconds) as hold:
                if hold.found:
                    told = f"found {hold.found}"
                elif hold.shared is not None:
                    told = f"shared {hold.shared.status}"
                else:
                    self.sent += 1
                    self.changed.set()
                    if until is not None:
                        await until.wait()
                    outcome = outcome or created()
                    if isinstance(outcome, BaseException):
                        raise outcome
                    hold.answered(outcome, sid)
                    told = f"sent {outcome.status}"
                if connected:
                    hold.delivered()
                return told
        except GatewayError as error:
            return error.slug

    async def until(self, event: RepeatEvent, count: int = 1) -> None:
        """Wait until it was told of."""
        async with asyncio.timeout(120):
            while self.events.count(event) < count:
                self.changed.clear()
                await self.changed.wait()

    async def until_sent(self, count: int = 1) -> None:
        """Wait until so many were sent."""
        async with asyncio.timeout(120):
            while self.sent < count:
                self.changed.clear()
                await self.changed.wait()

    async def written(self) -> None:
        """Wait until the store has all ends."""
        shared = self.guard._parts.shared
        assert shared is not None
        async with asyncio.timeout(120):
            await shared.settled()
            while (running := shared._ends._unwritten.running) is not None:
                await asyncio.wait((running,))
                await shared.settled()

    def keys(self) -> set[str]:
        """What the store holds, without the prefix and the account."""
        base = f"gateway:{account_keys(ACCOUNT)[0]}:"
        names = self.server.names()
        assert all(name.startswith(base) or name == "gateway:probe" for name in names), names
        return {name.removeprefix(base) for name in names if name != "gateway:probe"}

    def lapse(self, intent: RepeatIntent = INTENT) -> None:
        """As if the replica that holds it had been silent for as long as a lease lasts."""
        base = f"gateway:{account_keys(ACCOUNT)[0]}"
        client: Any = self.server.client
        id_ = client.hget(f"{base}:intent:{intent.scope}", "id")
        seconds, _ = client.time()
        client.hset(f"{base}:intent:{intent.scope}", "lease", 1)
        client.zadd(f"{base}:leases", {id_: seconds * 1000 - 1})


@asynccontextmanager
async def guard_replica(
    server: RedisServer,
    answer_seconds: float = 20,
    clock: Callable[[], float] = time.time,
    **options: Any,
) -> AsyncIterator[GuardReplica]:
    """A replica; `clock` times the silence of Redis; `options` are those of `RepeatGuardOptions`."""
    store = RedisStore(
        server.url, lambda state: None, clock=clock, answer_seconds=answer_seconds, probe_every_seconds=0.02
    )
    faulty = FaultyStore(store)
    guard = RepeatGuard(RepeatGuardOptions(**options), store=faulty, now=store.server_clock.now)
    try:
        yield GuardReplica(guard, faulty, server)
    finally:
        await guard.close()
        await store.close()


@pytest.fixture
async def guard_one(server: RedisServer) -> AsyncIterator[GuardReplica]:
    """A replica's guard."""
    async with guard_replica(server) as made:
        yield made


@pytest.fixture
async def guard_two(server: RedisServer) -> AsyncIterator[GuardReplica]:
    """Another one on the same Redis."""
    async with guard_replica(server) as made:
        yield made
