"""What hostile callers cost honest ones: idle connections, heads that drip, answers that nobody reads.

`python -m tests.bench.hostile [--idle 5000] [--drip 1000] [--readers 200]`. Honest callers send 200 requests
a second throughout; their p50 and p99 are printed alone, with each kind of hostile caller, with all of them,
and afterwards, beside the gateway's memory and file descriptors. A crowd is a process on the load's core.
"""

import argparse
import asyncio
import functools
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import uvloop

from gateway.app.file_descriptors import allow_descriptors
from tests.bench.latency import measure
from tests.bench.memory import MIB, rss_bytes
from tests.bench.processes import (
    FIELDS,
    MEDIA_PATH,
    Cores,
    Started,
    pinned,
    started,
    started_gateway,
    started_upstream,
)

_DELAY_MS = 20.0
_AT_ONCE = 50
_DRIP_SECONDS = 1.0
_READ_BYTES = 1024
_HEAD = (
    f"GET {MEDIA_PATH}?Size=10000000 HTTP/1.1\r\nHost: localhost\r\n"
    f"Authorization: {FIELDS['Authorization']}\r\n"
)
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Inside = Callable[[], None]
Act = Callable[[Reader, Writer, Inside], Awaitable[None]]


async def _stay(reader: Reader, writer: Writer, inside: Inside) -> None:
    """An idle keep-alive connection, after one good request."""
    writer.write((_HEAD.replace("10000000", "10") + "\r\n").encode())
    await reader.readuntil(b"\r\n\r\n")
    inside()
    while await reader.read(1024):
        pass


async def _drip(reader: Reader, writer: Writer, inside: Inside) -> None:
    """One byte of a head a second, until the gateway has enough."""
    inside()
    for byte in _HEAD.encode():
        writer.write(bytes([byte]))
        await asyncio.sleep(_DRIP_SECONDS)
        if reader.at_eof() or writer.is_closing():
            return


async def _sip(reader: Reader, writer: Writer, inside: Inside) -> None:
    """Ask for 10 MB and read a kilobyte a second."""
    writer.write((_HEAD + "\r\n").encode())
    await reader.readuntil(b"\r\n\r\n")
    inside()
    while await reader.read(_READ_BYTES):  # noqa: ASYNC110 - a slow reader is one that sleeps
        await asyncio.sleep(_DRIP_SECONDS)


_ACTS: dict[str, Act] = {"idle": _stay, "drip": _drip, "readers": _sip}


async def crowd(kind: str, count: int, url: str) -> None:
    """Hold `count` connections of a kind, opened anew as the gateway ends them; says URL when all are in."""
    loop = asyncio.get_running_loop()
    address = (urlsplit(url).hostname, urlsplit(url).port)
    opening = asyncio.Semaphore(_AT_ONCE)
    inside: set[int] = set()
    everybody = asyncio.Event()

    def enter(number: int) -> None:
        inside.add(number)
        if len(inside) == count:
            everybody.set()

    async def one(number: int) -> None:
        while True:
            sock = socket.socket()
            sock.setblocking(False)
            if kind == "readers":  # else the kernel reads megabytes for them
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * _READ_BYTES)
            try:
                async with opening:
                    await loop.sock_connect(sock, address)
                reader, writer = await asyncio.open_connection(sock=sock, limit=_READ_BYTES)
                await _ACTS[kind](reader, writer, functools.partial(enter, number))
                writer.transport.abort()
            except (OSError, asyncio.IncompleteReadError):
                sock.close()
                await asyncio.sleep(random.uniform(0, _DRIP_SECONDS))

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await everybody.wait()
    print(url, flush=True)
    await asyncio.gather(*tasks)


def _look(name: str, gateway: Started, seconds: float) -> bool:
    times = uvloop.run(measure(gateway, 200, seconds))
    good = [each for each in times if each is not None]
    cuts = quantiles(good, n=100)
    descriptors = len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))
    print(
        f"{name:<28} p50 {cuts[49]:6.2f} ms   p99 {cuts[98]:6.2f} ms   failed {len(times) - len(good)}"
        f"   {rss_bytes(gateway) / MIB:6.1f} MiB   {descriptors} descriptors",
        flush=True,
    )
    return len(good) == len(times)


@contextmanager
def _present(kind: str, count: int, gateway: Started, core: int | None) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.hostile", "--crowd", kind, str(count), gateway.url]
    with started(command, core):
        yield


def compare(crowds: dict[str, int], seconds: float) -> bool:
    """Whether no honest request failed."""
    cores = Cores.found()
    with (
        TemporaryDirectory() as folder,
        started_upstream(cores.load, delay_ms=_DELAY_MS) as upstream,
        started_gateway(cores.measured, upstream.url, Path(folder)) as gateway,
        pinned(cores.load),
    ):
        uvloop.run(measure(gateway, 200, 1))  # warm up
        well = _look("alone", gateway, seconds)
        for kind, count in crowds.items():
            with _present(kind, count, gateway, cores.load):
                well &= _look(f"with {count} {kind}", gateway, seconds)
        with ExitStack() as stack:
            for kind, count in crowds.items():
                stack.enter_context(_present(kind, count, gateway, cores.load))
            well &= _look("with all of them", gateway, seconds)
        well &= _look("afterwards", gateway, seconds)
    return well


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if an honest request had no good answer; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--drip", type=int, default=1000)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15, help="of each look (default: 15)")
    parser.add_argument("--short", action="store_true", help="a few of each: only to see that it runs")
    parser.add_argument("--crowd", nargs=3, metavar=("KIND", "COUNT", "URL"), help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    allow_descriptors(max(1024, args.idle + args.drip + args.readers + 500))
    if args.crowd:
        kind, count, url = args.crowd
        uvloop.run(crowd(kind, int(count), url))
        return 0
    crowds = {"idle": args.idle, "drip": args.drip, "readers": args.readers}
    if args.short:
        crowds = {"idle": 50, "drip": 20, "readers": 5}
    return 0 if compare(crowds, 0.5 if args.short else args.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
