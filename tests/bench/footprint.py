"""What connections, consumers and stalled readers cost the gateway in memory.

`make bench`, or `python -m tests.bench.footprint [--connections 2000] [--consumers 2000] [--readers 200]`:
growth of resident memory over the number of idle keep-alive connections, which have sent one target or many,
of configured consumers, and of callers that ask for 10 MB and read nothing, with a plain upstream and with
one that speaks TLS. A relay that buffers nothing itself, on the same loop, tells the loop's and the TLS
library's share of a stalled reader.
"""

import argparse
import asyncio
import functools
import itertools
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from gateway.app.file_descriptors import allow_descriptors
from tests.bench.memory import rss_bytes
from tests.bench.processes import (
    FIELDS,
    MEDIA_PATH,
    ROOT,
    Cores,
    Started,
    consumers,
    started,
    started_gateway,
    started_upstream,
)
from tests.support.compiled_tree import compiled_tree
from tests.support.running import digest
from tests.support.tls import Authority

_KIB = 1024
_RECEIVE_BYTES = 4096
_SETTLE_SECONDS = 1.5
"""For buffers to fill: what is measured is a state, not a time."""
_TARGETS = 12
"""More than the heads that a connection knows, and than it keeps in vain (`listener/known_heads.py`)."""
_HEAD = (
    f"GET {MEDIA_PATH}?Size={{size}} HTTP/1.1\r\nHost: localhost\r\n"
    f"Authorization: {FIELDS['Authorization']}\r\n\r\n"
)


class _Pump(asyncio.Protocol):
    """One side of a relay that holds nothing: it reads only while the other side has nothing to write."""

    def __init__(
        self, upstream: tuple[str, int], context: ssl.SSLContext | None, peer: "_Pump | None"
    ) -> None:
        self._upstream = upstream
        self._context = context
        self.peer = peer
        self.transport: asyncio.Transport | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=1)
        if self.peer is None:
            self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        make = functools.partial(_Pump, self._upstream, self._context, self)
        _, self.peer = await asyncio.get_running_loop().create_connection(
            make, *self._upstream, ssl=self._context
        )
        assert self.peer.transport is not None
        self.peer.transport.write(self._early)

    def data_received(self, data: bytes) -> None:
        if self.peer is None or self.peer.transport is None:
            self._early += data
        else:
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.abort()


async def _serve_pump(upstream: str, ca_file: str) -> None:
    parts = urlsplit(upstream)
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    address = (parts.hostname or "", parts.port or 0)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Pump(address, context, None), "127.0.0.1", 0, backlog=1024
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def _callers(server: Started, count: int, size: int, *, reads: bool, targets: int = 1) -> Iterator[None]:
    """So many connections, each with a request for each of so many targets, no two the same; the answers are
    read, or the last one is left after its first bytes."""
    numbers = itertools.count()
    parts = urlsplit(server.url)
    with ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            if not reads:  # else the kernel reads megabytes for them
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
            sock.settimeout(30)
            sock.connect((parts.hostname, parts.port))
            for _ in range(targets):
                again = "" if targets == 1 else f"&Page={next(numbers)}"
                sock.sendall(_HEAD.format(size=f"{size}{again}").encode())
                answer = sock.recv(1024)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"not served: {answer[:60]!r}")
        time.sleep(_SETTLE_SECONDS)
        yield


def _growth(server: Started, count: int, size: int, *, reads: bool, targets: int = 1) -> float:
    """KiB for each connection, in the second of two crowds: the first one, of a tenth, warms up."""
    with _callers(server, max(1, count // 10), size, reads=reads, targets=targets):
        pass
    before = rss_bytes(server)
    with _callers(server, count, size, reads=reads, targets=targets):
        return (rss_bytes(server) - before) / count / _KIB


def _many_consumers(count: int) -> dict[str, Any]:
    few = consumers()
    one = few["service-0"]
    return {
        **few,
        **{f"more-{number}": {**one, "keys": [digest(f"more-{number}")]} for number in range(count)},
    }


def measure_consumers(tree: Path, upstream: str, count: int) -> float:
    """KiB for each consumer: two gateways, with and without them."""
    sizes = []
    for number in (0, count):
        with (
            TemporaryDirectory() as folder,
            started_gateway(None, upstream, Path(folder), tree, consumers=_many_consumers(number)) as gateway,
        ):
            time.sleep(_SETTLE_SECONDS)
            sizes.append(rss_bytes(gateway))
    return (sizes[1] - sizes[0]) / count / _KIB


def report(name: str, tree: Path, counts: argparse.Namespace) -> None:
    """Print all of it for one build."""
    cores = Cores.found()
    size = 10_000_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        authority = Authority()
        ca_file = authority.write_ca(folder / "ca.pem")
        files = authority.write_pair(folder)
        plain = stack.enter_context(started_upstream(cores.load))
        tls = stack.enter_context(started_upstream(cores.load, tls=(files["cert_file"], files["key_file"])))
        (folder / "tls").mkdir()
        gateway = stack.enter_context(started_gateway(cores.measured, plain.url, folder, tree))
        trusting = {"ca_file": ca_file}
        secure = stack.enter_context(
            started_gateway(cores.measured, tls.url, folder / "tls", tree, upstream=trusting)
        )
        me = [sys.executable, "-m", "tests.bench.footprint"]
        floor = stack.enter_context(started([*me, "--pump", plain.url, ""], cores.measured))
        floor_tls = stack.enter_context(started([*me, "--pump", tls.url, ca_file], cores.measured))
        print(f"{name}: {rss_bytes(gateway) / _KIB / _KIB:.0f} MiB at rest, 20 consumers")
        idle = _growth(gateway, counts.connections, 10, reads=True)
        print(f"  {idle:6.1f} KiB for each idle keep-alive connection, of {counts.connections}")
        varied = _growth(gateway, counts.connections, 10, reads=True, targets=_TARGETS)
        print(f"  {varied:6.1f} KiB for each that has sent {_TARGETS} targets, no two the same")
        each = measure_consumers(tree, plain.url, counts.consumers)
        print(f"  {each:6.1f} KiB for each consumer of one key and 8 rules, of {counts.consumers}")
        for kind, server, bare in (("plain", gateway, floor), ("TLS", secure, floor_tls)):
            mine, loop = (_growth(one, counts.readers, size, reads=False) for one in (server, bare))
            print(
                f"  {mine:6.1f} KiB for each stalled reader of 10 MB, {kind} upstream, of {counts.readers};"
                f" a relay without buffers of its own {loop:.1f}: {mine - loop:.1f} are ours",
                flush=True,
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """0; a caller that is not served raises; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--consumers", type=int, default=2000)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--short", action="store_true", help="a few, plain Python: only to see that it runs")
    parser.add_argument("--pump", nargs=2, metavar=("URL", "CA"), help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    allow_descriptors(max(1024, 3 * (args.connections + args.readers)))
    if args.pump:
        uvloop.run(_serve_pump(*args.pump))
        return 0
    if args.short:
        args.connections, args.consumers, args.readers = 20, 20, 5
    report("gateway, plain", ROOT, args)
    if not args.short:
        report("gateway, compiled", compiled_tree(), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
