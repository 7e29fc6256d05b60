"""The latency that the gateway adds at 200 requests a second in front of an upstream that takes 20 ms.

`python -m tests.bench.latency [--rate 200] [--seconds 5] [--rounds 5]`. An open loop: requests leave when
they are due, whatever became of those before. Direct, bare relay and gateway by turns.
"""

import argparse
import asyncio
import random
import re
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.bench.processes import (
    FORM,
    PATH,
    ROOT,
    SAME_TEXT,
    Cores,
    Started,
    by_turns,
    pinned,
    started_gateway,
    started_relay,
    started_upstream,
)

_DELAY_MS = 20.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n"
    + "".join(f"{name}: {value}\r\n" for name, value in SAME_TEXT.items())
    + f"Content-Length: {len(FORM)}\r\n\r\n{FORM}"
).encode()


class _Connection(asyncio.Protocol):
    """One request at a time; `done` has its time in milliseconds, or None for an answer that is no 2xx."""

    def __init__(self) -> None:
        self._answer = b""
        self._sent = 0.0
        self.done: asyncio.Future[float | None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(None)

    def send(self) -> asyncio.Future[float | None]:
        self.done = asyncio.get_running_loop().create_future()
        self._answer = b""
        self._sent = time.perf_counter()
        self._transport.write(_REQUEST)
        return self.done

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and length is not None and len(body) >= int(length[1]) and self.done is not None:
            took = (time.perf_counter() - self._sent) * 1000
            self.done.set_result(took if head.startswith(b"HTTP/1.1 2") else None)

    def close(self) -> None:
        self._transport.close()


async def measure(server: Started, rate: float, seconds: float) -> list[float | None]:
    """Each request's milliseconds; None where there was no good answer."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    assert parts.port is not None
    host, port = parts.hostname, parts.port
    idle: list[_Connection] = []
    results: list[float | None] = []

    async def exchange() -> None:
        if idle:
            connection = idle.pop()
        else:
            _, connection = await loop.create_connection(_Connection, host, port)
        results.append(await connection.send())
        idle.append(connection)

    # The same for each server. At even distances, answers would come just when other requests leave.
    spread = random.Random(int(rate))
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + (number + spread.random()) / rate - time.perf_counter())
            group.create_task(exchange())
    for connection in idle:
        connection.close()
    return results


def compare(rate: float, seconds: float, rounds: int) -> dict[str, list[list[float | None]]]:
    """By name, one list of times for each round."""
    cores = Cores.found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        direct = stack.enter_context(started_upstream(cores.load, delay_ms=_DELAY_MS))
        servers = {
            "direct": direct,
            "bare relay": stack.enter_context(started_relay(cores.measured, direct.url)),
            "gateway": stack.enter_context(started_gateway(cores.measured, direct.url, folder, ROOT)),
        }
        stack.enter_context(pinned(cores.load))
        for server in servers.values():  # warm up
            uvloop.run(measure(server, rate, min(1.0, seconds)))
        times: dict[str, list[list[float | None]]] = {name: [] for name in servers}
        for name, server in by_turns(servers, rounds):
            times[name].append(uvloop.run(measure(server, rate, seconds)))
        return times


def percentiles(times: list[float | None]) -> tuple[float, float]:
    """p50 and p99 of those that had a good answer."""
    cuts = quantiles([each for each in times if each is not None], n=100)
    return cuts[49], cuts[98]


def _pooled(rounds: list[list[float | None]]) -> list[float | None]:
    """All rounds together: the p99 of one is that of a few requests."""
    return [each for several in rounds for each in several]


def report(times: dict[str, list[list[float | None]]], when: str = "") -> int:
    """Print what each adds to `direct`; how many requests had no good answer."""
    direct = percentiles(_pooled(times["direct"]))
    for name, rounds in times.items():
        found = percentiles(_pooled(rounds))
        print(
            f"{name:<20}{when} p50 {found[0]:6.2f} ms   p99 {found[1]:6.2f} ms"
            f"   added {found[0] - direct[0]:+6.2f} and {found[1] - direct[1]:+6.2f} ms",
            flush=True,
        )
    failed = sum(each is None for rounds in times.values() for several in rounds for each in several)
    if failed:
        print(f"{failed} requests had no good answer")
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if a request had no good answer; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200, help="requests a second (default: 200)")
    parser.add_argument("--seconds", type=float, default=5, help="of each round (default: 5)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--short", action="store_true", help="one round of a second: only to see that it runs"
    )
    args = parser.parse_args(arguments)
    seconds, rounds = (0.5, 1) if args.short else (args.seconds, args.rounds)
    times = compare(args.rate, seconds, rounds)
    return 1 if report(times) else 0


if __name__ == "__main__":
    sys.exit(main())
