"""The composition root: builds the parts, hands them to each other, starts, drains and stops them."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from gateway import __version__
from gateway.admin.admin_authentication import AdminAuthenticator
from gateway.admin.admin_server import AdminServer
from gateway.app.auditing import open_auditor
from gateway.app.collectors import register_collectors
from gateway.app.components import Components, open_components, open_tracing
from gateway.app.configuration import Configuration
from gateway.app.file_descriptors import allow_connections
from gateway.app.key_usage_options import make_keeper
from gateway.app.listen_error import ListenError
from gateway.app.minting import Minting
from gateway.app.ports import Ports
from gateway.app.upstream_loops import require_no_loop, upstream_names
from gateway.app.webhook_port import WebhookPort
from gateway.background.daemon_thread import call_in_thread
from gateway.background.loops import BackgroundLoops
from gateway.build_info import build_kind
from gateway.config.loading.resolved import Role
from gateway.config.problems import ConfigError
from gateway.config.reloading.teardown import forget_keys
from gateway.consumers.consumer import Consumer
from gateway.decisions import Decisions
from gateway.handler import Handler
from gateway.identity.jwt_verifier import TokenVerifier
from gateway.listener.listener import Listener
from gateway.listener.request_parser import require_c_parser
from gateway.listener.tls_context import ListenerTls
from gateway.listener.tunnels import TunnelBounds
from gateway.observe.consumer_report import ConsumerReports
from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.log.library_logs import open_routed_log
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.metrics.exposition import Exposition
from gateway.observe.metrics.registry import Metrics
from gateway.observe.metrics.runtime_families import name_keys
from gateway.observe.names_given_again import NamesGivenAgain
from gateway.observe.observers import Observers
from gateway.observe.runtime import OutcomeRuntime, Runtime, StopRuntime, WebhookRuntime
from gateway.observe.status.heartbeat import Heartbeat
from gateway.observe.status.process_status import ProcessStatus
from gateway.policy.snapshot import Snapshots
from gateway.replicas.replica_view import ViewOptions
from gateway.self_service.usage_endpoint import UsageEndpoint


class Gateway:
    """One replica: `start`, `apply` for each reload, `drain`, `stop`, all on one loop.

    `writer` takes the log's lines; the caller closes it last.
    """

    def __init__(self, configuration: Configuration, writer: LineWriter) -> None:
        require_c_parser()
        self._configuration = configuration
        self._writer = writer
        self._exchange_queue = ExchangeQueue()
        options = configuration.options
        tracer = open_tracing(options.tracing)
        log = open_routed_log(writer, options.log)
        self.observers = Observers(log, Metrics(), self._exchange_queue, tracer)
        self.observers.records_addresses = options.log.addresses
        self.loops = BackgroundLoops(self.observers.loop_failed)
        self.loops.include(writer.loops)
        if tracer is not None:
            self.loops.include(tracer.loops)
        self.process_status = ProcessStatus()
        self.auditor = open_auditor(options.audit, writer, self.observers, self.process_status)
        self.heartbeat = Heartbeat()
        self._given_again = NamesGivenAgain(self.observers.metrics.counts, time.time)
        self._snapshots = Snapshots(configuration.snapshot)
        self.components: Components
        self.listener: Listener
        self.webhooks: WebhookPort | None = None
        self._serves_data = configuration.role is not Role.WEBHOOKS

    @property
    def url(self) -> str:
        """Where callers are served, for people; '' where only webhooks are."""
        return self._ports.url

    @property
    def admin_url(self) -> str:
        """Where the admin port is, for people."""
        return self._ports.admin_url

    async def start(self) -> None:
        """Apply the configuration and open both ports. Raises `ListenError` if one cannot be opened,
        and `ConfigError` if Twilio's names lead to this gateway."""
        options = self._configuration.options
        self.components = components = await open_components(
            options, self.observers, self.loops, self._snapshots
        )
        self._tunnels = tunnels = TunnelBounds(self.observers.handshake_failed)
        self._handler = self._make_handler(components, tunnels)
        self._tls = self._make_tls()
        self._minting = Minting(tunnels, self._tls)
        handler, wanted = self._handler, options.listener
        self.listener = Listener(
            "data", handler.handle, handler.refuse_unparsed, wanted.limits, wanted.heads, self._tls, tunnels,
            buffers=components.buffers,
        )  # fmt: skip
        if self._configuration.webhooks is not None:
            self.webhooks = WebhookPort(
                self._configuration.webhooks,
                self.observers,
                components.buffers,
                components.status_news.told,
                components.store,
            )
        self._authenticator = AdminAuthenticator(options.admin.access, self._admin_refused)
        data = self.listener if self._serves_data else None
        self._ports = Ports(data, self.webhooks, tls=self._tls is not None)
        descriptors = allow_connections(options, tls=self._tls is not None)
        try:
            await self.apply(self._configuration)
            if self._serves_data:
                await require_no_loop(options, upstream_names(self._snapshots.current))
            await self._listen()
        except (ListenError, ConfigError):
            await components.close()
            if self.webhooks is not None:
                await self.webhooks.close()
            await self.observers.close()
            raise
        self.heartbeat.start(asyncio.get_running_loop())
        self.observers.log.info(
            "serving",
            url=self.url,
            admin=self.admin_url,
            **({} if self.webhooks is None else {"webhooks": self.webhooks.url}),
            version=__version__,
            build=build_kind(),
            config=self._snapshots.current.config_hash,
        )
        descriptors.warn(self.observers.log)

    async def apply(self, configuration: Configuration) -> None:
        """Apply a configuration in one step, for the next request and the next connection.

        At the start as at each reload. What the process keeps until a restart is marked in the schema.
        """
        options, snapshot = configuration.options, configuration.snapshot
        if options.log != self._configuration.options.log:
            self.observers.write_to(open_routed_log(self._writer, options.log))
            self.observers.records_addresses = options.log.addresses
        replaced, self._configuration = self._configuration, configuration
        self._snapshots.current = snapshot
        self._given_again.apply(snapshot.consumers)
        self.observers.metrics.configuration.apply(snapshot.config_hash, name_keys(snapshot))
        self.listener.apply(options.listener.limits, options.listener.heads)
        self._minting.apply(configuration.ca, configuration.own_names, snapshot.hosts, configuration.tls)
        self._authenticator.apply(options.admin.access, remote=options.admin.remote)
        if self.webhooks is not None and configuration.webhooks is not None:
            await self.webhooks.apply(configuration.webhooks)
        await self.components.apply(configuration)
        if replaced is not configuration:
            call_in_thread(lambda: forget_keys(replaced.snapshot))

    async def drain(self) -> None:
        """Stop accepting callers without failing any, and let requests in flight finish for up to
        `drain_seconds`. Cancelled, it cancels what is left."""
        self.process_status.draining = self._handler.draining = True
        self.observers.log.info("draining", connections=self.listener.tracker.open)
        await self._ports.drain(self._configuration.options.listener.drain_seconds)

    async def stop(self) -> None:
        """Close what is left."""
        self.heartbeat.close()
        if self.webhooks is not None:
            await self.webhooks.close()
        await self.components.close()
        await asyncio.to_thread(self._admin.stop)
        await self.observers.close()
        self.observers.log.info("stopped")

    async def _listen(self) -> None:
        options = self._configuration.options
        await self._ports.open_traffic(options.listener)
        runtime, metrics = self._runtime(), self.observers.metrics
        register_collectors(
            metrics, runtime, self.components, self._tunnels, self._minting, self.auditor.trail, self.webhooks
        )  # fmt: skip
        self._admin = AdminServer(
            *options.admin.address,
            runtime,
            self._authenticator,
            Exposition(metrics.registry).page,
            self.auditor,
            ViewOptions(self.components.stops.replica, options.store, options.store_prefix),
        )
        self._ports.open_admin(self._admin, options.admin.address)

    async def _report_usage(self, consumer: Consumer, uses: dict[str, float]) -> dict[str, Any]:
        """What `/-/usage` answers."""
        return await self._admin.report_usage(consumer, self._snapshots.current, uses)

    def _consumer_names(self) -> Collection[str]:
        return self._snapshots.current.consumers.keys()

    def _admin_refused(self, address: str) -> None:
        """On the admin thread."""
        self.observers.admin_refused(address)
        self.auditor.note_now("admin token refused", address=address)

    def _make_handler(self, components: Components, tunnels: TunnelBounds) -> Handler:
        return Handler(
            self._snapshots,
            components.stops.table,
            Decisions(TokenVerifier(components.keys), former=components.former_keys),
            components.limiter,
            components.idempotency,
            components.repeat_guard,
            components.resolver,
            components.forwarder,
            self.observers,
            time.perf_counter,
            UsageEndpoint(components.limiter, self._report_usage),
            tunnels,
        )

    def _make_tls(self) -> ListenerTls | None:
        tls = self._configuration.tls
        return None if tls is None else ListenerTls(tls.context, tls.expires, self.observers.handshake_failed)

    def _runtime(self) -> Runtime:
        components, tracker, handler = self.components, self.listener.tracker, self._handler
        loop = asyncio.get_running_loop()
        traffic_window = TrafficWindow(
            self._exchange_queue,
            shows_addresses=self.observers.shows_addresses,
            given_again=self._given_again.take,
        )
        keeper = make_keeper(self._configuration, traffic_window, components, self._snapshots)
        hooks, seen = self.webhooks, (self.observers.metrics.webhooks, self.observers.recent_webhooks)
        return Runtime(
            process_status=self.process_status,
            traffic_window=traffic_window,
            key_usage=keeper,
            reports=ConsumerReports(
                traffic_window,
                self.observers.metrics.counts,
                keeper,
                lambda: components.stops.table.stops,
                self.process_status.started_at,
                self._given_again,
            ),
            snapshot=lambda: self._snapshots.current,
            forwarder=components.forwarder,
            limiter=components.limiter,
            store=components.store,
            idempotency=components.idempotency,
            repeat_guard=components.repeat_guard,
            outcomes=OutcomeRuntime(components.resolver, loop, self.observers.outcome_asked),
            stops=StopRuntime(components.stops, loop, self._consumer_names, self.observers.stop_changed),
            listeners=(self.listener,) if hooks is None else (self.listener, hooks.listener),
            buffers=components.buffers,
            connections=lambda: tracker.open,
            in_flight=lambda: handler.in_flight,
            tasks=lambda: len(asyncio.all_tasks(loop)),
            heartbeat=self.heartbeat,
            loops=self.loops,
            log_dropped=lambda: self._writer.dropped,
            traces_dropped=lambda: self.observers.traces_dropped,
            webhooks=None if hooks is None else WebhookRuntime(hooks.state, *seen),
            root_pem=lambda: self._minting.root_pem,
            certificates=self._minting.certificates,
        )
