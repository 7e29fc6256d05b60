"""Reading the configuration again while the gateway runs: whole and checked, or not at all.

Says when to read, reads off the data loop, and hands over what can be used; what is done with that is not
known here. On any error the active configuration stays. Knows neither ports, logs nor metrics.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.background.breathing import short_turns
from gateway.background.daemon_thread import call_in_thread, run_in_thread
from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.paused_collection import paused_collection
from gateway.config.problems import ConfigError, Origins, Problem
from gateway.config.reloading.changes import describe_changes, find_waiting, restart_values
from gateway.config.reloading.fingerprints import Fingerprint, changed_files, take_fingerprint
from gateway.config.reloading.teardown import forget_places, take_apart
from gateway.config.reloading.watcher import POLL_SECONDS, WATCHER_REASONS, Watcher

_MAX_READINGS = 5
_MAX_READ_SECONDS = 60.0

Built = TypeVar("Built")
"""What a resolved configuration is made into, and what is applied."""


class Result(StrEnum):
    """The outcome of a reload."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    REFUSED = "refused"


class _Read(NamedTuple):
    """A configuration that was read, and its differences from the active one."""

    resolved: ResolvedSettings
    built: Any
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reload:
    """One reload. Nothing in it is secret: names, places, abbreviated digests, masked SIDs."""

    result: Result
    reason: str
    """What asked for it: `SIGHUP`, `files`, `poll` …"""
    config_hash: str
    """Of the configuration that is active now."""
    seconds: float = 0.0
    changes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    """Settings that differ from those the process was started with, and take effect after a restart."""
    problems: tuple[Problem, ...] = ()
    """Why it failed."""
    warnings: tuple[Problem, ...] = ()

    @property
    def summary(self) -> str:
        """One line: the active configuration, and the first problem of the one that was not applied."""
        wrong = f"; not reloaded: {self.problems[0]}" if self.problems else ""
        return f"configuration {self.config_hash} in force{wrong}"


