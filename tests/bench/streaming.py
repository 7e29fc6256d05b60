"""CPU seconds that an answer of 1 GiB costs on its way down, over those of a bare relay that streams.

`make bench`, or `python -m tests.bench.streaming [--mib 1024] [--rounds 3]`, by turns.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.memory import MIB, download
from tests.bench.processes import (
    ROOT,
    Cores,
    Started,
    by_turns,
    cpu_seconds,
    pinned,
    started_gateway,
    started_relay,
    started_upstream,
)
from tests.support.compiled_tree import compiled_tree

_SUCCESS = 200


def measure(server: Started, size: int) -> float:
    """CPU seconds for one download. Raises RuntimeError if it did not come whole."""
    before = cpu_seconds(server)
    if download(server, size) != _SUCCESS:
        raise RuntimeError(f"{server.url} did not stream the answer")
    return cpu_seconds(server) - before


def compare(trees: dict[str, Path], size: int, rounds: int) -> dict[str, list[float]]:
    """CPU seconds by name, one for each round; the bare relay's first."""
    cores = Cores.found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        upstream = stack.enter_context(started_upstream(cores.load)).url
        relay = started_relay(cores.measured, upstream, streams=True)
        servers = {"bare relay, streaming": stack.enter_context(relay)}
        for name, tree in trees.items():
            (folder / name).mkdir()
            gateway = started_gateway(cores.measured, upstream, folder / name, tree)
            servers[name] = stack.enter_context(gateway)
        stack.enter_context(pinned(cores.load))
        for server in servers.values():  # warm up
            measure(server, MIB)
        seconds: dict[str, list[float]] = {name: [] for name in servers}
        for name, server in by_turns(servers, rounds):
            seconds[name].append(measure(server, size))
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """0; an answer that does not come whole raises; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", type=int, default=1024, help="of the answer (default: 1024)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="a small one: only to see that it runs")
    args = parser.parse_args(arguments)
    trees = {"gateway, plain": ROOT}
    if not args.short:
        trees["gateway, compiled"] = compiled_tree()
    mib, rounds = (8, 1) if args.short else (args.mib, args.rounds)
    seconds = compare(trees, mib * MIB, rounds)
    bare = next(iter(seconds.values()))
    for name, mine in seconds.items():
        ratios = [one / max(other, 0.01) for one, other in zip(mine, bare, strict=True)]
        print(f"{name:<24} {median(mine):6.2f} s CPU for {mib} MiB   {median(ratios):.2f} × the bare relay's")
    return 0


if __name__ == "__main__":
    sys.exit(main())
