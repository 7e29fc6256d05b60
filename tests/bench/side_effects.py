"""Creates through a storm of faults: what was acknowledged was created once, all else created is unknown.

`python -m tests.bench.side_effects [--creates 10000]`: without and with `Idempotency-Key`, the latter from
callers that send again after every error. The simulator runs in this process, the gateway in its own.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from gateway.commands.simulate import read_account
from tests.support.caller import FORM, MESSAGES, RawAnswer, raw_caller, request
from tests.support.running import ENVIRON, spawned_gateway
from twilio_simulator import Simulator

_CALLERS = 60
_LIMIT = 20
_SERVICE_SECONDS = 0.005
_MOST_TRIES = 30
_SETTLE_SECONDS = 1.2
_HANG_UP_PART = 0.05
_HANG_UP_SECONDS = 0.2
FAULTS = {
    "status=503": 0.04,
    "429": 0.01,
    "429-no-code": 0.01,
    "reset-before": 0.03,
    "reset-after": 0.03,
    "hang": 0.003,
    "hang-after": 0.003,
    "truncate": 0.02,
    "truncate-chunked": 0.02,
    "garbage": 0.02,
    "close-after": 0.03,
}
KEYED_FAULTS = {**FAULTS, "status-after=502": 0.02, "status-after=503": 0.02}
"""Without a key a 502 or 503 goes back as it is, and says nothing of what was created."""
SETTINGS: dict[str, Any] = {"upstream": {"deadline_seconds": 1.0}, "retry": {"initial_backoff_seconds": 0.01}}


@dataclass
class Storm:
    """What callers were told of each text, and which texts were created how often."""

    keyed: bool
    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    hung_up: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    created: Counter[str] = field(default_factory=Counter)

    def problems(self) -> dict[str, list[str]]:
        """What must not be, by its name; nothing if all is well."""
        created = set(self.created)
        found = {
            "created twice": [text for text, times in self.created.items() if times > 1],
            "acknowledged, not created": sorted(self.acknowledged - created),
            "created, but refused": sorted(created & self.refused),
            "created by nobody": sorted(
                created - self.acknowledged - self.unknown - self.hung_up - self.refused
            ),
        }
        return {name: texts for name, texts in found.items() if texts}

    def describe(self) -> str:
        """For people."""
        created = set(self.created)
        return (
            f"created {sum(self.created.values())} = acknowledged {len(self.acknowledged)}"
            f" + unknown {len(created & self.unknown)} of {len(self.unknown)}"
            f" + hung up {len(created & self.hung_up)} of {len(self.hung_up)};"
            f" refused {len(self.refused)}; duplicates {sum(n - 1 for n in self.created.values())}\n"
            f"  answers: {dict(self.answers.most_common())}"
        )


async def run_storm(simulator: Simulator, port: int, creates: int, *, keyed: bool, seed: int = 0) -> Storm:
    """Put `creates` messages through the gateway at `port`, each with a text of its own."""
    storm = Storm(keyed)
    chance = random.Random(seed)
    for fault, probability in (KEYED_FAULTS if keyed else FAULTS).items():
        simulator.faults.add(fault, method="POST", probability=probability)
    simulator.faults.concurrency_limit = _LIMIT
    simulator.faults.service_seconds = _SERVICE_SECONDS
    todo = iter(range(creates))

    async def call() -> None:
        for number in todo:
            await _create(storm, port, f"{'keyed' if keyed else 'plain'}-{seed}-{number}", chance)

    await asyncio.gather(*(call() for _ in range(_CALLERS)))
    simulator.faults.clear()
    await asyncio.sleep(_SETTLE_SECONDS)  # what was in flight when its caller hung up
    account_sid = ENVIRON["TWILIO_ACCOUNT_SID"]
    await simulator.gate.settled(account_sid, 0)
    storm.created.update(
        str(each.fields["body"]) for each in simulator.store.newest_first("messages", account_sid)
    )
    assert sum(storm.created.values()) == simulator.store.created["messages"]
    return storm


async def _create(storm: Storm, port: int, text: str, chance: random.Random) -> None:
    for _ in range(_MOST_TRIES if storm.keyed else 1):
        got = await _send(storm, port, text, chance)
        storm.hung_up.discard(text)
        storm.unknown.discard(text)
        storm.refused.discard(text)
        if got is None:
            storm.answers["hung up"] += 1
            storm.hung_up.add(text)
            continue
        storm.answers[f"{got.status} {got.slug}".strip()] += 1
        if got.status < 300:
            storm.acknowledged.add(text)
            return
        if got.value("Gateway-Outcome") == "unknown":
            storm.unknown.add(text)
        else:
            storm.refused.add(text)
        if got.slug == "idempotency_unknown":
            return  # it stays so


async def _send(storm: Storm, port: int, text: str, chance: random.Random) -> RawAnswer | None:
    """None for a caller that hung up."""
    fields = [FORM, f"Idempotency-Key: {text}"] if storm.keyed else [FORM]
    body = f"To=%2B15558675310&From=%2B15557122661&Body={text}".encode()
    async with raw_caller(port) as caller:
        await caller.send(request(f"POST {MESSAGES}", *fields, body=body))
        if chance.random() < _HANG_UP_PART:
            await asyncio.sleep(chance.uniform(0, _HANG_UP_SECONDS))
            caller.hang_up()
            return None
        return await caller.answer()


async def _measure(creates: int) -> bool:
    well = True
    for keyed in (False, True):
        async with Simulator([read_account(ENVIRON, None)]) as simulator:
            with TemporaryDirectory() as folder:
                async with spawned_gateway(Path(folder), simulator.url, **SETTINGS) as gateway:
                    port = int(gateway.url.rpartition(":")[2])
                    storm = await run_storm(simulator, port, creates, keyed=keyed)
            print(f"{'with' if keyed else 'without'} Idempotency-Key: {storm.describe()}", flush=True)
            for name, texts in storm.problems().items():
                print(f"  {name}: {len(texts)}, such as {texts[:3]}")
                well = False
    return well


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if anything was created twice or against what its caller was told."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--creates", type=int, default=10_000)
    args = parser.parse_args(arguments)
    return 0 if uvloop.run(_measure(args.creates)) else 1


if __name__ == "__main__":
    sys.exit(main())