class Reloader(Generic[Built]):
    """One per process. `load` and `build` read a configuration and make it ready, off the loop.

    On the loop, `apply` is awaited with what was built and its changes (it may raise `ConfigError`), and
    `on_reload` is called with each outcome. A read that takes longer than `read_seconds` fails the reload and
    is waited for by the next one, so that a path that blocks holds up one thread and nothing else.
    """

    def __init__(
        self,
        resolved: ResolvedSettings,
        load: Callable[[], ResolvedSettings],
        build: Callable[[ResolvedSettings], Built],
        apply: Callable[[Built, tuple[str, ...]], Awaitable[None]],
        on_reload: Callable[[Reload], None],
        poll_seconds: float = POLL_SECONDS,
        read_seconds: float = _MAX_READ_SECONDS,
        loops: BackgroundLoops | None = None,
    ) -> None:
        self._current = resolved
        self._started_with = restart_values(resolved)
        self._listen, self._admin_listen = resolved.listen, resolved.admin_listen
        self._source = resolved.files[0]
        self._load = load
        self._build = build
        self._apply = apply
        self._on_reload = on_reload
        self._read_seconds = read_seconds
        self._seen: Fingerprint = take_fingerprint(resolved.files)
        self._problems: tuple[Problem, ...] = ()
        self._refusal = ""
        self._reasons: list[str] = []
        self._wanted = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._reading: asyncio.Future[_Read | None] | None = None
        self._loops = loops if loops is not None else BackgroundLoops()
        self._interval_seconds = poll_seconds + read_seconds
        self._watcher = Watcher(lambda: self._current.files, self.trigger, poll_seconds, self._loops)
        self.watching = self._watcher.watching

    def start(self) -> None:
        """Answer triggers, and watch the files. On the loop."""
        self._running = self._loops.start("config_reload", self._interval_seconds, self._run)
        self._watcher.start()

    def trigger(self, reason: str) -> None:
        """Ask for a reload; several that come close together are one. On the loop, like all else here."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        self._wanted.set()

    def refuse(self, why: str) -> None:
        """Stop reloading."""
        self._refusal = why
        self._wanted.set()

    async def close(self) -> None:
        """Stop; a read that still runs is left to its thread."""
        await self._watcher.close()
        tasks = [task for task in (self._running, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, loop: BackgroundLoop) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._reasons:
                reason, self._reasons = ", ".join(self._reasons), []
                await self._reload(reason)
            loop.beat()

    async def _reload(self, reason: str) -> None:
        started_at = time.monotonic()
        if self._refusal:
            if not _is_quiet(reason):
                problem = self._whole(f"nothing is reloaded: {self._refusal}")
                self._report(Result.REFUSED, reason, started_at, problems=(problem,))
            return
        try:
            read = await self._read_in_time(only_if_changed=_is_quiet(reason))
        except ConfigError as error:
            self._fail(reason, error.problems, started_at)
            return
        except TimeoutError:
            problem = self._whole(
                f"reading it takes longer than {self._read_seconds:g} s; does one of its paths block?"
            )
            self._fail(reason, (problem,), started_at)
            return
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end reloading for good
            problem = self._whole(f"the gateway failed to read it ({type(error).__name__})")
            self._fail(reason, (problem,), started_at)
            return
        if self._refusal:
            return  # the gateway began to drain meanwhile
        if read is None:
            self._problems = ()
            if not _is_quiet(reason):
                self._report(Result.UNCHANGED, reason, started_at)
            return
        try:
            await self._apply(read.built, read.changes)
        except ConfigError as error:
            self._fail(reason, error.problems, started_at)
            return
        except Exception as error:  # noqa: BLE001 - as above: what is active then is at least no surprise
            problem = self._whole(f"it could not be applied ({type(error).__name__})")
            self._fail(reason, (problem,), started_at)
            return
        self._problems = ()
        replaced, self._current = self._current, read.resolved
        call_in_thread(lambda: take_apart(replaced))
        self._report(Result.DONE, reason, started_at, changes=read.changes, warnings=read.resolved.warnings)

    async def _read_in_time(self, *, only_if_changed: bool) -> _Read | None:
        """Raises `TimeoutError`, and leaves the read running, for the next call to find."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(
                run_in_thread(lambda: _gently(self._read, only_if_changed=only_if_changed))
            )
        done, _ = await asyncio.wait((self._reading,), timeout=self._read_seconds)
        if not done:
            raise TimeoutError
        reading, self._reading = self._reading, None
        return reading.result()

    def _fail(self, reason: str, problems: tuple[Problem, ...], started_at: float) -> None:
        """Report the failure, but only once while it stays the same."""
        if problems != self._problems or not _is_quiet(reason):
            self._report(Result.FAILED, reason, started_at, problems=problems)
        self._problems = problems

    def _report(
        self,
        result: Result,
        reason: str,
        started_at: float,
        *,
        changes: tuple[str, ...] = (),
        problems: tuple[Problem, ...] = (),
        warnings: tuple[Problem, ...] = (),
    ) -> None:
        waiting = find_waiting(self._started_with, self._current)
        seconds = time.monotonic() - started_at
        config_hash = self._current.config_hash
        self._on_reload(Reload(result, reason, config_hash, seconds, changes, waiting, problems, warnings))

    def _whole(self, message: str) -> Problem:
        return Problem(str(self._source), message)

    def _read(self, *, only_if_changed: bool) -> _Read | None:
        """Off the loop. None if nothing has changed. Raises `ConfigError`.

        `only_if_changed`: if no file has, nothing is read. What a secret store holds is seen by reading.
        """
        seen = take_fingerprint(self._current.files)
        if only_if_changed and seen == self._seen and not self._problems:
            return None
        for _ in range(_MAX_READINGS):
            resolved = self._load()
            found = take_fingerprint(resolved.files)
            if found == seen:
                break
            seen = found  # written meanwhile, or files that were not referred to before: read once more
        # Ports stay where they are, whatever the file says now.
        resolved = replace(resolved, listen=self._listen, admin_listen=self._admin_listen)
        built = self._build(resolved)
        files = tuple(file for file in changed_files(self._seen, seen) if file != self._source)
        self._seen = seen
        changes = (
            *describe_changes(self._current, resolved),
            *(f"{file}: another content" for file in files),
        )
        if not changes and resolved.config_hash == self._current.config_hash and not self._problems:
            return None
        # The places of problems are of no use any more, and are many.
        bare = replace(resolved, origins=Origins(resolved.origins.source))
        forget_places(resolved.origins)
        return _Read(bare, built, changes)


def _gently(read: Callable[..., _Read | None], *, only_if_changed: bool) -> _Read | None:
    """Read on this thread, and let the data loop's have the interpreter whenever it asks for it."""
    with short_turns(), paused_collection():
        return read(only_if_changed=only_if_changed)


def _is_quiet(reason: str) -> bool:
    """Whether the reload was triggered by the watcher or the poll, so that an unchanged result need not be
    reported."""
    return set(reason.split(", ")) <= WATCHER_REASONS
