"""The admin port: health and metrics, on its own thread and loop, so that a scrape never stalls traffic."""

import asyncio
import ipaddress
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import orjson
from aiohttp import web

_SWITCH_SECONDS = 0.001  # measured: a large scrape then costs the data loop's p99 a quarter (design 5)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]*)(?::[0-9]{1,5})?", re.IGNORECASE)


class Health(NamedTuple):
    """Whether traffic should come here, and why not."""

    ready: bool
    detail: dict[str, object]


class AdminServer:
    """Serves /livez, /readyz and /metrics. `health` and `metrics` are called on the admin thread."""

    def __init__(
        self, host: str, port: int, health: Callable[[], Health], metrics: Callable[[], bytes]
    ) -> None:
        self.port = port
        self._host = host
        self._health = health
        self._metrics = metrics
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
        """Stop listening and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        application = web.Application(middlewares=[self._check_host])
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._scrape)
        runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, self._host, self.port)
        await site.start()
        self.port = runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _check_host(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """A page on another name that resolves here must not read us (DNS rebinding).

        An address cannot be rebound, so every one is taken: probes and scrapes come by pod or node address.
        """
        if not is_own_host(request.headers.get("Host", ""), self._host):
            raise web.HTTPForbidden(
                text="The Host is not this admin server's: use its address, or localhost.\n"
            )
        return await handler(request)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        health = self._health()
        return web.Response(
            status=200 if health.ready else 503,
            body=orjson.dumps({"ready": health.ready, **health.detail}) + b"\n",
            content_type="application/json",
        )

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


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
