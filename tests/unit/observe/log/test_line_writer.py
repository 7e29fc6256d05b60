"""The writer of lines: never blocks, drops and counts what does not fit, says so once it is read again."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.observe.log.line_writer import LineWriter

LINE = b"x" * 999 + b"\n"
BUFFER_BYTES = 64 * 1024


def _full_pipe() -> tuple[int, int, int]:
    """(reading end, writing end, bytes in it): the next write to it blocks."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = 0
    try:
        while True:
            filled += os.write(writing, b"-" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    return reading, writing, filled


def _read(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(descriptor, size - len(data))
    return data


def test_a_full_pipe_blocks_nobody() -> None:
    """Everything that found room comes out in order, and the number of what did not, once."""
    reading, writing, filled = _full_pipe()
    writer = LineWriter(writing, max_bytes=BUFFER_BYTES)
    for _ in range(1_000):  # a blocked write would hang here
        writer.write(LINE)
    kept = BUFFER_BYTES // len(LINE)
    assert writer.dropped == 1_000 - kept
    told = b"log lines dropped: %d\n" % writer.dropped
    assert set(_read(reading, filled)) == {ord("-")}
    assert _read(reading, kept * len(LINE) + len(told)) == LINE + told + LINE * (kept - 1)
    writer.write(b"more\n")
    assert _read(reading, 5) == b"more\n"
    writer.close()
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_close_does_not_wait_for_a_reader() -> None:
    reading, writing, _ = _full_pipe()
    writer = LineWriter(writing)
    writer.write(LINE)
    closing = threading.Thread(target=writer.close)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    os.close(reading)  # ends the write: nobody reads any more
    writer._thread.join(10)
    os.close(writing)


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    """Another process that shares standard output may have made it so."""
    reading, writing, filled = _full_pipe()
    os.set_blocking(writing, False)
    writer = LineWriter(writing)
    for _ in range(200):
        writer.write(LINE)
    assert _read(reading, filled + 200 * len(LINE))[filled:] == LINE * 200
    writer.close()
    os.close(writing)
    os.close(reading)


_FILL = """
import os, resource, sys
from gateway.observe.log.line_writer import LineWriter

path, limit, flags = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
writer = LineWriter(descriptor)
for number in range(1_000):
    writer.write(b"%06d " % number + b"x" * 92 + b"\\n")
while writer._written_bytes < writer._accepted_bytes:
    pass
lost = writer.dropped
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write(b"room again\\n")
writer.close()
print(lost)
"""


def _fill(path: Path, limit: int, flags: int = 0) -> int:
    """Write 1,000 lines of 100 bytes to a file that may grow to `limit` bytes, then one more without a limit.

    A process of its own, because the limit (EFBIG, as a full disk gives ENOSPC) holds for all of a process.
    """
    done = subprocess.run(
        [sys.executable, "-c", _FILL, path, str(limit), str(flags)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize("flags", [0, os.O_APPEND], ids=["from the start", "append"])
@pytest.mark.parametrize("limit", [0, 50, 100, 10_000, 12_345, 99_999])
def test_c4_a_full_disk_loses_whole_lines_and_counts_them(tmp_path: Path, limit: int, flags: int) -> None:
    path = tmp_path / "log"
    lost = _fill(path, limit, flags)
    lines = path.read_bytes().split(b"\n")
    kept = limit // 100
    assert lost == 1_000 - kept
    assert [line[:6] for line in lines[:kept]] == [b"%06d" % number for number in range(kept)]
    *rest, end = lines[kept:]
    assert end == b""
    assert rest.count(b"room again") == 1
    counts = [int(line.removeprefix(b"log lines dropped: ")) for line in rest if line != b"room again"]
    assert counts[-1] == lost


def test_c4_a_device_that_takes_nothing() -> None:
    """`/dev/full` gives ENOSPC for ever."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = LineWriter(descriptor)
    for _ in range(10):
        writer.write(LINE)
    writer.close()
    os.close(descriptor)
    assert writer.dropped == 10


def test_c4_a_reader_that_has_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = LineWriter(writing)
    for _ in range(10):
        writer.write(LINE)
    writer.close()
    os.close(writing)
    assert writer.dropped == 10


def test_c4_a_torn_line_that_cannot_be_taken_back_is_completed() -> None:
    """In a pipe, or where another process has written behind it."""
    reading, writing = os.pipe()
    writer = LineWriter(writing)
    writer.close()
    writer._rest = b"second half\n"
    assert writer._write_lines(b"whole\n") == 0
    assert _read(reading, 18) == b"second half\nwhole\n"
    assert not writer._cut_off(3), "a pipe has no end to cut off"
    os.close(reading)
    writer._rest = b"never\n"
    assert writer._write_lines(b"one\ntwo\n") == 2
    assert writer._rest == b"never\n"
    os.close(writing)
