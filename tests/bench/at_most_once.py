"""Creates through every fault, from clients that send them again: none twice, none lost without a word.

`python -m tests.bench.at_most_once [--creates 100000]`: two replicas share a Redis, Twilio is asked
(`ask: true`). One of them is killed every 20 s and started again, Redis pauses for 50 to 500 ms at random.
The simulator runs in this process, the gateways in theirs. Each message is labelled by its text. What a
simulator without enough CPU reads long after it was sent is not made (`upstream_promptness.py`).
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from gateway.commands.simulate import read_account
from tests.bench.create_run import STAYS_SECONDS, Run
from tests.bench.killable_replica import KillableReplica
from tests.bench.progress import while_it_advances
from tests.bench.retrying_clients import KINDS, RetryingClient
from tests.bench.upstream_promptness import UpstreamPromptness
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON
from twilio_simulator import Simulator

KILL_EVERY_SECONDS = 20.0
_PAUSE_MS = (50, 500)
_PAUSE_EVERY_SECONDS = 3.0
_END_SECONDS = 120.0
"""Without a single answer for so long, clients that still call will never have one."""
FAULTS = {
    "reset-before": 0.04,
    "reset-after": 0.04,
    "status=500": 0.02,
    "status=502": 0.02,
    "status=503": 0.02,
    "status=504": 0.02,
    "status-after=500": 0.02,
    "status-after=502": 0.02,
    "status-after=503": 0.02,
    "status-after=504": 0.02,
    "429": 0.02,
    "429-no-code": 0.02,
    "hang": 0.01,
    "hang-after": 0.01,
    "delay=1..5": 0.02,
    "commit-late=0..8": 0.03,
    "truncate": 0.02,
    "truncate-chunked": 0.02,
    "garbage": 0.02,
    "slow-body=1": 0.01,
    "close-after": 0.02,
    "no-date-sent": 0.1,
    "rewrite-body=smart": 0.02,
    "replace-sender=+15557122999": 0.001,
    "redact": 0.001,
    "second-sender=other": 0.001,
}
_LIST_LAG = ("list-lag=0..5", 0.1)


async def run_creates(
    run: Run, simulator: Simulator, ports: list[int], creates: int, callers: int, seed: int
) -> list[str]:
    """All creates, while faults last and then without; the labels whose clients must know then."""
    chance = random.Random(seed)
    labels = [f"label–{seed}–{number}" for number in range(creates)]  # smart encoding replaces dashes
    to = [f"1{2_000_000 + number}0100" for number in range(creates)]  # redaction hides the last four digits
    clients = [RetryingClient(kind, ports, run.told, chance) for kind in KINDS]

    async def call_all(numbers: Iterable[int], stays_seconds: float | None) -> None:
        left = iter(numbers)

        async def call() -> None:
            for number in left:
                client = clients[number % len(clients)]
                await client.create(labels[number], to[number], stays_seconds=stays_seconds)

        await asyncio.gather(*(call() for _ in range(callers)))

    await call_all(range(creates), STAYS_SECONDS)
    run.end_faults()
    run.faults = sum(rule.fired for rule in simulator.faults.rules)
    simulator.faults.clear()
    known = {label for label in labels if not run.histories.is_ambiguous(label)}
    acknowledged = run.told.acknowledged
    again = [n for n in range(creates) if labels[n] in known and labels[n] not in acknowledged]
    # `Run.problems` names those without an answer.
    await while_it_advances(call_all(again, None), lambda: len(acknowledged), _END_SECONDS)
    return sorted(known)


async def _kill_now_and_then(run: Run, replicas: list[KillableReplica], every: float) -> None:
    number = 0
    while True:
        await asyncio.sleep(every)
        replica = replicas[number % len(replicas)]
        number += 1
        run.histories.kills.append(asyncio.get_running_loop().time())
        await replica.kill()
        await replica.start()
        run.killed += 1


async def _pause_redis(run: Run, server: RedisServer, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.uniform(0, 2 * _PAUSE_EVERY_SECONDS))
        await asyncio.to_thread(server.client.client_pause, chance.randint(*_PAUSE_MS))
        run.paused += 1


@asynccontextmanager
async def _beside(*works: Any) -> AsyncIterator[None]:
    """Work that goes on while the block does. What ends it early is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def measure(creates: int, callers: int, seed: int = 0, kill_every: float = KILL_EVERY_SECONDS) -> bool:
    """Run and report; whether all was well."""
    run, began = Run(), time.monotonic()
    account = read_account(ENVIRON, None)
    with TemporaryDirectory() as folder, redis_server() as server:
        # All of them: a message that is not listed any more was never made, as far as a look can tell.
        async with Simulator([account], keep_records=2 * creates, seed=seed) as simulator:
            run.histories.watch(simulator)
            simulator.store.record_body = run.note  # type: ignore[method-assign, assignment]
            for fault, probability in FAULTS.items():
                simulator.faults.add(fault, method="POST", probability=probability)
            simulator.faults.add(_LIST_LAG[0], method="GET", probability=_LIST_LAG[1])
            replicas = [
                KillableReplica(Path(folder), number, simulator.url, server.url) for number in range(2)
            ]
            try:
                for replica in replicas:
                    await replica.start()
                ports = [replica.port for replica in replicas]
                promptness = UpstreamPromptness(simulator)
                chaos = (
                    promptness.watch(),
                    promptness.beat(),
                    _kill_now_and_then(run, replicas, kill_every),
                    _pause_redis(run, server, random.Random(seed)),
                )
                async with _beside(*chaos):
                    labels = await run_creates(run, simulator, ports, creates, callers, seed)
            finally:
                for replica in replicas:
                    await replica.kill()
    print(f"{run.describe(creates)}\n  {time.monotonic() - began:.0f} s", flush=True)
    found = run.problems(labels)
    print(f"  {promptness.describe()}")
    for name, texts in found.items():
        print(f"  {name}: {len(texts)}, such as {texts[:3]}")
    return not found


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if anything was created twice, or was not as its caller was told."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--creates", type=int, default=100_000)
    parser.add_argument("--callers", type=int, default=600)
    parser.add_argument("--kill-every", type=float, default=KILL_EVERY_SECONDS, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    return 0 if uvloop.run(measure(args.creates, args.callers, args.seed, args.kill_every)) else 1


if __name__ == "__main__":
    sys.exit(main())
