"""One process from its start to its stop: signals, the first configuration, reloads, secrets, drain.

Knows when something happens; how requests are served is the gateway's, how a command line is read is that of
`commands/`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.app.auditing import (
    HeadReports,
    apply_on_record,
    begin_audit,
    end_audit,
    note_failed_reload,
)
from gateway.app.configuration import Configuration, ConfigurationSource, make_configuration
from gateway.app.gateway import Gateway
from gateway.app.huge_pages import collapse_pages
from gateway.app.process_memory import Trimmer, settle_allocator, settle_garbage
from gateway.app.reload_report import ReloadReporter
from gateway.app.systemd import Notifier
from gateway.background.daemon_thread import Result, run_in_thread
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.paused_collection import paused_collection
from gateway.config.reloading.reloader import Reload, Reloader
from gateway.config.schema.secret_values import SecretEvent
from gateway.observe.log.line_writer import LineWriter

CLEAN, FORCED = 0, 1
"""Exit codes of a process that was stopped: requests in flight ended, or were cancelled."""


async def run_gateway(source: ConfigurationSource, announce: Callable[[str, str], None] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, drain, and stop; SIGHUP reads the configuration again.

    `announce` is called with the data and the admin URL. Returns the exit code. Raises `ConfigError` for an
    unusable configuration, and `ListenError` if a port cannot be opened.
    """
    signals = _Signals(asyncio.get_running_loop())
    resolved, configuration = await _load_first(source, signals) or (None, None)
    if resolved is None or configuration is None:
        return CLEAN
    writer = LineWriter(sys.stdout.fileno())
    notifier = Notifier(os.environ)
    settle_allocator()
    trimmer = Trimmer()
    try:
        gateway = Gateway(configuration, writer)
        if await _unless_stopped(_start(gateway, source, configuration), signals) is None:
            return CLEAN
        loop = asyncio.get_running_loop()
        writer.gather_on(loop)
        settle_garbage()
        trimmer.start(gateway.loops)
        if announce is not None:
            announce(gateway.url, gateway.admin_url)
        notifier.beat_on(loop)
        notifier.ready(f"serving on {gateway.url}, admin on {gateway.admin_url}")
        reloads = _Reloads(gateway, resolved, source, notifier)
        reloads.start(loop)
        signals.reload_by(reloads.hang_up)
        heads = HeadReports(gateway.auditor, gateway.observers, gateway.components.store)
        heads.start(gateway.loops)
        await asyncio.to_thread(collapse_pages)  # the data port is served meanwhile
        await signals.stop.wait()
        signals.stop.clear()
        notifier.stopping("draining")
        await gateway.auditor.note("stopping")
        reloads.refuse()
        code = await _drain(gateway, signals.stop)
        await reloads.close()
        await end_audit(gateway.auditor, heads, forced=code == FORCED)
        await gateway.stop()
        return code
    finally:
        trimmer.close()
        notifier.close()
        writer.close()


class _Signals:
    """SIGTERM and SIGINT set `stop`; SIGHUP asks for a reload, once the gateway serves."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stop = asyncio.Event()
        self._reload: Callable[[], object] | None = None
        self._hung_up = False
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def reload_by(self, reload: Callable[[], object]) -> None:
        """Set what SIGHUP calls. It is called at once if a signal came while the gateway started."""
        self._reload = reload
        if self._hung_up:
            reload()

    def _hang_up(self) -> None:
        self._hung_up = True
        if self._reload is not None:
            self._reload()


async def _load_first(
    source: ConfigurationSource, signals: _Signals
) -> tuple[ResolvedSettings, Configuration] | None:
    """The configuration to start with; None if the process is stopped while it is read.

    Off the loop, because a path may block: a FIFO without a writer, a hung mount.
    """

    def load() -> tuple[ResolvedSettings, Configuration]:
        with paused_collection():
            resolved = source.load()
            return resolved, make_configuration(resolved)

    return await _unless_stopped(run_in_thread(load), signals)


async def _start(gateway: Gateway, source: ConfigurationSource, configuration: Configuration) -> bool:
    await begin_audit(gateway.auditor, source.path, configuration)
    await gateway.start()
    return True


async def _unless_stopped(work: Awaitable[Result], signals: _Signals) -> Result | None:
    """The result of what may take for ever; None if the process is stopped before there is one."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(signals.stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None


class _Reloads:
    """Reloads and refreshed secrets of one running gateway."""

    def __init__(
        self, gateway: Gateway, resolved: ResolvedSettings, source: ConfigurationSource, notifier: Notifier
    ) -> None:
        self._gateway = gateway
        self._secrets = source.secrets
        self._notifier = notifier
        self._reporter = ReloadReporter(gateway.observers, gateway.process_status)
        self._reloader = Reloader(
            resolved,
            lambda: source.load(apart=True),
            make_configuration,
            partial(apply_on_record, gateway.auditor, source.path, gateway.apply),
            self._on_reload,
            loops=gateway.loops,
        )

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the files, and have secret stores asked again in the background."""
        self._reloader.start()

        def on_change() -> None:
            loop.call_soon_threadsafe(self._reloader.trigger, "secret store")

        def on_event(event: SecretEvent, reference: str, why: str) -> None:
            loop.call_soon_threadsafe(self._on_secret, event, reference, why)

        self._gateway.loops.include(self._secrets.loops)
        self._secrets.start(on_change, on_event)
        self._gateway.observers.metrics.secret_ages = self._secrets.ages

    def hang_up(self) -> None:
        """SIGHUP: read the configuration again."""
        self._notifier.reloading()
        self._reloader.trigger("SIGHUP")

    def refuse(self) -> None:
        """Stop reloading."""
        self._reloader.refuse("the gateway is draining")

    async def close(self) -> None:
        """End watching and asking."""
        await self._reloader.close()
        await run_in_thread(self._secrets.close)

    def _on_reload(self, reload: Reload) -> None:
        self._reporter.record(reload)
        note_failed_reload(self._gateway.auditor, reload)
        self._notifier.ready(reload.summary)
        self._show_secret_failures()

    def _on_secret(self, event: SecretEvent, reference: str, why: str) -> None:
        self._gateway.observers.secret_event(event, reference, why)
        self._show_secret_failures()

    def _show_secret_failures(self) -> None:
        """The process is degraded while secret stores do not confirm the values in use."""
        reasons = (f"{reference} not confirmed: {why}" for reference, why in self._secrets.failures().items())
        self._gateway.process_status.set_reason("secret stores", "; ".join(reasons))


async def _drain(gateway: Gateway, stop_again: asyncio.Event) -> int:
    """Drain to the end, or until a second signal, which cancels what is in flight."""
    draining = asyncio.ensure_future(gateway.drain())
    forced = asyncio.ensure_future(stop_again.wait())
    await asyncio.wait((draining, forced), return_when=asyncio.FIRST_COMPLETED)
    forced.cancel()
    if ended := draining.done():
        draining.result()
    else:
        draining.cancel()
    await asyncio.gather(draining, forced, return_exceptions=True)
    return CLEAN if ended else FORCED
