"""The admin port: its own thread and loop, so that it never stalls traffic, and what every answer has.

What is answered is in the other rooms of `admin/`: `api`, `events`, `pages`, `status`, and the metrics.
"""

import asyncio
import ipaddress
import re
import sys
import threading
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.admin.api import Api, json_response
from gateway.admin.events import Events
from gateway.admin.exposition import Page
from gateway.admin.pages import Pages
from gateway.admin.sources import Sources
from gateway.admin.status import Status

_SWITCH_SECONDS = 0.001  # measured: a large scrape then costs the data loop's p99 a quarter (design 5)
_STOP_SECONDS = 2.0
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]*)(?::[0-9]{1,5})?", re.IGNORECASE)
_EVERYWHERE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "twilio-gateway",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AdminServer:
    """Serves health, metrics, page and API. `metrics` is called, and `sources` read, on the admin thread."""

    def __init__(self, host: str, port: int, sources: Sources, metrics: Callable[[str, str], Page]) -> None:
        self.port = port
        self._host = host
        self._sources = sources
        self._status = Status(sources)
        self._metrics = metrics
        self._pages = Pages()
        self._events: Events | None = None
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
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

    async def _open(self) -> None:
        application = web.Application(middlewares=[self._guard])
        application.on_response_prepare.append(_add_headers)
        router = application.router
        router.add_get("/livez", self._livez)
        router.add_get("/readyz", self._readyz)
        router.add_get("/metrics", self._scrape)
        self._events = Events(self._sources, self._status)
        router.add_get("/api/events", self._events.handle)
        Api(self._sources, self._status).add_to(router)
        self._pages.add_to(router)
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_STOP_SECONDS
        )
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, self._host, self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        self._events.start()

    async def _close(self) -> None:
        if self._events is not None:
            await self._events.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """What comes before every handler, and the shape of what none of them answers."""
        try:
            self._check_host(request)
            return await handler(request)
        except web.HTTPException as error:
            if request.path.startswith("/api/"):
                return json_response({"error": error.reason}, error.status)
            raise

    def _check_host(self, request: web.Request) -> None:
        """A page on another name that resolves here must not read us (DNS rebinding).

        An address cannot be rebound, so every one is taken: probes and scrapes come by pod or node address.
        """
        if not is_own_host(request.headers.get("Host", ""), self._host):
            raise web.HTTPForbidden(
                text="The Host is not this admin server's: use its address, or localhost.\n"
            )

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        health = self._status.health()
        return json_response({"ready": health.ready, **health.detail}, 200 if health.ready else 503)

    async def _scrape(self, request: web.Request) -> web.Response:
        page = self._metrics(request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", ""))
        headers = {"Content-Type": page.content_type, "Vary": "Accept, Accept-Encoding"}
        if page.encoding:
            headers["Content-Encoding"] = page.encoding
        return web.Response(body=page.body, headers=headers)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_EVERYWHERE)


def is_own_host(host: str, listened: str) -> bool:
    """Whether a Host field names localhost, an IP address, or the host that is listened on."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1].lower()
    if name in ("localhost", listened.lower()):
        return bool(name)
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
