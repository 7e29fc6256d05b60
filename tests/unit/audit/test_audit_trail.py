"""A path of the audit trail that does not answer: refused in time, and caught up with once it does."""

import json
import os
import threading
from pathlib import Path

import pytest

from gateway.audit.audit_chain import ENDING, AuditChain
from gateway.audit.audit_trail import FILE_LINES, AuditEvent, AuditFile, AuditTrail, AuditUnavailable
from gateway.audit.auditor import Auditor
from gateway.audit.verification import verify

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


def numbers(lines: list[bytes]) -> list[int]:
    return [json.loads(line)["seq"] for line in lines]


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
    assert numbers(disk.lines) == [0, 1, 2]
    assert (trail.written, trail.failure) == (3, "")


def test_c7_the_head_is_not_waited_for() -> None:
    """The data loop asks for it, while another thread may hold the trail for as long as a disk hangs."""
    trail = make_trail(Disk(), 60)
    trail.record("started")
    with trail._lock:
        assert trail.take_head() is None
    assert trail.take_head() is not None


def rotations(count: int) -> list[AuditEvent]:
    return [
        ("key changed", {"change": f"consumers.c.keys: sha256:{number:08x} added"}) for number in range(count)
    ]


def trail_of_file(path: Path) -> AuditTrail:
    return AuditTrail(AuditChain(KEY, "host", "boot"), AuditFile(path).write, at_once=FILE_LINES)


async def test_many_lines_wait_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.log"
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    trail = trail_of_file(path)
    auditor = Auditor(trail, lambda failure: None)
    await auditor.require("started")
    await auditor.require_all(rotations(2 * FILE_LINES + 1))
    await auditor.require(ENDING)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(synced) == 5
    assert synced[-1] == path.stat().st_size, "what is answered is on disk"
    assert (trail.written, numbers(lines)) == (len(lines), [*range(2 * FILE_LINES + 3)])
    assert verify({"audit.log": lines}, KEY, ()).faults == []


async def test_lines_that_are_not_written_as_a_whole_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the midst of them: none stays behind, and the chain goes on where it was."""
    path = tmp_path / "audit.log"
    trail = trail_of_file(path)
    auditor = Auditor(trail, lambda failure: None)
    await auditor.require("started")
    size = path.stat().st_size
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:1000]))
        with pytest.raises(AuditUnavailable, match="no room"):
            await auditor.require_all(rotations(FILE_LINES))
    assert path.stat().st_size == size
    await auditor.require_all(rotations(2))
    assert numbers(path.read_bytes().splitlines()) == [0, 1, 2]


async def test_a_descriptor_gets_each_line_by_itself() -> None:
    """It may take a part of many, which cannot be taken back."""
    disk = Disk()
    await Auditor(make_trail(disk, 60), lambda failure: None).require_all(rotations(3))
    assert numbers(disk.lines) == [0, 1, 2]
