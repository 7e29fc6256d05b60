"""Two replicas with one Redis: a newcomer is given its share, and each is on its own when Redis is away."""

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import ClientSession

from tests.support.redis import redis_server
from tests.support.running import KEY, Running, running_gateway
from twilio_simulator import Simulator

PATH = "/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json"
FORM = {"To": "+15005550006", "From": "+15005550001", "Body": "x"}
LIMIT = 20


def limits(*replicas: Running) -> list[int]:
    """The learned limit of each, 0 before its first request."""
    return [
        next((limiter.adaptive_limit.limit for _, limiter in each.gateway.components.forwarder.limiters), 0)
        for each in replicas
    ]


def meeting(*replicas: Running) -> list[bool]:
    """Whether each is on its own."""
    return [
        limiter.adaptive_limit.yields
        for each in replicas
        for _, limiter in each.gateway.components.forwarder.limiters
    ]


async def until(met: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that rounds of half a second bring about."""
    async with asyncio.timeout(seconds):
        while not met():  # noqa: ASYNC110 - rounds of another part are watched, nothing tells of their end
            await asyncio.sleep(0.05)


async def keep_busy(session: ClientSession, running: Running, statuses: list[int]) -> None:
    """One caller that always wants something."""
    headers = {"Authorization": f"Bearer {KEY}", "Gateway-Repeat": "allow"}  # all send one text
    while True:
        async with session.post(running.url + PATH, data=FORM, headers=headers) as answer:
            statuses.append(answer.status)


async def test_a_newcomer_gets_its_share_and_redis_may_go() -> None:
    """40 callers each at two replicas in front of a limit of 20."""
    with redis_server() as redis:
        async with (
            Simulator() as simulator,
            running_gateway(simulator.url, store=redis.url) as first,
            running_gateway(simulator.url, store=redis.url) as second,
            ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            simulator.faults.concurrency_limit = LIMIT
            simulator.faults.service_seconds = 0.05
            statuses: list[int] = []
            tasks = [asyncio.create_task(keep_busy(session, first, statuses)) for _ in range(40)]
            try:
                await until(lambda: bool(statuses) and limits(first)[0] >= LIMIT - 2)
                tasks += [asyncio.create_task(keep_busy(session, second, statuses)) for _ in range(40)]
                await until(lambda: all(6 <= limit <= 14 for limit in limits(first, second)))
                await until(lambda: meeting(first, second) == [False, False])
                redis.stop()
                await until(lambda: meeting(first, second) == [True, True])
                await redis.restart()
                await until(lambda: meeting(first, second) == [False, False])
            finally:
                await stop(tasks)
            assert set(statuses) == {201}


async def stop(tasks: list[asyncio.Task[None]]) -> None:
    """End the callers."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
