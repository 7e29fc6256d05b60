"""Reading the configuration again while the gateway runs: whole and checked, or not at all (design 3).

Says when to read, reads off the data loop, and hands over what can be used; what is done with that is not
known here. On any error the configuration in force stays. Knows neither ports, logs nor metrics.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from gateway.config.compile import compile_snapshot
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.problems import ConfigError, Problem
from gateway.config.reloading.changes import describe_changes, find_waiting
from gateway.config.reloading.fingerprints import Fingerprint, changed_files, take_fingerprint
from gateway.config.reloading.watcher import POLL_SECONDS, WATCHER_REASONS, Watcher
from gateway.policy.snapshot import Snapshot

_MOST_READINGS = 5
_SWITCH_SECONDS = 0.0002


class Result(StrEnum):
    """What became of a reload."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    REFUSED = "refused"


class _Read(NamedTuple):
    """What was read, and in what it differs from what is in force."""

    resolved: ResolvedSettings
    snapshot: Snapshot
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reload:
    """One try. Nothing in it is secret: names, places, abbreviated digests, masked SIDs."""

    result: Result
    reason: str
    """Who asked: `SIGHUP`, `files`, `poll` …"""
    config_hash: str
    """Of the configuration that is in force now."""
    seconds: float = 0.0
    changes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    """Settings that differ from those the process was started with, and take effect after a restart."""
    problems: tuple[Problem, ...] = ()
    """Why it failed."""
    warnings: tuple[Problem, ...] = ()

    @property
    def summary(self) -> str:
        """One line: which configuration is in force, and the first thing that is wrong with another."""
        wrong = f"; not reloaded: {self.problems[0]}" if self.problems else ""
        return f"configuration {self.config_hash} in force{wrong}"


class Reloader:
    """One per process. `load` reads the configuration, off the loop.

    On the loop, `take` is awaited with what is to be in force, and `tell` with what became of each reload.
    """

    def __init__(
        self,
        resolved: ResolvedSettings,
        load: Callable[[], ResolvedSettings],
        take: Callable[[ResolvedSettings, Snapshot], Awaitable[None]],
        tell: Callable[[Reload], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._started_with = self._current = resolved
        self._source = resolved.files[0]
        self._load = load
        self._take = take
        self._tell = tell
        self._seen: Fingerprint = take_fingerprint(resolved.files)
        self._problems: tuple[Problem, ...] = ()
        self._refusal = ""
        self._reasons: list[str] = []
        self._wanted = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._watcher = Watcher(lambda: self._current.files, self.trigger, poll_seconds)
        self.watching = self._watcher.watching

    def start(self) -> None:
        """From now on, answer triggers, and watch the files. On the loop."""
        self._running = asyncio.create_task(self._run())
        self._watcher.start()

    def trigger(self, reason: str) -> None:
        """Ask for a reload; several that come close together are one. On the loop, like all else here."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        self._wanted.set()

    def refuse(self, why: str) -> None:
        """From now on nothing is reloaded."""
        self._refusal = why
        self._wanted.set()

    async def close(self) -> None:
        """End it."""
        await self._watcher.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._reasons:
                reason, self._reasons = ", ".join(self._reasons), []
                await self._reload(reason)

    async def _reload(self, reason: str) -> None:
        began = time.monotonic()
        if self._refusal:
            if _is_quiet(reason):
                return
            self._tell_of(
                Result.REFUSED,
                reason,
                began,
                problems=(self._whole(f"nothing is reloaded: {self._refusal}"),),
            )
            return
        try:
            read = await asyncio.to_thread(_gently, self._read, only_if_changed=_is_quiet(reason))
        except ConfigError as error:
            self._fail(reason, error.problems, began)
            return
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end reloading for good
            self._fail(
                reason, (self._whole(f"the gateway failed to read it ({type(error).__name__})"),), began
            )
            return
        if self._refusal:
            return  # told to stop meanwhile
        if read is None:
            self._problems = ()
            if not _is_quiet(reason):
                self._tell_of(Result.UNCHANGED, reason, began)
            return
        try:
            await self._take(read.resolved, read.snapshot)
        except Exception as error:  # noqa: BLE001 - as above: what is in force then is at least no surprise
            self._fail(
                reason, (self._whole(f"it could not be put into force ({type(error).__name__})"),), began
            )
            return
        self._problems = ()
        self._current = read.resolved
        self._tell_of(Result.DONE, reason, began, changes=read.changes, warnings=read.resolved.warnings)

    def _fail(self, reason: str, problems: tuple[Problem, ...], began: float) -> None:
        """Say what is wrong; but not over and over while nobody has mended it."""
        if problems != self._problems or not _is_quiet(reason):
            self._tell_of(Result.FAILED, reason, began, problems=problems)
        self._problems = problems

    def _tell_of(
        self,
        result: Result,
        reason: str,
        began: float,
        *,
        changes: tuple[str, ...] = (),
        problems: tuple[Problem, ...] = (),
        warnings: tuple[Problem, ...] = (),
    ) -> None:
        waiting = find_waiting(self._started_with, self._current)
        seconds = time.monotonic() - began
        config_hash = self._current.config_hash
        self._tell(Reload(result, reason, config_hash, seconds, changes, waiting, problems, warnings))

    def _whole(self, message: str) -> Problem:
        return Problem(str(self._source), message)

    def _read(self, *, only_if_changed: bool) -> _Read | None:
        """Off the loop. None if nothing has changed. Raises `ConfigError`.

        `only_if_changed`: no file has, so that nothing is read. What a secret store holds is seen by reading.
        """
        seen = take_fingerprint(self._current.files)
        if only_if_changed and seen == self._seen and not self._problems:
            return None
        for _ in range(_MOST_READINGS):
            resolved = self._load()
            found = take_fingerprint(resolved.files)
            if found == seen:
                break
            seen = found  # written meanwhile, or files that were not referred to before: read once more
        # Ports stay where they are, whatever the file says now.
        listen, admin_listen = self._started_with.listen, self._started_with.admin_listen
        resolved = replace(resolved, listen=listen, admin_listen=admin_listen)
        snapshot = compile_snapshot(resolved)
        files = tuple(file for file in changed_files(self._seen, seen) if file != self._source)
        self._seen = seen
        changes = (
            *describe_changes(self._current, resolved),
            *(f"{file}: another content" for file in files),
        )
        if not changes and resolved.config_hash == self._current.config_hash and not self._problems:
            return None
        return _Read(resolved, snapshot, changes)


def _gently(read: Callable[..., _Read | None], *, only_if_changed: bool) -> _Read | None:
    """Read on this thread, and let the data loop's have the interpreter whenever it asks for it.

    Measured with 200 consumers (0.5 s of reading): a turn of the loop waits 0.4 ms for it instead of 1.2.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SWITCH_SECONDS))
    try:
        return read(only_if_changed=only_if_changed)
    finally:
        sys.setswitchinterval(before)


def _is_quiet(reason: str) -> bool:
    """Whether nobody waits for word of a reload that changed nothing: something of ours looked by itself."""
    return set(reason.split(", ")) <= WATCHER_REASONS
