"""The composition root: builds the parts, hands them to each other, starts, drains and stops them."""

import asyncio
import socket
import sys
import time
from typing import Any

from yarl import URL

from gateway import __version__
from gateway.admin.server import AdminServer, Health
from gateway.config.resolved import ResolvedSettings
from gateway.config.snapshot import compile_snapshot
from gateway.handler import Handler, Snapshots
from gateway.listener.server import DataServer
from gateway.observe.lines import LineWriter
from gateway.observe.log import Logger, open_log, route_libraries
from gateway.observe.metrics import Metrics
from gateway.observe.observers import Observers
from gateway.upstream.forward import Forwarder
from gateway.upstream.keys import KeyRing
from gateway.upstream.transport import TransportOptions, open_session, require_c_parser

_BACKLOG = 1024
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
        self._draining = False
        self.url = ""
        self.admin_url = ""

    async def start(self) -> None:
        """Open both ports. Raises `OSError` if an address cannot be bound."""
        settings = self._resolved.settings
        loop = asyncio.get_running_loop()
        self._forwarder = Forwarder(
            open_session(_transport_options(self._resolved)),
            KeyRing(),
            _transport_options(self._resolved),
            self._observers.key_event,
        )
        self._handler = Handler(self._snapshots, self._forwarder, self._observers, time.perf_counter)
        self._server = DataServer(
            self._handler.handle,
            self._handler.refuse_unparsed,
            header_bytes=settings.callers.header_bytes,
            headers_max=settings.callers.headers_max,
            idle_seconds=settings.callers.idle_seconds,
        )
        host, port = self._resolved.listen
        try:
            self._listening = await loop.create_server(
                self._server, host, port, backlog=_BACKLOG, reuse_port=settings.reuse_port or None
            )
            address = self._resolved.admin_listen
            self._admin = AdminServer(address.host, address.port, self._health, self._metrics.exposition)
            self._admin.start()
        except OSError:
            await self._forwarder.close()
            raise
        self.url = f"http://{_shown(host)}:{_port_of(self._listening)}"
        self.admin_url = f"http://{_shown(address.host)}:{self._admin.port}"
        self._log.info(
            "serving",
            url=self.url,
            admin=self.admin_url,
            version=__version__,
            config=self._snapshots.current.config_hash,
        )

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
        await self._forwarder.close()
        await asyncio.to_thread(self._admin.stop)
        self._log.info("stopped")

    def _health(self) -> Health:
        return Health(
            not self._draining,
            {
                "state": "draining" if self._draining else "serving",
                "version": __version__,
                "config": self._snapshots.current.config_hash,
            },
        )


def open_gateway_log(resolved: ResolvedSettings) -> tuple[Logger, LineWriter]:
    """The log on standard output as configured; close the writer last."""
    writer = LineWriter(sys.stdout.fileno())
    log = open_log(writer, resolved.settings.log.level, resolved.settings.log.format)
    route_libraries(log)
    return log, writer


def _transport_options(resolved: ResolvedSettings) -> TransportOptions:
    upstream = resolved.settings.upstream
    return TransportOptions(
        connect_to=URL(str(upstream.connect_to)) if upstream.connect_to else None,
        proxy=URL(resolved.proxy.reveal()) if resolved.proxy else None,
        ca_file=str(resolved.ca_file) if resolved.ca_file else None,
        connections=upstream.connections,
        connect_seconds=upstream.connect_seconds,
        deadline_seconds=upstream.deadline_seconds,
        idle_seconds=upstream.idle_seconds,
    )


def _port_of(server: asyncio.Server) -> int:
    sockets: Any = server.sockets
    first: socket.socket = sockets[0]
    port: int = first.getsockname()[1]
    return port


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
