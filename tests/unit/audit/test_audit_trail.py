"""A path of the audit trail that does not answer: refused in time, and caught up with once it does."""

import threading

import pytest

from gateway.audit.audit_chain import ENDING, AuditChain
from gateway.audit.audit_trail import AuditTrail, AuditUnavailable

KEY = b"k" * 32


class Disk:
    """Takes lines; while `answers` is unset, it hangs."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.answers = threading.Event()
        self.answers.set()

    def write(self, line: bytes) -> bool:
        self.answers.wait(60)
        self.lines.append(line)
        return True


def make_trail(disk: Disk, seconds: float) -> AuditTrail:
    return AuditTrail(AuditChain(KEY, "host", "boot"), disk.write, seconds=seconds)


def test_c7_a_path_that_does_not_answer_fails_each_line_and_blocks_nobody() -> None:
    disk = Disk()
    disk.answers.clear()
    trail = make_trail(disk, 0.05)
    for _ in range(3):
        with pytest.raises(AuditUnavailable, match="does not answer"):
            trail.record("login")
    assert (trail.failed, trail.written, trail.take_head()) == (3, 0, trail.take_head())
    assert threading.active_count() < 20
    disk.answers.set()


def test_c7_a_line_that_came_late_is_part_of_the_chain() -> None:
    """It is on disk: a line with its number must not be written again."""
    disk = Disk()
    disk.answers.clear()
    trail = make_trail(disk, 0.05)
    with pytest.raises(AuditUnavailable):
        trail.record("login")
    disk.answers.set()
    writing = trail._writing
    assert writing is not None
    assert writing[0].result(60)
    trail._seconds = 60
    trail.record("started")
    trail.record(ENDING)
    numbers = [line.partition(b'"seq":')[2].partition(b",")[0] for line in disk.lines]
    assert numbers == [b"0", b"1", b"2"]
    assert (trail.written, trail.failure) == (3, "")


def test_c7_the_head_is_not_waited_for() -> None:
    """The data loop asks for it, while another thread may hold the trail for as long as a disk hangs."""
    trail = make_trail(Disk(), 60)
    trail.record("started")
    with trail._lock:
        assert trail.take_head() is None
    assert trail.take_head() is not None
