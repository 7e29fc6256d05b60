"""Everything is changed under load, and nobody notices: reloads, rotated keys, rolling restarts.

    python -m tests.bench.operations [--seconds 60]

Two replicas, real processes on one port; callers that are honest about what HTTP permits (`keep_alive.py`);
the simulator as Twilio. Failed exchanges and duplicates must be 0, and the totals at both ends must agree.
"""

import argparse
import asyncio
import secrets
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from tests.bench.keep_alive import Callers, Tally
from tests.bench.operations_site import Site
from tests.bench.processes import FORM, PATH
from twilio_simulator import Simulator

RATE = 200


@dataclass(frozen=True)
class Plan:
    """How much is done. `reloads` are half of them invalid."""

    seconds: float
    reloads: int
    restarts: int


LONG = Plan(60, 10, 5)
SHORT = Plan(8, 4, 1)


@dataclass
class Result:
    """What came of it."""

    tally: Tally
    duplicates: int
    created: int
    sent: int
    reloaded: int
    refused: int

    @property
    def failed(self) -> int:
        """Exchanges without the answer that was due."""
        return len(self.tally.failures)


BROKEN = ("listen: [", "governer: {}\n", "", "consumers: {a: 1}\n", "credentials: {main: {}}\n")
"""Configurations that cannot be used, each for another reason."""


async def run(plan: Plan) -> Result:
    """Do all of it under load."""
    with TemporaryDirectory() as folder, _reserved_port() as port:
        async with Simulator() as simulator:
            site = Site(Path(folder), simulator, port)
            tally = Tally()
            try:
                await site.start_replica()
                await site.start_replica()
                sent = await _under_load(site, plan, tally, port)
            finally:
                await site.close()
            created = simulator.counts()["created"]
            assert isinstance(created, dict)
            duplicates = len(simulator.store.duplicates())
            return Result(tally, duplicates, created.get("messages", 0), sent, site.reloaded, site.refused)


async def _under_load(site: Site, plan: Plan, tally: Tally, port: int) -> int:
    callers = Callers(port, tally)
    done = asyncio.Event()
    calling = asyncio.create_task(_call(site, callers, done))
    began = time.monotonic()
    await _operate(site, plan, began)
    await asyncio.sleep(max(0.0, plan.seconds - (time.monotonic() - began)))
    done.set()
    sent = await calling
    callers.close()
    return sent


async def _operate(site: Site, plan: Plan, began: float) -> None:
    """Spread over the time there is."""
    steps = [site.change_something, site.rotate_consumer_key, site.rotate_api_key]
    broken = iter(BROKEN * plan.reloads)
    kinds: list[str] = (
        ["restart"] * plan.restarts + ["good", "bad"] * (plan.reloads // 2) + ["key", "api_key"]
    )
    kinds.sort(key=lambda kind: secrets.randbelow(1000))
    gap = plan.seconds / (len(kinds) + 1)
    for number, kind in enumerate(kinds, 1):
        await asyncio.sleep(max(0.0, began + number * gap - time.monotonic()))
        if kind == "restart":
            await site.restart()
        elif kind == "bad":
            await site.reload(next(broken))
        else:
            await steps[("good", "key", "api_key").index(kind)]()


async def _call(site: Site, callers: Callers, done: asyncio.Event) -> int:
    """RATE requests a second, half of them POSTs, each with a text of its own; how many POSTs were sent."""
    loop = asyncio.get_running_loop()
    running = site.running
    began, number = loop.time(), 0
    while not done.is_set():
        method = ("GET", "POST")[number % 2]
        task = asyncio.create_task(callers.ask(method, _request(method, site.key, number)))
        running.add(task)
        task.add_done_callback(running.discard)
        number += 1
        await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
    await asyncio.gather(*running)
    return number // 2


def _request(method: str, key: str, number: int) -> bytes:
    body = f"{FORM}+{number}".encode() if method == "POST" else b""
    target = PATH if method == "POST" else f"{PATH}?PageSize=1"
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: gateway.test",
        "Authorization: Basic " + b64encode(f"app:{key}".encode()).decode(),
        f"Content-Length: {len(body)}",
        "Content-Type: application/x-www-form-urlencoded",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that is kept for replicas that share it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def main() -> int:
    """0 if nobody noticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=LONG.seconds)
    args = parser.parse_args()
    result = uvloop.run(run(Plan(args.seconds, LONG.reloads, LONG.restarts)))
    tally = result.tally
    for failure in tally.failures[:20]:
        print("failed:", failure)
    print(f"reloads {result.reloaded} good, {result.refused} invalid; restarts {LONG.restarts}")
    print(f"exchanges {sum(tally.statuses.values())}, failed {result.failed} (must be 0)")
    print(f"POSTs sent {result.sent}, created for callers {tally.created}, at the simulator {result.created}")
    print(f"duplicates at the simulator {result.duplicates} (must be 0)")
    print(f"kept connections replaced {tally.replaced}, GETs repeated {tally.repeated}")
    print(f"slowest exchange {tally.slowest_seconds:.3f} s")
    good = not result.failed and not result.duplicates and result.sent == tally.created == result.created
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
