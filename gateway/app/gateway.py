"""The composition root: builds the parts, hands them to each other, starts, drains and stops them."""

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway import __version__
from gateway.admin.admin_authentication import AdminAccess, AdminAuthenticator
from gateway.admin.admin_server import AdminServer
from gateway.app.components import Components, key_sources, open_parts, open_tracing
from gateway.app.file_descriptors import allow_descriptors
from gateway.app.reload_report import ReloadReporter
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiters
from gateway.config.compile import compile_snapshot
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.reloading.reloader import Reload, Reloader
from gateway.config.schema.admin_settings import is_loopback
from gateway.config.schema.secret_values import SecretEvent
from gateway.config.schema.settings import Callers, Log
from gateway.handler import Handler
from gateway.identity.jwt_verifier import TokenVerifier
from gateway.listener.connections import ConnectionLimits, ConnectionTracker
from gateway.listener.data_server import DataServer
from gateway.listener.drain import drain
from gateway.listener.tls_context import HANDSHAKES_AT_ONCE, ListenerTls, listening_options
from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.log.library_logs import route_libraries
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.structured_log import Logger, open_log
from gateway.observe.metrics.exposition import Exposition
from gateway.observe.metrics.identity_families import IdentityCollector
from gateway.observe.metrics.registry import Metrics
from gateway.observe.metrics.runtime_families import StateCollector, name_keys
from gateway.observe.observers import Observers
from gateway.observe.runtime import Runtime
from gateway.observe.status.heartbeat import Heartbeat
from gateway.observe.status.process_status import ProcessStatus
from gateway.policy.snapshot import Snapshot, Snapshots
from gateway.upstream.session import require_c_parser

_BACKLOG = 1024
_SPARE_DESCRIPTORS = 500  # for listeners, Redis, files, and connections that are one too many


