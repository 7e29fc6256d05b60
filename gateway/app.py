"""The composition root: builds the parts, hands them to each other, starts, drains and stops them."""

import asyncio
import socket
import sys
import time
from typing import Any

from yarl import URL

from gateway import __version__
from gateway.admin.server import AdminServer, Health
from gateway.admin.state import StateCollector
from gateway.admission.gates import Gates
from gateway.admission.governor import GovernorOptions
from gateway.admission.idempotency import Idempotency, IdempotencyOptions
from gateway.admission.limit_leases import LeasedLimits
from gateway.admission.limit_redis import RedisLimits
from gateway.admission.limit_stores import MemoryLimits
from gateway.admission.limits import OnStoreFailure, RateLimiter
from gateway.admission.shares import ShareKeeper
from gateway.config.problems import ConfigError
from gateway.config.resolved import ResolvedSettings
from gateway.config.snapshot import compile_snapshot
from gateway.handler import Handler, Snapshots
from gateway.listener.server import DataServer
from gateway.observe.lines import LineWriter
from gateway.observe.log import Logger, open_log, route_libraries
from gateway.observe.metrics import Metrics
from gateway.observe.observers import Observers
from gateway.store.memory import Moments
from gateway.store.redis import RedisStore
from gateway.upstream.forward import Forwarder
from gateway.upstream.retrying import RetryOptions
from gateway.upstream.transport import TransportOptions, open_session, require_c_parser

_BACKLOG = 1024
_NO_REDIS = ("needs the redis package", "pip install 'twilio-gateway[redis]', or write `store: memory`")
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
        retry = settings.retry
        options = _transport_options(self._resolved)
        self._forwarder = Forwarder(
            open_session(options),
            Gates(_governor_options(self._resolved), settings.governor.queue),
            options,
            RetryOptions(
                attempts=retry.attempts,
                budget_share=retry.budget_percent / 100,
                first_backoff_seconds=retry.first_backoff_seconds,
                longest_backoff_seconds=retry.longest_backoff_seconds,
                post_on_503=retry.post_on_503,
            ),
            self._observers.key_event,
        )
        await self._open_store()
        self._shares: ShareKeeper | None = None
        if self._store is not None:
            self._shares = ShareKeeper(self._forwarder.gates, self._store)
            self._shares.start()
        self._idempotency = self._make_idempotency()
        self._metrics.registry.register(
            StateCollector(
                self._forwarder.gates, self._forwarder.budget, self._forwarder.breakers, self._store
            )
        )
        self._handler = Handler(
            self._snapshots,
            self._make_limiter(),
            self._idempotency,
            self._forwarder,
            self._observers,
            time.perf_counter,
        )
        self._server = DataServer(
            self._handler.handle,
            self._handler.refuse_unparsed,
            header_bytes=settings.callers.header_bytes,
            headers_max=settings.callers.headers_max,
            idle_seconds=settings.callers.idle_seconds,
        )
        host, port = self._resolved.listen
        listening: asyncio.Server | None = None
        try:
            self._listening = listening = await loop.create_server(
                self._server, host, port, backlog=_BACKLOG, reuse_port=settings.reuse_port or None
            )
            address = self._resolved.admin_listen
            self._admin = AdminServer(address.host, address.port, self._health, self._metrics.exposition)
            self._admin.start()
        except OSError:
            if listening is not None:
                listening.close()
            await self._close_upstream()
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
        await self._close_upstream()
        await asyncio.to_thread(self._admin.stop)
        self._log.info("stopped")

    async def _close_upstream(self) -> None:
        await self._idempotency.close()
        if self._shares is not None:
            await self._shares.close()
        await self._forwarder.close()
        if self._store is not None:
            await self._store.close()

    async def _open_store(self) -> None:
        self._store = None
        if self._resolved.store is not None:
            try:
                self._store = RedisStore(self._resolved.store.reveal(), self._observers.store_changed)
            except ImportError as error:
                raise ConfigError([self._resolved.origins.problem(("store",), *_NO_REDIS)]) from error
            await self._store.open()

    def _make_limiter(self) -> RateLimiter:
        return RateLimiter(
            MemoryLimits(Moments(), time.monotonic),
            LeasedLimits(RedisLimits(self._store, time.time), time.time) if self._store is not None else None,
            on_store_failure=OnStoreFailure(self._resolved.settings.on_store_failure),
            clock=asyncio.get_running_loop().time,
        )

    def _make_idempotency(self) -> Idempotency:
        settings = self._resolved.settings
        return Idempotency(
            IdempotencyOptions(
                ttl_seconds=settings.idempotency.ttl_seconds,
                max_bytes=settings.idempotency.max_bytes,
                max_entries=settings.idempotency.max_entries,
                refuses=settings.on_store_failure == "refuse",
                releases_503=settings.retry.post_on_503,
            ),
            time.monotonic,
            store=self._store,
            on_event=self._observers.metrics.count_idempotency_event,
        )

    @property
    def gates(self) -> Gates:
        """The gates in front of Twilio, for whoever watches."""
        return self._forwarder.gates

    def _health(self) -> Health:
        return Health(
            not self._draining,
            {
                "state": "draining" if self._draining else "serving",
                "version": __version__,
                "config": self._snapshots.current.config_hash,
                "store": self._store_health(),
            },
        )

    def _store_health(self) -> dict[str, object]:
        if self._store is None:
            return {"kind": "memory"}
        state = self._store.state
        return {"kind": "redis", "available": state.available, "since": state.since, "reason": state.reason}


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


def _governor_options(resolved: ResolvedSettings) -> GovernorOptions:
    governor = resolved.settings.governor
    return GovernorOptions(floor=governor.floor, ceiling=governor.ceiling, initial=governor.initial)


def _port_of(server: asyncio.Server) -> int:
    sockets: Any = server.sockets
    first: socket.socket = sockets[0]
    port: int = first.getsockname()[1]
    return port


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
