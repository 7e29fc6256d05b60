"""An outage is not multiplied: the upstream answers 503 to everything, and every caller is told so.

`python -m tests.bench.retry_storm [--short]`: GETs from a closed loop of callers for 20 seconds. The
simulator runs in this process, the gateway in its own.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from gateway.commands.simulate import read_account
from tests.support.caller import MESSAGES, raw_caller, request
from tests.support.running import ENVIRON, spawned_gateway
from twilio_simulator import Simulator

_CALLERS = 20
_THINK_SECONDS = 0.02
_SHARE = 0.2
_FLOOR = 3
_GET = request(f"GET {MESSAGES}")


@dataclass
class Outage:
    """How often callers called and what they were told, and how often the upstream was called."""

    answers: Counter[int] = field(default_factory=Counter)
    upstream_calls: int = 0

    @property
    def allowed_calls(self) -> float:
        """The callers' own, a fifth more, and the floor of the budget."""
        return self.answers.total() * (1 + _SHARE) + _FLOOR


async def run_retry_storm(simulator: Simulator, port: int, seconds: float) -> Outage:
    """Callers at the gateway's `port` while nothing goes well."""
    outage = Outage()
    simulator.faults.add("status=503")
    until = time.monotonic() + seconds

    async def call() -> None:
        async with raw_caller(port) as caller:
            while True:  # once at least, also where the machine stood still for all of the time
                await caller.send(_GET)
                outage.answers[(await caller.answer()).status] += 1
                if time.monotonic() >= until:
                    break
                await asyncio.sleep(_THINK_SECONDS)

    await asyncio.gather(*(call() for _ in range(_CALLERS)))
    outage.upstream_calls = simulator.journal.requests
    return outage


async def _measure(seconds: float) -> Outage:
    async with Simulator([read_account(ENVIRON, None)]) as simulator:
        with TemporaryDirectory() as folder:
            async with spawned_gateway(Path(folder), simulator.url) as gateway:
                return await run_retry_storm(simulator, int(gateway.url.rpartition(":")[2]), seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if the upstream was called more often than the budget allows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="4 seconds")
    args = parser.parse_args(arguments)
    outage = uvloop.run(_measure(4 if args.short else 20))
    calls = outage.answers.total()
    print(
        f"callers' calls {calls}, upstream calls {outage.upstream_calls}: {outage.upstream_calls / calls:.3f}"
        f" times (at most 1.2); answers {dict(outage.answers)}"
    )
    return 0 if outage.upstream_calls <= outage.allowed_calls else 1


if __name__ == "__main__":
    sys.exit(main())
