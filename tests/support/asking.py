"""A gateway that asks Twilio, in front of a simulator whose time passes as a test says."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis

from tests.support.caller import FORM, MESSAGES, RawAnswer, raw_caller, request
from tests.support.moved_clock import MovedClock, passing_time
from tests.support.running import ENVIRON, Running, configuration, running_gateway
from twilio_simulator import Simulator
from twilio_simulator.journal import Entry

TO = "+15005550006"
TEXT = b"To=%2B15005550006&From=%2B15005550001&Body=hi"
CALLS = MESSAGES.replace("Messages", "Calls")


@dataclass
class Asking:
    """What a test sees and does. Time passes no faster than `keep_up` returns (`passing_time`)."""

    clock: MovedClock
    simulator: Simulator
    gateway: Running
    keep_up: Callable[[], object] = lambda: None

    def passing_time(self, step: float = 0.2) -> AbstractAsyncContextManager[None]:
        """Time passes meanwhile."""
        return passing_time(self.clock, step, self.keep_up)

    async def create(
        self, *fields: str, body: bytes = TEXT, target: str = MESSAGES, fault: str = ""
    ) -> RawAnswer:
        """A create, answered while time passes."""
        if fault:
            self.simulator.faults.add(fault, method="POST", count=1)
        given = request(f"POST {target}", FORM, *fields, body=body)
        async with self.passing_time(), raw_caller(self.gateway.port) as caller:
            await caller.send(given)
            return await caller.answer(seconds=120)

    @property
    def created(self) -> int:
        """Messages and calls that the gateway has had created."""
        counts = self.simulator.store.created
        return counts["messages"] + counts["calls"]

    @property
    def looks(self) -> list[Entry]:
        """The reads of lists."""
        return [each for each in self.simulator.journal if each.method == "GET" and "?" in each.target]

    def sids(self, kind: str = "messages") -> list[str]:
        """What there is, the newest first."""
        account = ENVIRON["TWILIO_ACCOUNT_SID"]
        return [each.sid for each in self.simulator.store.newest_first(kind, account)]


def asking_settings(keys: list[Any] | None = None, **settings: Any) -> dict[str, Any]:
    """Settings with a credential that asks, with other `keys` if they are given."""
    main = configuration("http://127.0.0.1:1")["credentials"]["main"]
    asking = {**main, "keys": keys or main["keys"], "repeat_guard": {"ask": True}}
    return {"credentials": {"main": asking}, **settings}


@asynccontextmanager
async def asking_scene(environ: Mapping[str, str] | None = None, **settings: Any) -> AsyncIterator[Asking]:
    """A simulator and a gateway on one loop, with one clock."""
    loop = asyncio.get_running_loop()
    clock = MovedClock(loop)
    ahead = time.time() - loop.time()
    async with (
        Simulator(now=lambda: loop.time() + ahead) as simulator,
        running_gateway(
            simulator.url, {**ENVIRON, **(environ or {})}, **asking_settings(**settings)
        ) as gateway,
    ):
        yield Asking(clock, simulator, gateway)


@asynccontextmanager
async def asking_replicas(
    redis_url: str,
    environ: Mapping[str, str] | None = None,
    second: Mapping[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[list[Asking]]:
    """Two gateways that share a Redis, whose time passes with the loop's. `second` is what only that has."""
    loop = asyncio.get_running_loop()
    clock = MovedClock(loop)
    ahead = time.time() - loop.time()
    given = asking_settings(store=redis_url, **settings)
    first = {**ENVIRON, **(environ or {})}
    async with Simulator(now=lambda: loop.time() + ahead) as simulator, AsyncExitStack() as stack:
        client: Any = stack.enter_context(redis.Redis.from_url(redis_url))
        replicas = []
        for known in (first, {**first, **(second or {})}):
            gateway = await stack.enter_async_context(running_gateway(simulator.url, known, **given))
            store = gateway.gateway.components.store
            assert store is not None
            store.server_clock._monotonic = loop.time
            store.server_clock._offset = ahead
            store.server_clock.set = lambda *_: None  # type: ignore[method-assign]
            # A blocking question that Redis answers behind what the gateways have asked: were Redis to stand
            # still while time passes, leases would end.
            replicas.append(Asking(clock, simulator, gateway, keep_up=client.ping))
        yield replicas
