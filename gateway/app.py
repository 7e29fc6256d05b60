"""The composition root: builds the parts, hands them to each other, starts, drains and stops them."""

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway import __version__
from gateway.admin.identities import IdentityCollector
from gateway.admin.server import AdminServer, Health
from gateway.admin.state import StateCollector
from gateway.admission.gates import Gates
from gateway.config.reload import Reload, Reloader
from gateway.config.resolved import ResolvedSettings
from gateway.config.schema import Callers
from gateway.config.snapshot import Snapshot, compile_snapshot
from gateway.handler import Handler, Snapshots
from gateway.listener.descriptors import allow_descriptors
from gateway.listener.patience import ConnectionLimits, Guests
from gateway.listener.server import DataServer
from gateway.listener.tls import ListenerTls, listening_options
from gateway.observe.lines import LineWriter
from gateway.observe.log import Logger, open_log, route_libraries
from gateway.observe.metrics import Metrics
from gateway.observe.observers import Observers
from gateway.parts import Parts, open_parts
from gateway.reloads import Reloads
from gateway.upstream.transport import require_c_parser

_BACKLOG = 1024
_SPARE_DESCRIPTORS = 500  # for listeners, Redis, files, and connections that are one too many
_SETTLE_SECONDS = 0.25  # connections accepted by the kernel still have to reach us (facts/libraries.md)


class Gateway:
    """One replica. `start`, then `drain`, then `stop`, each once, on one loop."""

    def __init__(self, resolved: ResolvedSettings, log: Logger) -> None:
        require_c_parser()
        self._resolved = resolved
        self._log = log
        self._metrics = Metrics()
        self._observers = Observers(log, self._metrics)
        self._snapshots = Snapshots(compile_snapshot(resolved))
        self._reloads = Reloads(self._observers)
        self._draining = False
        self.parts: Parts
        self.url = ""
        self.admin_url = ""

    async def start(self) -> None:
        """Open both ports. Raises `OSError` if an address cannot be bound, `ConfigError` as `open_parts`."""
        settings = self._resolved.settings
        self.parts = parts = await open_parts(self._resolved, self._observers)
        self._metrics.registry.register(
            StateCollector(
                parts.forwarder.gates, parts.forwarder.budget, parts.forwarder.breakers, parts.store
            )
        )
        self._handler = Handler(
            self._snapshots,
            parts.limiter,
            parts.idempotency,
            parts.forwarder,
            self._observers,
            time.perf_counter,
        )
        wanted = settings.callers.connections + settings.upstream.connections + _SPARE_DESCRIPTORS
        allowed = allow_descriptors(wanted)
        self._server = DataServer(
            self._handler.handle,
            self._handler.refuse_unparsed,
            header_bytes=settings.callers.header_bytes,
            headers_max=settings.callers.headers_max,
            limits=connection_limits(settings.callers),
        )
        try:
            await self._listen()
        except OSError:
            await parts.close()
            raise
        self._log.info(
            "serving",
            url=self.url,
            admin=self.admin_url,
            version=__version__,
            config=self._snapshots.current.config_hash,
        )
        if allowed < wanted:
            self._log.warning(
                "fewer open files are allowed than the configured connections need",
                allowed=allowed,
                needed=wanted,
                hint="raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower callers.connections",
            )

    async def _listen(self) -> None:
        host, port = self._resolved.listen
        reuse_port = self._resolved.settings.reuse_port or None
        self._tls = self._make_tls()
        self._listening = await asyncio.get_running_loop().create_server(
            self._server, host, port, backlog=_BACKLOG, reuse_port=reuse_port, **listening_options(self._tls)
        )
        address = self._resolved.admin_listen
        self._admin = AdminServer(address.host, address.port, self._health, self._metrics.exposition)
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
        listener = ListenerTls(tls.context, tls.expires, self._observers.handshake_failed)
        self._metrics.registry.register(IdentityCollector(listener))
        return listener

    def make_reloader(self, environ: Mapping[str, str], tell: Callable[[Reload], None]) -> Reloader:
        """What reads the configuration again for this gateway; `start` it once the gateway has started.

        `tell` is told how each reload ended, after log and metrics.
        """

        def told(reload: Reload) -> None:
            self._reloads.tell(reload)
            tell(reload)

        return Reloader(self._resolved, environ, self._adopt, told)

    def _adopt(self, resolved: ResolvedSettings, snapshot: Snapshot) -> None:
        """Put a configuration into force in one step, for the next request and the next connection."""
        self._resolved = resolved
        self._snapshots.current = snapshot
        self.parts.adopt(resolved, snapshot.api_keys)
        callers = resolved.settings.callers
        self._server.set_bounds(callers.header_bytes, callers.headers_max)
        self._server.guests.limits = connection_limits(callers)
        self.reload_tls(resolved)

    def reload_tls(self, resolved: ResolvedSettings) -> None:
        """New connections get the certificates that were just loaded. TLS itself is not turned on or off."""
        if self._tls is not None and resolved.tls is not None:
            self._tls.replace(resolved.tls.context, resolved.tls.expires)

    async def drain(self) -> None:
        """Take no new connections, and let what is in flight end, up to `drain_seconds`."""
        self._draining = self._handler.draining = True
        self._log.info("draining", connections=len(self._server.connections))
        self._listening.close()
        await asyncio.sleep(_SETTLE_SECONDS)
        self._server.pre_shutdown()
        await self._server.shutdown(self._resolved.settings.drain_seconds or 0.0)

    async def stop(self) -> None:
        """Close what is left."""
        await self.parts.close()
        await asyncio.to_thread(self._admin.stop)
        self._log.info("stopped")

    @property
    def guests(self) -> Guests:
        """The connections of the data port."""
        return self._server.guests

    @property
    def gates(self) -> Gates:
        """The gates in front of Twilio, for whoever watches."""
        return self.parts.forwarder.gates

    def _health(self) -> Health:
        return Health(
            not self._draining,
            {
                "state": "draining" if self._draining else "serving",
                "version": __version__,
                "config": self._snapshots.current.config_hash,
                "store": self._store_health(),
                **self._reload_health(),
            },
        )

    def _reload_health(self) -> dict[str, object]:
        return {} if self._reloads.last is None else {"reload": self._reloads.last.shown}

    def _store_health(self) -> dict[str, object]:
        if self.parts.store is None:
            return {"kind": "memory"}
        state = self.parts.store.state
        return {"kind": "redis", "available": state.available, "since": state.since, "reason": state.reason}


def open_gateway_log(resolved: ResolvedSettings) -> tuple[Logger, LineWriter]:
    """The log on standard output as configured; close the writer last."""
    writer = LineWriter(sys.stdout.fileno())
    log = open_log(writer, resolved.settings.log.level, resolved.settings.log.format)
    route_libraries(log)
    return log, writer


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
