"""A limiter before nothing, on a loop whose time jumps; a player of scripts that checks what is left."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter, Permit, PermitOutcome
from gateway.consumers.consumer import Priority
from tests.support.virtual_time import VirtualTimeLoop, run_in_virtual_time

FAR = 1000.0
SUCCESS, IGNORED, DROPPED = PermitOutcome


def middle(low: float, high: float) -> float:
    return (low + high) / 2


@dataclass
class Scene:
    """A limiter with a limit that only signals change, and who got what in which order."""

    loop: VirtualTimeLoop
    limit: int = 1
    queue_size: int = 100
    yields: bool = False
    order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = AdaptiveLimitOptions(initial=self.limit, ceiling=self.limit, yields=self.yields)
        self.limiter = ConcurrencyLimiter(AdaptiveLimit(options, middle), self.queue_size, self.loop.time)

    async def permit(
        self,
        consumer: str = "a",
        priority: Priority = Priority.NORMAL,
        deadline: float = FAR,
        in_front: bool = False,
    ) -> Permit:
        permit = await self.limiter.acquire(consumer, priority, deadline, in_front=in_front)
        self.order.append(consumer)
        return permit

    async def wait(
        self,
        consumer: str = "a",
        priority: Priority = Priority.NORMAL,
        deadline: float = FAR,
        in_front: bool = False,
    ) -> "asyncio.Task[Permit]":
        """A task that waits in the queue by now, or has a permit."""
        task = self.loop.create_task(self.permit(consumer, priority, deadline, in_front))
        await asyncio.sleep(0)
        return task

    def assert_idle(self) -> None:
        assert (self.limiter.in_flight, self.limiter.waiting) == (0, 0)
        assert self.loop.timers() == []


def played(script: Callable[[VirtualTimeLoop], Awaitable[Scene]]) -> None:
    """Run a script; at its end no permit, no waiter and no timer may be left."""

    async def main(loop: VirtualTimeLoop) -> None:
        (await script(loop)).assert_idle()

    run_in_virtual_time(main)
