"""The admin port: its own thread and loop, so that it never stalls traffic, and which file answers what.

`request_guard` comes before everything else; `admin_authentication`, `sessions` and `login` decide who may
enter; `api`, `events`, `static_files` and the metrics answer.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from gateway.admin.admin_authentication import AdminAuthenticator
from gateway.admin.admin_connections import AdminConnections, AdminProtocol
from gateway.admin.api import Api, json_response
from gateway.admin.consumer_api import ConsumerApi
from gateway.admin.events import Events
from gateway.admin.history_api import HistoryApi
from gateway.admin.keys_api import KeysApi
from gateway.admin.login import Login
from gateway.admin.replicas_api import ReplicasApi, view_sources
from gateway.admin.request_guard import Guard, add_headers, answer_failure
from gateway.admin.static_files import StaticFiles
from gateway.admin.stops_api import StopsApi
from gateway.admin.unknowns_api import UnknownsApi
from gateway.audit.auditor import Auditor
from gateway.consumers.consumer import Consumer
from gateway.observe.metrics.exposition import ExpositionPage
from gateway.observe.runtime import Runtime
from gateway.observe.status.health import Status
from gateway.policy.snapshot import Snapshot
from gateway.replicas.consumer_view import ConsumerView
from gateway.replicas.replica_view import ReplicaView, ViewOptions

_SWITCH_SECONDS = (
    0.001  # measured: a large scrape then costs the data loop's p99 a quarter (docs/design.md 5)
)
_STOP_SECONDS = 2.0
_CONNECTION: Any = {"access_log": None, "lingering_time": 1.0}
_MAX_BODY_BYTES = 4096
_MAX_SILENCE_SECONDS = 20.0  # a reload or a collection takes no second of the data loop
_BACKLOG = 128


class AdminServer:
    """Serves health, metrics, page and API. `metrics` is called, and `sources` read, on the admin thread."""

    def __init__(
        self,
        host: str,
        port: int,
        runtime: Runtime,
        authenticator: AdminAuthenticator,
        metrics: Callable[[str, str], ExpositionPage],
        auditor: Auditor,
        view: ViewOptions,
    ) -> None:
        self.port = port
        self._host = host
        self._authenticator = authenticator
        self._status = Status(runtime)
        self._view_options, self._runtime_loops = view, runtime.loops
        self._key_usage = runtime.key_usage
        self._heartbeat = runtime.heartbeat
        self._metrics = metrics
        self._root_pem = runtime.root_pem
        self._api = Api(runtime, self._status, view.replica)
        self._view = ReplicaView(view, view_sources(self._api, runtime, self._status), runtime.loops)
        self._events = Events(runtime, self._status, self._api, self._view)
        self._guard = Guard(authenticator, host)
        self._connections = AdminConnections()
        self._auditor = auditor
        self._application = self._build(runtime)
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="admin", daemon=True)

    def start(self) -> None:
        """Listen. Raises `OSError` if the address cannot be bound."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop listening, end what is being answered, and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def report_usage(
        self, consumer: Consumer, snapshot: Snapshot, uses: Mapping[str, float]
    ) -> dict[str, Any]:
        """What `/-/usage` answers: made on the admin thread, where the figures are."""
        report = self._consumers.report_usage(consumer, snapshot, uses)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(report, self._loop))

    def _build(self, runtime: Runtime) -> web.Application:
        application = web.Application(middlewares=[self._guard.stand], client_max_size=_MAX_BODY_BYTES)
        application.on_response_prepare.append(add_headers)
        router = application.router
        for path, probe in (("/livez", self._livez), ("/readyz", self._readyz)):
            router.add_get(path, probe)
            # HAProxy's `option httpchk /readyz` asks with OPTIONS:
            # https://docs.haproxy.org/3.0/configuration.html#4.2-option%20httpchk
            router.add_options(path, probe)
        router.add_get("/metrics", self._scrape)
        router.add_get("/root.pem", self._root)
        router.add_get("/api/events", self._events.handle)
        self._api.add_to(router)
        ReplicasApi(self._api, self._view, runtime).add_to(router)
        HistoryApi(runtime, self._view).add_to(router)
        KeysApi(runtime).add_to(router)
        shows = runtime.traffic_window.shows_addresses
        StopsApi(runtime.stops, self._authenticator, self._auditor, shows).add_to(router)
        UnknownsApi(runtime.outcomes, self._auditor).add_to(router)
        view = ConsumerView(self._view, runtime.reports.own, shows)
        self._consumers = ConsumerApi(runtime, view)
        self._consumers.add_to(router)
        Login(self._authenticator, self._auditor).add_to(router)
        StaticFiles().add_to(router)
        return application

    async def _open(self) -> None:
        runner = web.AppRunner(
            self._application, access_log=None, handle_signals=False, shutdown_timeout=_STOP_SECONDS
        )
        await runner.setup()
        self._runner = runner
        manager: Any = runner.server
        self._listening = await self._loop.create_server(
            lambda: AdminProtocol(manager, self._connections, answer_failure, loop=self._loop, **_CONNECTION),
            self._host,
            self.port,
            backlog=_BACKLOG,
        )
        self.port = self._listening.sockets[0].getsockname()[1]
        url = None if self._view_options.store is None else self._view_options.store.reveal
        self._key_usage.start(url, self._view_options.prefix, self._runtime_loops)
        self._events.start()
        self._view.start()

    async def _close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._events.close()
        await self._view.close()
        await self._key_usage.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, request: web.Request) -> web.Response:
        """Whether the *data* loop is alive; this loop is another one, and answers while that one is stuck."""
        silent_seconds = self._heartbeat.silent_seconds()
        alive = silent_seconds <= _MAX_SILENCE_SECONDS
        if alive or not self._guard.is_own(request):
            return _probe_answer(alive)
        text = f"the data port's loop has not moved for {silent_seconds:.0f} s\n"
        return web.Response(status=503, text=text)

    async def _readyz(self, request: web.Request) -> web.Response:
        """Unauthenticated callers see readiness only, and callers by another name one word.

        Details would help an attacker; a page of another site could read them by a name that resolves here.
        """
        health = self._status.health()
        if not self._guard.is_own(request):
            return _probe_answer(health.ready)
        known = self._authenticator.is_logged_in(request)
        detail = health.detail if known else {}
        return json_response({"ready": health.ready, **detail}, 200 if health.ready else 503)

    async def _root(self, _: web.Request) -> web.Response:
        """What clients of tunnels trust. It is public; that it is the right one, its SHA-256 shows."""
        content = self._root_pem()
        if not content:
            raise web.HTTPNotFound(text="No `ca` is configured.\n")
        return web.Response(body=content, content_type="application/x-pem-file")

    async def _scrape(self, request: web.Request) -> web.Response:
        page = self._metrics(request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", ""))
        headers = {"Content-Type": page.content_type, "Vary": "Accept, Accept-Encoding"}
        if page.encoding:
            headers["Content-Encoding"] = page.encoding
        return web.Response(body=page.body, headers=headers)


def _probe_answer(well: bool) -> web.Response:
    return web.Response(text="ok\n") if well else web.Response(status=503, text="not ready\n")
