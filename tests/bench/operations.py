"""Everything is changed under load, and nobody notices: reloads, rotated keys, rolling restarts.

    python -m tests.bench.operations [--seconds 60]

Two replicas, real processes on one port; callers that are honest about what HTTP permits (`keep_alive.py`);
the simulator as Twilio. Failed exchanges and duplicates must be 0, and the totals at both ends must agree.
"""

import argparse
import asyncio
import secrets
import signal
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
import yaml

from tests.bench.keep_alive import Callers, Tally
from tests.bench.processes import FORM, PATH
from tests.support.running import ACCOUNT_SID, Spawned, configuration, consumer, digest, spawned_gateway
from twilio_simulator import DEFAULT_API_KEY, DEFAULT_API_SECRET, SimulatedKey, Simulator

RATE = 200
_OUTCOMES = ("configuration reloaded", "configuration reload failed")


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


class Site:
    """Two replicas, their configuration, and Twilio."""

    def __init__(self, folder: Path, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        self.key = secrets.token_urlsafe(32)
        self.replicas: list[tuple[Spawned, AsyncExitStack, Path]] = []
        self._folder = folder
        self._port = port
        self._keys = [self.key]
        self._api_keys = [DEFAULT_API_KEY]
        self._queue = 1000
        self._number = 0
        self._write_secret(DEFAULT_API_KEY, DEFAULT_API_SECRET)
        self.reloaded = self.refused = 0
        self.running: set[asyncio.Task[None]] = set()
        """Exchanges of callers."""

    @property
    def settings(self) -> dict[str, Any]:
        """What differs from `configuration`'s defaults."""
        main = {
            "account_sid": ACCOUNT_SID,
            "keys": [{"sid": sid, "secret": {"file": str(self._folder / sid)}} for sid in self._api_keys],
        }
        app = consumer(self._keys[0]) | {"keys": [digest(key) for key in self._keys]}
        return {
            "listen": f"127.0.0.1:{self._port}",
            "reuse_port": True,
            "drain_seconds": 30,
            "concurrency": {"queue": self._queue},
            "credentials": {"main": main},
            "consumers": {"app": app},
        }

    async def start_replica(self) -> None:
        """One more."""
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        stack = AsyncExitStack()
        replica = await stack.enter_async_context(
            spawned_gateway(folder, self.simulator.url, **self.settings)
        )
        self.replicas.append((replica, stack, folder / "gateway.yaml"))

    async def stop_oldest(self) -> None:
        """SIGTERM to the older one; it must end with 0."""
        replica, stack, _ = self.replicas.pop(0)
        replica.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(replica.process.wait(), 40)
        await stack.aclose()
        if code != 0:
            raise RuntimeError(f"a drained replica ended with {code}: {replica.capture.lines[-5:]}")

    async def restart(self) -> None:
        """A rolling restart: for each of the two, start a new one, then drain the old one."""
        for _ in range(2):
            await self.start_replica()
            await self.stop_oldest()

    async def close(self) -> None:
        """End all that run."""
        while self.replicas:
            await self.stop_oldest()

    async def reload(self, text: str | None = None) -> None:
        """Put a configuration in place, in one step, and have both replicas read it."""
        good = text is None
        for replica, _, path in self.replicas:
            seen = len(_outcomes(replica))
            settings = configuration(self.simulator.url, log={"format": "json"}, **self.settings)
            fresh = path.with_suffix(".new")
            fresh.write_text(yaml.safe_dump(settings) if text is None else text)
            fresh.replace(path)
            replica.process.send_signal(signal.SIGHUP)
            told = await _next_outcome(replica, seen)
            if (told["event"] == _OUTCOMES[0]) is not good:
                raise RuntimeError(f"not what was expected: {told}")
        self.reloaded += good
        self.refused += not good

    async def change_something(self) -> None:
        """A valid change."""
        self._queue += 1
        await self.reload()

    async def rotate_consumer_key(self) -> None:
        """The steps of docs/operations.md: the new key beside the old, callers move, the old one goes."""
        new = secrets.token_urlsafe(32)
        self._keys = [*self._keys, new]
        await self.reload()
        self.key = new
        await self._begun_ended()  # who still has the old key is done with it
        self._keys = [new]
        await self.reload()

    async def rotate_api_key(self) -> None:
        """The steps of docs/operations.md: made at Twilio, put first, the old one out, then deleted there."""
        new = SimulatedKey("SK" + secrets.token_hex(16), secrets.token_urlsafe(24))
        old = self._api_keys[0]
        self.simulator.directory.add_key(ACCOUNT_SID, new)
        self._write_secret(new.sid, new.secret)
        self._api_keys = [new.sid, old]
        await self.reload()
        self._api_keys = [new.sid]
        await self.reload()
        await self._begun_ended()
        self.simulator.directory.revoke_key(old)

    async def _begun_ended(self) -> None:
        if begun := set(self.running):
            await asyncio.wait(begun)

    def _write_secret(self, sid: str, secret: str) -> None:
        (self._folder / sid).write_text(secret)


def _outcomes(replica: Spawned) -> list[dict[str, Any]]:
    return [line for line in replica.capture.lines if line["event"] in _OUTCOMES]


async def _next_outcome(replica: Spawned, seen: int) -> dict[str, Any]:
    await replica.capture.until(lambda _: len(_outcomes(replica)) > seen)
    return _outcomes(replica)[seen]


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
