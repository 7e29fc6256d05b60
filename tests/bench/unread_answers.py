"""What answers that nobody reads cost in memory, and whether it is given back.

`python -m tests.bench.unread_answers [--rounds 6] [--crowd 900] [--stalled 1000] [--compiled]`. First one
crowd of callers that ask for 20 MiB each and read nothing, with a plain upstream and with one that speaks
TLS: the memory of the whole process, and for each of them. Then crowds one after the other, which close after
three seconds: resident memory 30 s after the last one, beside what it was at the start.
"""

import argparse
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from gateway.app.file_descriptors import allow_descriptors
from tests.bench.memory import MIB, download, rss_bytes
from tests.bench.processes import (
    FIELDS,
    MEDIA_PATH,
    ROOT,
    Cores,
    Started,
    started_gateway,
    started_upstream,
)
from tests.support.compiled_tree import compiled_tree
from tests.support.tls import Authority

_AT_ONCE = 20  # TLS handshakes beyond that take longer than the gateway waits for a connection
_RECEIVE_BYTES = 4096  # else the kernel reads megabytes for callers that read nothing
_REST_SECONDS = 30.0
"""A state is measured, not a time: so long after its end a crowd's memory is given back."""
_CLOSE_SECONDS = 3.0
_REQUEST = (
    f"GET {MEDIA_PATH}?Size={20 * MIB} HTTP/1.1\r\nHost: localhost\r\n"
    f"Authorization: {FIELDS['Authorization']}\r\n\r\n"
).encode()


@contextmanager
def unread(server: Started, count: int) -> Iterator[None]:
    """So many callers whose answers have begun, and who read no further."""
    parts = urlsplit(server.url)
    with ExitStack() as stack:
        for begun in range(0, count, _AT_ONCE):
            callers = [stack.enter_context(socket.socket()) for _ in range(min(_AT_ONCE, count - begun))]
            for sock in callers:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
                sock.settimeout(60)
                sock.connect((parts.hostname, parts.port))
                sock.sendall(_REQUEST)
            for sock in callers:
                status = sock.recv(12)
                if status != b"HTTP/1.1 200":
                    raise RuntimeError(f"not served: {status!r}")
        yield


@contextmanager
def serving(folder: Path, tree: Path, count: int, *, tls: bool) -> Iterator[Started]:
    """A gateway that streams so many answers to one consumer, warm."""
    cores = Cores.found()
    upstream_settings: dict[str, Any] = {"connections": 2 * count, "connect_seconds": 20}
    files = None
    folder.mkdir()
    if tls:
        authority = Authority()
        pair = authority.write_pair(folder)
        files = pair["cert_file"], pair["key_file"]
        upstream_settings["ca_file"] = authority.write_ca(folder / "ca.pem")
    settings: dict[str, Any] = {"callers": {"streams": count}, "upstream": upstream_settings}
    with (
        started_upstream(cores.load, tls=files) as upstream,
        started_gateway(cores.measured, upstream.url, folder, tree, **settings) as gateway,
    ):
        download(gateway, MIB)
        yield gateway


def crowds(gateway: Started, rounds: int, count: int, rest_seconds: float) -> None:
    """Print what is left of crowds that came and went."""
    before = peak = rss_bytes(gateway)
    for _ in range(rounds):
        with unread(gateway, count):
            time.sleep(_CLOSE_SECONDS)
            peak = max(peak, rss_bytes(gateway))
    time.sleep(rest_seconds)
    after = rss_bytes(gateway)
    print(
        f"{rounds} crowds of {count}, 20 MiB each, closed unread after {_CLOSE_SECONDS:g} s:"
        f" {before / MIB:.0f} MiB before, {peak / MIB:.0f} at most, {after / MIB:.0f} {rest_seconds:g} s"
        f" later: {(after - before) / MIB:+.1f} MiB, {after / before:.2f} times",
        flush=True,
    )


def stalled(gateway: Started, count: int, kind: str) -> None:
    """Print what a crowd costs that is there at once."""
    before = rss_bytes(gateway)
    with unread(gateway, count):
        time.sleep(_CLOSE_SECONDS)
        now = rss_bytes(gateway)
    print(
        f"{count} stalled at once, {kind} upstream: {before / MIB:.0f} MiB before, {now / MIB:.0f} with them,"
        f" {(now - before) / count / 1024:.0f} KiB each",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0; a caller that is not served raises; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--crowd", type=int, default=900)
    parser.add_argument("--stalled", type=int, default=1000)
    parser.add_argument("--compiled", action="store_true", help="the compiled build instead of the checkout")
    parser.add_argument("--tree", type=Path, default=ROOT, metavar="PATH", help="another checkout's gateway")
    parser.add_argument("--short", action="store_true", help="a few of each: only to see that it runs")
    args = parser.parse_args(arguments)
    rest_seconds = _REST_SECONDS
    if args.short:
        args.rounds, args.crowd, args.stalled, rest_seconds = 1, 10, 10, 0.5
    tree = compiled_tree() if args.compiled else args.tree
    count = max(args.crowd, args.stalled)
    allow_descriptors(max(1024, 3 * count + 500))
    with TemporaryDirectory() as folder:
        for kind in ("plain", "TLS"):
            with serving(Path(folder) / kind, tree, count, tls=kind == "TLS") as gateway:
                stalled(gateway, args.stalled, kind)
        with serving(Path(folder) / "crowds", tree, count, tls=False) as gateway:
            crowds(gateway, args.rounds, args.crowd, rest_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
