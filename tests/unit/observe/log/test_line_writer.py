"""The writer of lines: never blocks, drops and counts what does not fit, says so once it is read again."""

import os
import threading

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
    writer = LineWriter(writing, most_bytes=BUFFER_BYTES)
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
