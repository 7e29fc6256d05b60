"""Requests per second of the gateway with everything on, over those of a bare relay, on one core.

`make bench`, or `python -m tests.bench.throughput [--seconds 5] [--rounds 7]`. Both stand in front of the
same upstream and are measured by turns, so that what else the machine does hits both; only ratios mean
something. The gateway has a reader of its live page's events throughout. CPU time is the steadier measure on
a machine that others use. `--tree NAME=PATH`, repeated, measures the gateways of other checkouts instead of
this one: that is how a speed-up is judged.
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from tests.bench.processes import (
    FORM,
    PATH,
    ROOT,
    SAME_TEXT,
    Cores,
    Started,
    by_turns,
    cpu_seconds,
    pinned,
    read_trees,
    started_gateway,
    started_relay,
    started_upstream,
)

_CONNECTIONS = 32
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_REQUESTS = re.compile(r"([0-9]+) requests in")
_PERCENTILE = re.compile(r"\s+(50|99)%\s+([0-9.]+)(us|ms|s)\b")
_TROUBLE = re.compile(r"(?:Non-2xx or 3xx responses: ([0-9]+))|(Socket errors: .*)")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """One round: requests a second, CPU µs for each, latencies in milliseconds, and trouble or ''."""

    rate: float
    cpu: float
    p50: float
    p99: float
    trouble: str


def measure(server: Started, seconds: float, core: int | None, script: Path) -> Load:
    """One round of wrk against a server."""
    command = [
        "wrk", "--threads", "1", "--connections", str(_CONNECTIONS), "--duration", f"{seconds:g}s",
        "--latency", "--script", str(script), server.url + PATH,
    ]  # fmt: skip
    cpu = cpu_seconds(server)
    with pinned(core):
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu = cpu_seconds(server) - cpu
    rate, requests = _RATE.search(text), _REQUESTS.search(text)
    assert rate is not None, text
    assert requests is not None, text
    percentiles = {
        name: float(value) * _MILLISECONDS[unit] for name, value, unit in _PERCENTILE.findall(text)
    }
    trouble = _TROUBLE.search(text)
    return Load(
        rate=float(rate[1]),
        cpu=cpu / max(1, int(requests[1])) * 1e6,
        p50=percentiles["50"],
        p99=percentiles["99"],
        trouble=trouble[0] if trouble else "",
    )


def compare(seconds: float, rounds: int, trees: dict[str, Path]) -> dict[str, list[Load]]:
    """By turns, `rounds` times: the bare relay under its name, and each gateway."""
    cores = Cores.found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        script = folder / "create.lua"
        script.write_text(_wrk_script())
        upstream = stack.enter_context(started_upstream(cores.load)).url
        servers = {"bare relay": stack.enter_context(started_relay(cores.measured, upstream))}
        for name, tree in trees.items():
            (folder / name).mkdir()
            gateway = started_gateway(cores.measured, upstream, folder / name, tree)
            servers[name] = stack.enter_context(gateway)
            stack.enter_context(page_open(servers[name]))
        for server in servers.values():  # warm up: imports, pools, caches
            measure(server, 1, cores.load, script)
        loads: dict[str, list[Load]] = {name: [] for name in servers}
        for name, server in by_turns(servers, rounds):
            loads[name].append(measure(server, seconds, cores.load, script))
        return loads


@contextmanager
def page_open(gateway: Started) -> Iterator[None]:
    """The live page's stream of events is read, as a browser does that has it open."""
    admin = urlsplit(gateway.admin_url)
    with socket.create_connection((admin.hostname or "", admin.port or 0)) as connection:
        connection.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reading = threading.Thread(target=_read_all, args=(connection,))
        reading.start()
        try:
            yield
        finally:
            with suppress(OSError):  # an older tree has no such page, and has closed
                connection.shutdown(socket.SHUT_RDWR)
            reading.join()


def _read_all(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def _wrk_script() -> str:
    lines = ['wrk.method = "POST"', f'wrk.body = "{FORM}"']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in SAME_TEXT.items()]
    return "\n".join(lines)


def _report(loads: dict[str, list[Load]]) -> None:
    for name, rounds in loads.items():
        print(
            f"{name:<12} {median(each.rate for each in rounds):8.0f} requests/s"
            f"   {median(each.cpu for each in rounds):6.1f} µs CPU each"
            f"   p50 {median(each.p50 for each in rounds):6.2f} ms"
            f"   p99 {median(each.p99 for each in rounds):6.2f} ms"
        )
    names = list(loads)
    pairs = [(name, "bare relay") for name in names[1:]] + [(name, names[1]) for name in names[2:]]
    for name, other in pairs:
        ratios = [mine.rate / theirs.rate for mine, theirs in zip(loads[name], loads[other], strict=True)]
        each = " ".join(f"{ratio:.2f}" for ratio in ratios)
        cpu = [theirs.cpu / mine.cpu for mine, theirs in zip(loads[name], loads[other], strict=True)]
        print(f"{name} / {other}: {median(ratios):.3f}   ({each})   by CPU time {median(cpu):.3f}")
    for name, rounds in loads.items():
        for trouble in {each.trouble for each in rounds if each.trouble}:
            print(f"{name}: {trouble}")


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if an answer was not 2xx or wrk is missing; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5, help="of each round (default: 5)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--short", action="store_true", help="one round of a second: only to see that it runs"
    )
    parser.add_argument("--tree", action="append", default=[], metavar="NAME=PATH", help="another checkout")
    args = parser.parse_args(arguments)
    if shutil.which("wrk") is None:
        print("wrk is not installed: apt-get install wrk", file=sys.stderr)
        return 1
    trees = read_trees(args.tree)
    seconds, rounds = (1.0, 1) if args.short else (args.seconds, args.rounds)
    loads = compare(seconds, rounds, trees or {"gateway": ROOT})
    _report(loads)
    return 1 if any(each.trouble for several in loads.values() for each in several) else 0


if __name__ == "__main__":
    sys.exit(main())
