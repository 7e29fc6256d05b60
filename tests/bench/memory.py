"""How much memory a stream takes: the gateway's RSS while 1 GiB comes down and 100 MiB go up.

`python -m tests.bench.memory [--tree PATH]`. Each with a reader that is fast and with one that is slow; what
is buffered for a slow reader is what back-pressure does not hold back. A slow download is a shorter one.
"""

import argparse
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.bench.processes import (
    FIELDS,
    MEDIA_PATH,
    ROOT,
    UPLOAD_PATH,
    UPLOADER,
    Cores,
    Started,
    started_gateway,
    started_upstream,
)

MIB = 1024 * 1024
_SLOW_BYTES_PER_SECOND = 16 * MIB
_SAMPLE_SECONDS = 0.02


class Seen(NamedTuple):
    """RSS in bytes around one stream, how long it took, and its answer's status."""

    before: int
    peak: int
    after: int
    seconds: float
    status: int


def rss_bytes(process: Started) -> int:
    """Resident memory of a process (proc(5))."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the process has no memory of its own")


@contextmanager
def _sampled(process: Started) -> Iterator[list[int]]:
    samples = [rss_bytes(process)]
    over = threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            samples.append(rss_bytes(process))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def observe(process: Started, stream: Callable[[Started], int]) -> Seen:
    """The memory of `process` while `stream` runs, which returns a status."""
    before = rss_bytes(process)
    began = time.perf_counter()
    with _sampled(process) as samples:
        status = stream(process)
    seconds = time.perf_counter() - began
    time.sleep(0.2)
    return Seen(before, max(samples), rss_bytes(process), seconds, status)


def download(server: Started, size: int, bytes_per_second: int = 0) -> int:
    """Fetch a media of `size` bytes; the status, or 0 if bytes were missing."""
    head = f"GET {MEDIA_PATH}?Size={size} HTTP/1.1\r\nHost: api.twilio.com\r\n"
    head += f"Authorization: {FIELDS['Authorization']}\r\nConnection: close\r\n\r\n"
    with _connect(server) as connection:
        connection.sendall(head.encode())
        received = 0
        start = b""
        while block := connection.recv(256 * 1024):
            received += len(block)
            start = start or block
            if bytes_per_second:
                time.sleep(len(block) / bytes_per_second)
    return _status(start) if received > size else 0


def upload(server: Started, size: int, bytes_per_second: int = 0) -> int:
    """Send `size` bytes to an upstream that reads them at a rate; the status."""
    rate = f"?Rate={bytes_per_second}" if bytes_per_second else ""
    head = f"POST {UPLOAD_PATH}{rate} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {UPLOADER}\r\n"
    head += f"Content-Type: image/png\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    block = bytes(256 * 1024)
    with _connect(server) as connection:
        connection.sendall(head.encode())
        for _ in range(size // len(block)):
            connection.sendall(block)
        connection.sendall(block[: size % len(block)])
        return _status(connection.recv(65_536))


def _connect(server: Started) -> socket.socket:
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=60)


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if a stream was not carried whole; never because of a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="a fraction of each: only to see that it runs")
    parser.add_argument("--tree", type=Path, default=ROOT, metavar="PATH", help="another checkout's gateway")
    args = parser.parse_args(arguments)
    part = 64 if args.short else 1
    slow = _SLOW_BYTES_PER_SECOND
    streams: dict[str, Callable[[Started], int]] = {
        f"{1024 // part} MiB down": lambda server: download(server, 1024 * MIB // part),
        f"{128 // part} MiB down, slow reader": lambda server: download(server, 128 * MIB // part, slow),
        f"{100 // part} MiB up": lambda server: upload(server, 100 * MIB // part),
        f"{100 // part} MiB up, slow upstream": lambda server: upload(server, 100 * MIB // part, slow),
    }
    cores = Cores.found()
    failed = False
    with (
        TemporaryDirectory() as folder,
        started_upstream(cores.load) as upstream,
        started_gateway(cores.measured, upstream.url, Path(folder), args.tree) as gateway,
    ):
        download(gateway, MIB)  # imports and pools are not what is measured
        upload(gateway, MIB)
        for name, stream in streams.items():
            seen = observe(gateway, stream)
            print(
                f"{name:<28} before {seen.before / MIB:6.1f}   peak {seen.peak / MIB:6.1f}"
                f"   after {seen.after / MIB:6.1f} MiB   {seen.seconds:5.1f} s   {seen.status}"
            )
            failed |= not 200 <= seen.status < 300
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
