"""The audit trail of this process: opened, its heads reported each minute, and reloads put on record."""

import asyncio
import os
import platform
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from gateway import __version__
from gateway.app.configuration import Configuration
from gateway.app.options import AuditOptions
from gateway.audit.audit_chain import ENDING, AuditChain, AuditHead
from gateway.audit.audit_trail import FILE_LINES, AuditEvent, AuditFile, AuditTrail, AuditUnavailable
from gateway.audit.auditor import HINT, Auditor
from gateway.background.breathing import breathe
from gateway.background.daemon_thread import call_in_thread
from gateway.background.loops import BackgroundLoop, BackgroundLoops
from gateway.config.problems import ConfigError, Problem
from gateway.config.reloading.reloader import Reload, Result
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.observers import Observers
from gateway.observe.status.process_status import ProcessStatus
from gateway.redis.availability import StoreUnavailable
from gateway.redis.redis_store import RedisStore
from gateway.redis.script import Script

HEAD_SECONDS: Final = 60.0
HEAD_KEY: Final = "audit-head:"
_HEAD_MS: Final = 400 * 86_400 * 1000
_KEEP_HEAD: Final = Script.of("redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1")
_KEYS: Final = ".keys: "


def open_auditor(
    options: AuditOptions | None, writer: LineWriter, observers: Observers, status: ProcessStatus
) -> Auditor:
    """A trail of this process's own chain; none unless configured."""

    def report(failure: str) -> None:
        status.set_reason("audit", f"the audit trail cannot be written ({failure})" if failure else "")
        if failure:
            observers.log.error("audit trail cannot be written", reason=failure, hint=HINT)
        else:
            observers.log.info("audit trail can be written again")

    if options is None:
        return Auditor(None, report)
    chain = AuditChain(options.key, platform.node(), secrets.token_hex(8))
    if options.path is None:
        trail = AuditTrail(chain, writer.write_through)
    else:
        trail = AuditTrail(chain, AuditFile(options.path).write, at_once=FILE_LINES)
    return Auditor(trail, report)


class HeadReports:
    """Says the head of the chain in the ordinary log and in the store, so that a cut-off end is found."""

    def __init__(self, auditor: Auditor, observers: Observers, store: RedisStore | None) -> None:
        self._auditor = auditor
        self._observers = observers
        self._store = store
        self._running: asyncio.Task[None] | None = None

    def start(self, loops: BackgroundLoops) -> None:
        """On the data loop."""
        if self._auditor.trail is not None:
            self._running = loops.start("audit_heads", 2 * HEAD_SECONDS, self._run)

    async def close(self) -> None:
        """Report the last head."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            await self.report()

    async def report(self) -> None:
        """Say the head, if it has moved."""
        head = self._auditor.trail.take_head() if self._auditor.trail is not None else None
        if head is None:
            return
        self._observers.log.info("audit head", chain=head.chain, seq=head.seq, mac=head.mac)
        if self._store is not None:
            await _keep(self._store, head)

    async def _run(self, loop: BackgroundLoop) -> None:
        while True:
            await self.report()
            loop.beat()
            await asyncio.sleep(HEAD_SECONDS)


async def _keep(store: RedisStore, head: AuditHead) -> None:
    try:
        await store.run(_KEEP_HEAD, [HEAD_KEY + head.chain], [f"{head.seq} {head.mac}", _HEAD_MS])
    except StoreUnavailable:
        return  # the log has it; the next one is kept


async def apply_on_record(
    auditor: Auditor,
    source: Path,
    apply: Callable[[Configuration], Awaitable[None]],
    configuration: Configuration,
    changes: tuple[str, ...],
) -> None:
    """Apply a reload that is on record. Raises ConfigError if it cannot be: the active one stays."""
    config = configuration.snapshot.config_hash
    try:
        await auditor.require_all(_reload_events(config, changes))
    except AuditUnavailable as error:
        raise ConfigError([Problem(str(source), f"not applied: {error}", HINT)]) from None
    await apply(configuration)


def _reload_events(config: str, changes: tuple[str, ...]) -> Iterator[AuditEvent]:
    yield "configuration reloaded", {"config": config, "changes": list(changes)}
    for change in changes:
        breathe()
        if _KEYS in change:
            yield "key changed", {"config": config, "change": change}


def note_failed_reload(auditor: Auditor, reload: Reload) -> None:
    """A reload that failed is on record as well."""
    if reload.result is Result.FAILED and auditor.trail is not None:
        problems = [str(problem) for problem in reload.problems]
        values = {"reason": reload.reason, "problems": problems}
        call_in_thread(lambda: auditor.note_now("configuration reload failed", **values))


async def begin_audit(auditor: Auditor, source: Path, configuration: Configuration) -> None:
    """The first line of the chain. Raises ConfigError, which may mend itself, if it cannot be written."""
    try:
        config = configuration.snapshot.config_hash
        await auditor.require("started", version=__version__, config=config, pid=os.getpid())
    except AuditUnavailable as error:
        raise ConfigError([Problem(str(source), str(error), HINT, "audit", temporary=True)]) from None


async def end_audit(auditor: Auditor, heads: HeadReports, *, forced: bool) -> None:
    """The last line of the chain, and its head."""
    await auditor.note(ENDING, forced=forced)
    await heads.close()