class Gateway:
    """One replica. `start`, then `drain`, then `stop`, each once, on one loop.

    Raises `ConfigError` as `compile_snapshot` and `open_tracing`.
    """

    def __init__(self, resolved: ResolvedSettings, log: Logger, writer: LineWriter) -> None:
        require_c_parser()
        self._resolved = resolved
        self._writer = writer
        self._metrics = Metrics()
        self._exchange_queue = ExchangeQueue()
        self._observers = Observers(log, self._metrics, self._exchange_queue, open_tracing(resolved))
        self.process_status = ProcessStatus()
        self.heartbeat = Heartbeat()
        self._snapshots = Snapshots(compile_snapshot(resolved))
        current = self._snapshots.current
        self._metrics.configuration.started(current.config_hash, name_keys(current))
        self._reloads = ReloadReporter(self._observers, self.process_status)
        self.parts: Components
        self.url = ""
        self.admin_url = ""

    async def start(self) -> None:
        """Open both ports. Raises `OSError` if an address cannot be bound, `ConfigError` as `open_parts`."""
        settings = self._resolved.settings
        self.parts = parts = await open_parts(self._resolved, self._observers)
        await parts.keys.configure(key_sources(self._resolved, self._snapshots.current))
        self._handler = Handler(
            self._snapshots,
            TokenVerifier(parts.keys),
            parts.limiter,
            parts.idempotency,
            parts.forwarder,
            self._observers,
            time.perf_counter,
        )
        wanted = settings.callers.connections + settings.upstream.connections + _SPARE_DESCRIPTORS
        if self._resolved.tls is not None:
            wanted += HANDSHAKES_AT_ONCE
        allowed = allow_descriptors(wanted)
        self._server = DataServer(
            self._handler.handle,
            self._handler.refuse_unparsed,
            header_bytes=settings.callers.header_bytes,
            headers_max=settings.callers.headers_max,
            limits=connection_limits(settings.callers),
        )
        self._tls = self._make_tls()
        self._metrics.registry.register(IdentityCollector(self._tls, parts.keys))
        try:
            await self._listen()
        except OSError:
            await parts.close()
            await self._observers.close()
            raise
        self.heartbeat.start(asyncio.get_running_loop())
        self._observers.log.info(
            "serving",
            url=self.url,
            admin=self.admin_url,
            version=__version__,
            config=self._snapshots.current.config_hash,
        )
        if allowed < wanted:
            self._observers.log.warning(
                "fewer open files are allowed than the configured connections need",
                allowed=allowed,
                needed=wanted,
                hint="raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower callers.connections",
            )

    async def _listen(self) -> None:
        host, port = self._resolved.listen
        self._reuse_port = self._resolved.settings.reuse_port
        self._listening = await asyncio.get_running_loop().create_server(
            self._server,
            host,
            port,
            backlog=_BACKLOG,
            reuse_port=self._reuse_port or None,
            **listening_options(self._tls),
        )
        address = self._resolved.admin_listen
        runtime = self._runtime()
        self._metrics.registry.register(StateCollector(runtime))
        exposition = Exposition(self._metrics.registry)
        self._authenticator = AdminAuthenticator(
            AdminAccess.of(self._resolved), self._observers.admin_refused
        )
        self._admin = AdminServer(address.host, address.port, runtime, self._authenticator, exposition.page)
        try:
            self._admin.start()
        except OSError:
            self._listening.close()
            raise
        self.url = f"{'https' if self._tls else 'http'}://{_shown(host)}:{_port_of(self._listening)}"
        self.admin_url = f"http://{_shown(address.host)}:{self._admin.port}"

    def _make_tls(self) -> ListenerTls | None:
        tls = self._resolved.tls
        if tls is None:
            return None
        return ListenerTls(tls.context, tls.expires, self._observers.handshake_failed)

    def make_reloader(self, load: Callable[[], ResolvedSettings], tell: Callable[[Reload], None]) -> Reloader:
        """What puts into force what `load` reads; `start` it once the gateway has started.

        `tell` is told how each reload ended, after log and metrics.
        """

        def told(reload: Reload) -> None:
            self._reloads.tell(reload)
            tell(reload)

        return Reloader(self._resolved, load, self._adopt, told)

    def show_secret_ages(self, ages: Callable[[], Mapping[str, float]]) -> None:
        """Have the metrics ask `ages` at each scrape: reference -> seconds since a store confirmed it."""
        self._metrics.secret_ages = ages

    def log_secret(self, event: SecretEvent, reference: str, why: str) -> None:
        """A secret store gave another value (`rotated`), is away (`kept`), or is back (`confirmed`)."""
        self._observers.secret_event(event, reference, why)

    def record_failures(self, troubles: Mapping[str, str]) -> None:
        """What secret stores did not confirm: reference -> why. It ails the gateway until they do."""
        told = "; ".join(f"{reference} not confirmed: {why}" for reference, why in troubles.items())
        self.process_status.set_reason("secret stores", told)

    async def _adopt(self, resolved: ResolvedSettings, snapshot: Snapshot) -> None:
        """Put a configuration into force in one step, for the next request and the next connection."""
        if resolved.settings.log != self._resolved.settings.log:
            self._observers.log = _make_log(self._writer, resolved.settings.log)
        self._resolved = resolved
        self._snapshots.current = snapshot
        self._metrics.configuration.reloaded(snapshot.config_hash, name_keys(snapshot))
        self.parts.adopt(resolved, snapshot)
        callers = resolved.settings.callers
        self._server.set_bounds(callers.header_bytes, callers.headers_max)
        self._server.guests.limits = connection_limits(callers)
        self.reload_tls(resolved)
        access = AdminAccess.of(resolved)
        remote = not is_loopback(resolved.admin_listen.host)
        self._authenticator.access = self._authenticator.access.kept_closed(access) if remote else access
        await self.parts.keys.configure(key_sources(resolved, snapshot))

    def reload_tls(self, resolved: ResolvedSettings) -> None:
        """New connections get the certificates that were just loaded. TLS itself is not turned on or off."""
        if self._tls is not None and resolved.tls is not None:
            self._tls.replace(resolved.tls.context, resolved.tls.expires)

    async def drain(self) -> None:
        """Turn callers away without failing one, and let what is in flight end, up to `drain_seconds`.

        Cancelled, it breaks off what is left.
        """
        self.process_status.draining = self._handler.draining = True
        self._observers.log.info("draining", connections=len(self._server.connections))
        settings = self._resolved.settings
        await drain(self._listening, self._server, settings.drain_seconds, shared=self._reuse_port)

    async def stop(self) -> None:
        """Close what is left."""
        self.heartbeat.close()
        await self.parts.close()
        await asyncio.to_thread(self._admin.stop)
        await self._observers.close()
        self._observers.log.info("stopped")

    @property
    def guests(self) -> ConnectionTracker:
        """The connections of the data port."""
        return self._server.guests

    @property
    def limiters(self) -> ConcurrencyLimiters:
        """The concurrency limiters in front of Twilio, for tests and tools."""
        return self.parts.forwarder.limiters

    def _runtime(self) -> Runtime:
        parts, server, handler = self.parts, self._server, self._handler
        loop = asyncio.get_running_loop()
        return Runtime(
            process_status=self.process_status,
            traffic_window=TrafficWindow(self._exchange_queue),
            snapshot=lambda: self._snapshots.current,
            forwarder=parts.forwarder,
            limiter=parts.limiter,
            store=parts.store,
            idempotency=parts.idempotency,
            connection_tracker=server.guests,
            connections=lambda: len(server.connections),
            in_flight=lambda: handler.in_flight,
            tasks=lambda: len(asyncio.all_tasks(loop)),
            heartbeat=self.heartbeat,
            log_dropped=lambda: self._writer.dropped,
            traces_dropped=lambda: self._observers.traces_dropped,
        )


def open_gateway_log(resolved: ResolvedSettings) -> tuple[Logger, LineWriter]:
    """The log on standard output as configured; close the writer last."""
    writer = LineWriter(sys.stdout.fileno())
    return _make_log(writer, resolved.settings.log), writer


def _make_log(writer: LineWriter, settings: Log) -> Logger:
    log = open_log(writer, settings.level, settings.format, settings.sample_successes)
    route_libraries(log)
    return log


def connection_limits(callers: Callers) -> ConnectionLimits:
    """What a connection may cost, as configured."""
    return ConnectionLimits(
        connections=callers.connections,
        connections_per_address=callers.connections_per_address,
        idle_seconds=callers.idle_seconds,
        head_seconds=callers.head_seconds,
        write_seconds=callers.write_seconds,
    )


def _port_of(server: asyncio.Server) -> int:
    sockets: Any = server.sockets
    first: socket.socket = sockets[0]
    port: int = first.getsockname()[1]
    return port


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
