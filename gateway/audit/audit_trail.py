"""Writes the audit trail to a file or to standard output, and remembers whether it can be written.

A line is on disk (fdatasync), or in the descriptor, when `record` returns; a file gets many lines by one
write and one wait for the disk, or none of them. An act that must be recorded and cannot be is refused by its
caller: `AuditUnavailable`.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from gateway.audit.audit_chain import ENDING, AuditChain, AuditHead
from gateway.background.daemon_thread import call_in_thread

_MODE: Final = 0o600
WRITE_SECONDS: Final = 5.0
"""How long to wait for a line: a hung mount, or a FIFO without a reader, must not delay an exit."""
_NO_ANSWER: Final = "the path does not answer"

FILE_LINES: Final = 500
"""How many lines a file takes at once: a rotation of 40,000 keys waits for the disk 80 times."""

WriteLines = Callable[[bytes], bool]
"""Writes whole lines, or nothing: False. Blocks; may raise `OSError`."""
AuditEvent = tuple[str, dict[str, Any]]
"""What happened, and the values of its line."""


class AuditUnavailable(Exception):
    """The line could not be written, so what it records must not be done."""


class AuditFile:
    """Lines appended to a file. It is opened for each line, so that rotation by renaming works."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, lines: bytes) -> bool:
        """Append the lines and wait for the disk once. Raises `OSError`."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            if os.write(descriptor, lines) != len(lines):
                os.ftruncate(descriptor, end)  # a full disk: no torn line stays behind
                return False
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        return True


class AuditTrail:
    """One per process. Any thread but the data loop's may call `record`, which blocks for the disk.

    `at_once`: how many lines `write` takes, all of them or none.
    """

    def __init__(
        self,
        chain: AuditChain,
        write: WriteLines,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: float = WRITE_SECONDS,
        at_once: int = 1,
    ) -> None:
        self.at_once = at_once
        self._chain = chain
        self._write = write
        self._now = now
        self._lock = threading.Lock()
        self._reported: AuditHead | None = None
        self._ended = False
        self._seconds = seconds
        self._writing: tuple[Future[bool], AuditHead, int] | None = None
        self.written = 0
        self.failed = 0
        self.failure = ""
        """Why the last line could not be written; empty while the trail is whole."""

    def record(self, event: str, **values: Any) -> None:
        """Write a line. Raises `AuditUnavailable`."""
        self.record_all(((event, values),))

    def record_all(self, events: Sequence[AuditEvent]) -> None:
        """Write a line for each, up to `at_once` of them. Raises `AuditUnavailable`: none is on record."""
        assert 0 < len(events) <= self.at_once
        with self._lock:
            if self._ended:
                raise AuditUnavailable("the audit trail has ended: the process stops")
            timestamp = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._settle_late()
            lines, head = self._chain.make_lines(timestamp, events)
            self._writing = (call_in_thread(lambda: self._write(lines)), head, len(events))
            self._settle(self._seconds)
            self._ended = events[-1][0] == ENDING

    def _settle_late(self) -> None:
        """Lines that did not get onto the disk in time may have got there since."""
        if self._writing is None:
            return
        if not self._writing[0].done():
            self._fail(_NO_ANSWER)
        with suppress(AuditUnavailable):
            self._settle(0)

    def _settle(self, seconds: float) -> None:
        """Take in whether what is being written got there."""
        assert self._writing is not None
        writing, head, count = self._writing
        try:
            reason = "" if writing.result(seconds) else "no room"
        except TimeoutError:
            self._fail(_NO_ANSWER)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        self._writing = None
        if reason:
            self._fail(reason)
        self._chain.accept(head)
        self.written += count
        self.failure = ""

    def _fail(self, reason: str) -> NoReturn:
        self.failed += 1
        self.failure = reason
        raise AuditUnavailable(f"the audit trail cannot be written ({reason})")

    def try_record(self, event: str, **values: Any) -> bool:
        """The same for what happens in any case: a stop, a refusal. False if it is not on record."""
        try:
            self.record(event, **values)
        except AuditUnavailable:
            return False
        return True

    def take_head(self) -> AuditHead | None:
        """The head, if lines were written since this was last called."""
        if not self._lock.acquire(blocking=False):
            return None  # a line is being written; the data loop, which asks, does not wait for a disk
        try:
            head = self._chain.head
            if head == self._reported:
                return None
            self._reported = head
            return head
        finally:
            self._lock.release()
