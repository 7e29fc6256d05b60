"""Creates through every fault, from clients that send them again: none twice, none lost without a word.

`python -m tests.bench.at_most_once [--creates 100000]`: two replicas share a Redis, Twilio is asked
(`ask: true`). One of them is killed every 20 s and started again, Redis pauses for 50 to 500 ms at random.
The simulator runs in this process, the gateways in theirs. Each message is labelled by its text. A run says
nothing where the simulator itself was too late: what it reads long after it was sent, nobody can foresee.
"""

import argparse
import asyncio
import base64
import os
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
import yaml

from gateway.commands.simulate import read_account
from tests.bench.create_histories import CreateHistories
from tests.bench.retrying_clients import KINDS, RetryingClient, Told
from tests.bench.upstream_promptness import UpstreamPromptness
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON, configuration
from twilio_simulator import Simulator

STAYS_SECONDS = 20.0
KILL_EVERY_SECONDS = 20.0
_PAUSE_MS = (50, 500)
_PAUSE_EVERY_SECONDS = 3.0
_END_SECONDS = 120.0
_STORIES = 20
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
SETTINGS: dict[str, Any] = {
    "repeat_guard": {"store": "shared", "seconds": 3600},  # clients come back at the end of a run
    "on_store_failure": "refuse",
    "store_key": {"env": "STORE_KEY"},
    "drain_seconds": 30,
    "retry": {"initial_backoff_seconds": 0.05},
    "concurrency": {"initial": 200, "floor": 100},
    "upstream": {"deadline_seconds": 3, "deadline_seconds_max": 25},
    "log": {"level": "error"},
}


@dataclass
class Run:
    """What Twilio made, and what clients were told."""

    told: Told = field(default_factory=Told)
    made: dict[str, list[str]] = field(default_factory=dict)
    unknown_after: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    paused: int = 0
    faults: int = 0

    def __post_init__(self) -> None:
        self.histories = CreateHistories(self.told.faulted_at)

    def note(self, text: str, sid: str) -> None:
        """Twilio has created a message."""
        self.made.setdefault(text, []).append(sid)
        self.histories.note_made(text, sid)
        if len(self.made[text]) > 1:
            print(f"twice: {self.story(text)}", flush=True)

    def story(self, label: str) -> str:
        """What is known of a label's create, for people."""
        heard = ", ".join(self.told.heard.get(label, []))
        return f"{label}: {heard}; {self.histories.describe(label)}"

    def end_faults(self) -> None:
        """Callers have stayed: note what is unknown to them by now, and why."""
        self.unknown_after = len(self.told.unknown)
        self.causes = self.histories.causes(self.told.unknown)
        for label in sorted(self.told.unknown)[:_STORIES]:
            print(f"unknown: {self.story(label)}", flush=True)

    def problems(self, labels: Sequence[str]) -> dict[str, list[str]]:
        """What must not be, by its name; nothing if all is well."""
        told = self.told
        lost = [label for label in told.acknowledged if label not in self.made]
        other = [
            label
            for label, sid in told.acknowledged.items()
            if label in self.made and sid not in self.made[label]
        ]
        found = {
            "created twice": [label for label, sids in self.made.items() if len(sids) > 1],
            "acknowledged, not created": lost,
            "acknowledged with another's SID": other,
            "without an answer at the end": [label for label in labels if label not in told.acknowledged],
        }
        return {name: each for name, each in found.items() if each}

    def describe(self, creates: int) -> str:
        """For people."""
        return (
            f"{creates} creates met {self.faults} faults, {self.killed} kills, {self.paused} pauses: "
            f"created {sum(map(len, self.made.values()))}, of which twice "
            f"{sum(len(sids) > 1 for sids in self.made.values())}; unknown to a caller that stayed "
            f"{STAYS_SECONDS:g} s: {self.unknown_after} ({100 * self.unknown_after / creates:.2f} %) "
            f"{dict(self.causes)}\n"
            f"  {self.told.describe_known(STAYS_SECONDS)}\n"
            f"  answers: {dict(self.told.answers.most_common())}"
        )


class Replica:
    """A gateway that can be killed and started again at the same port."""

    def __init__(self, folder: Path, number: int, upstream: str, store: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        settings = SETTINGS | {"store": store, "listen": f"127.0.0.1:{self.port}"}
        made = configuration(upstream, **settings)
        made["credentials"]["main"]["repeat_guard"] = {"ask": True}
        self._config = folder / f"{number}.yaml"
        self._config.write_text(yaml.safe_dump(made))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it takes connections."""
        environ = {**os.environ, **ENVIRON, "STORE_KEY": base64.b64encode(b"k" * 32).decode()}
        command = (sys.executable, "-m", "gateway", "serve", "--config", str(self._config))
        self._process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self._process.returncode is None, "the gateway did not start"
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        """SIGKILL: what it had in memory is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()


async def run_creates(
    run: Run, simulator: Simulator, ports: list[int], creates: int, callers: int, seed: int
) -> list[str]:
    """All creates, while faults last and then without; the labels whose clients must know then."""
    chance = random.Random(seed)
    numbers = iter(range(creates))
    labels = [f"label–{seed}–{number}" for number in range(creates)]  # smart encoding replaces dashes
    to = [f"1{2_000_000 + number}0100" for number in range(creates)]  # redaction hides the last four digits
    clients = [RetryingClient(kind, ports, run.told, chance) for kind in KINDS]

    async def call() -> None:
        for number in numbers:
            client = clients[number % len(clients)]
            await client.create(labels[number], to[number], stays_seconds=STAYS_SECONDS)

    await asyncio.gather(*(call() for _ in range(callers)))
    run.end_faults()
    run.faults = sum(rule.fired for rule in simulator.faults.rules)
    simulator.faults.clear()
    known = {label for label in labels if not run.histories.is_ambiguous(label)}
    left = [n for n in range(creates) if labels[n] in known and labels[n] not in run.told.acknowledged]
    again = (clients[number % len(clients)].create(labels[number], to[number]) for number in left)
    with suppress(TimeoutError):  # those without an answer are told of
        async with asyncio.timeout(_END_SECONDS):
            await asyncio.gather(*again)
    return sorted(known)


async def _kill_now_and_then(run: Run, replicas: list[Replica], every: float) -> None:
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
            replicas = [Replica(Path(folder), number, simulator.url, server.url) for number in range(2)]
            try:
                for replica in replicas:
                    await replica.start()
                ports = [replica.port for replica in replicas]
                promptness = UpstreamPromptness(simulator.url)
                chaos = (
                    promptness.watch(),
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
    if promptness.is_late:
        found["runs that say nothing"] = ["the simulator was too late: make fewer callers"]
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
