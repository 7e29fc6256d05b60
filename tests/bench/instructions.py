"""Instructions that a request costs, counted by valgrind's callgrind: the same on a busy and a quiet machine.

`make bench`, or `python -m tests.bench.instructions [--requests 1504] [--tree NAME=PATH]...`: the bare relay,
the gateway as plain Python, and the compiled gateway, each with everything on. Printed for requests whose
heads and bodies all differ, and beside it for one request again and again. What the kernel does is not
counted. Needs Debian's package valgrind.
"""

import argparse
import asyncio
import itertools
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.bench.processes import (
    FIELDS,
    FORM,
    PATH,
    ROOT,
    Cores,
    Started,
    read_trees,
    started_gateway,
    started_relay,
    started_upstream,
)
from tests.support.compiled_tree import compiled_tree

_CONNECTIONS = 8
_AGAIN = {"Gateway-Repeat": "allow"}
_WARM_UP = 600
_DUMP_SECONDS = 300.0
_SETTLE_SECONDS = 2.0
"""What is left to do behind requests (log, charts) is done within this time, and counts as theirs."""
IDLE_SECONDS = 5.0
"""So long is counted what a server does without requests, to be taken off: timers do not slow down."""
# Not `totals`, which after `--zero` still has what was spent in functions that have not run since.
_TOTAL = re.compile(r"^summary: (\d+)$", re.MULTILINE)
_END = re.compile(r"^totals: \d+$", re.MULTILINE)
_NOT_YET = "--instr-atstart=no"
_ENVIRON = ("UV_USE_IO_URING=0", "PYTHONHASHSEED=0")  # uvloop's path and dict orders are the same in each run


class Counted(NamedTuple):
    """Instructions a request."""

    varied: float
    same: float


def make_request(number: int) -> bytes:
    """A POST that creates a message; a number from 0 up makes its head and its body its own."""
    varied = number >= 0
    form = f"{FORM}+{10_000_000 + number}" if varied else FORM
    fields = {"Host": "localhost", **FIELDS, **({"X-Request-Id": f"vary-{number:08}"} if varied else _AGAIN)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {PATH} HTTP/1.1\r\n{lines}Content-Length: {len(form)}\r\n\r\n{form}".encode()


async def _call(port: int, requests: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"an answer was not 2xx: {head.splitlines()[0]!r}")
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
    writer.close()


async def _load(server: Started, requests: Iterator[bytes]) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    await asyncio.gather(*(_call(port, requests) for _ in range(_CONNECTIONS)))


def _count_run(server: Started, dump: Path, run: Callable[[], None]) -> tuple[int, float]:
    """Instructions while something runs and settles, and the seconds that it took."""
    control("--zero", server)
    began = time.monotonic()
    run()
    control("--dump", server)
    seconds = time.monotonic() - began
    return read_dump(dump), seconds


def control(option: str, server: Started) -> None:
    """Have valgrind do something: `--zero` its counts, or `--dump` them."""
    subprocess.run(
        ["callgrind_control", option, str(server.pid)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=300,
    )


def read_dump(path: Path) -> int:
    """The sum of a dump, which valgrind writes at its next look."""
    due = time.monotonic() + _DUMP_SECONDS
    while time.monotonic() < due:
        dump = path.read_text(errors="replace") if path.exists() else ""
        if (found := _TOTAL.search(dump)) and _END.search(dump):
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"valgrind wrote no {path.name}")


@contextmanager
def under_callgrind(folder: Path) -> Iterator[list[str]]:
    """The command that runs another under callgrind, which writes to `folder`.

    The start is not counted, which would take a minute: `start_counting`.
    """
    yield [
        "env", *_ENVIRON,
        "valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder / 'out'}", _NOT_YET,
    ]  # fmt: skip


def start_counting(server: Started) -> None:
    """From here on."""
    control("--instr=on", server)


def count(server: Started, folder: Path, requests: int, idle_seconds: float = IDLE_SECONDS) -> Counted:
    """Warm up, then count each kind of request."""
    settle_seconds = min(_SETTLE_SECONDS, idle_seconds)
    numbers = itertools.count()

    def load(number: int, *, varied: bool) -> None:
        made = (make_request(next(numbers) if varied else -1) for _ in range(number))
        asyncio.run(_load(server, made))
        time.sleep(settle_seconds)

    start_counting(server)
    load(_WARM_UP, varied=True)
    load(_CONNECTIONS, varied=False)
    idle, seconds = _count_run(server, folder / "out.1", lambda: time.sleep(idle_seconds))
    idle_a_second = idle / seconds
    found = []
    for dump, varied in ((2, True), (3, False)):
        run = partial(load, requests, varied=varied)
        spent, seconds = _count_run(server, folder / f"out.{dump}", run)
        found.append((spent - idle_a_second * seconds) / requests)
    return Counted(*found)


def compare(trees: dict[str, Path], requests: int, idle_seconds: float) -> dict[str, Counted]:
    """The bare relay under its name, and each tree's gateway."""
    cores = Cores.found()
    results: dict[str, Counted] = {}
    with started_upstream(cores.load) as upstream:
        for name in ("bare relay", *trees):
            with ExitStack() as stack:
                folder = Path(stack.enter_context(TemporaryDirectory()))
                under = stack.enter_context(under_callgrind(folder))
                if name in trees:
                    gateway = started_gateway(cores.measured, upstream.url, folder, trees[name], under)
                    server = stack.enter_context(gateway)
                else:
                    server = stack.enter_context(started_relay(cores.measured, upstream.url, under))
                results[name] = count(server, folder, requests, idle_seconds)
                _report(name, results[name], results["bare relay"])
    return results


def _report(name: str, counted: Counted, bare: Counted) -> None:
    print(
        f"{name:<20} {counted.varied:9,.0f} instructions a request, all different"
        f"   {counted.same:9,.0f} the same again"
        f"   bare/this {bare.varied / counted.varied:.2f} and {bare.same / counted.same:.2f}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if valgrind is missing; an answer that is not 2xx raises; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=1504)
    parser.add_argument("--tree", action="append", default=[], metavar="NAME=PATH", help="another checkout")
    parser.add_argument("--short", action="store_true", help="a few, plain only: only to see that it runs")
    args = parser.parse_args(arguments)
    if shutil.which("callgrind_control") is None:
        print("valgrind is not installed: apt-get install valgrind", file=sys.stderr)
        return 1
    trees = read_trees(args.tree)
    if not trees:
        trees = {"gateway, plain": ROOT}
        if not args.short:
            trees["gateway, compiled"] = compiled_tree()
    compare(trees, *((64, 0.5) if args.short else (args.requests, IDLE_SECONDS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
