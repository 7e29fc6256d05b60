"""`/api/stops`: what is stopped, and stopping and starting it. Changes are made on the data loop."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from gateway.admin.admin_authentication import AdminAuthenticator
from gateway.admin.api import json_response
from gateway.admin.login import require_own_page
from gateway.admin.query_parameters import require_known
from gateway.audit.audit_trail import AuditUnavailable
from gateway.audit.auditor import HINT, Auditor
from gateway.observe.runtime import StopRuntime
from gateway.stops.stop_table import ALL, Stop, read_stop

_BODY_SECONDS: Final = 10.0


class StopsApi:
    """One per admin port, on its loop."""

    def __init__(
        self,
        stops: StopRuntime,
        authenticator: AdminAuthenticator,
        auditor: Auditor,
        shows_addresses: Callable[[], bool],
    ) -> None:
        self._shows_addresses = shows_addresses
        self._stops = stops
        self._authenticator = authenticator
        self._auditor = auditor

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/api/stops", self._list)
        router.add_post("/api/stops", self._stop)
        router.add_post("/api/starts", self._start)

    async def _list(self, request: web.Request) -> web.Response:
        try:
            require_known(request.query, frozenset())
        except ValueError as error:
            return _refuse(400, str(error))
        stops = [stop.as_json() for stop in self._stops.service.table.stops.values()]
        if not self._shows_addresses():
            stops = [{**stop, "by": ""} for stop in stops]
        operates = self._authenticator.may_operate(request)
        return json_response(
            {
                "stops": stops,
                "may_operate": operates,
            }
        )

    async def _stop(self, request: web.Request) -> web.Response:
        return await self._change(request, stopped=True)

    async def _start(self, request: web.Request) -> web.Response:
        return await self._change(request, stopped=False)

    async def _change(self, request: web.Request, *, stopped: bool) -> web.Response:
        require_own_page(request)
        address = request.remote or ""
        act = "stop" if stopped else "start"
        if not self._authenticator.may_operate(request):
            await self._auditor.note(f"{act} refused", address=address)
            return _refuse(403, f"{act} needs `admin.operate_token`; this login may only view")
        try:
            stop = await _read(request, address)
        except ValueError as error:
            return _refuse(400, str(error))
        if stopped and stop.consumer != ALL and stop.consumer not in self._stops.consumers():
            return _refuse(404, f"no consumer is called {stop.consumer}")
        values = {"consumer": stop.consumer, "prefix": stop.prefix, "address": address}
        if stopped:
            await self._auditor.note(act, **values)  # a stop is done in any case
        else:
            try:
                await self._auditor.require(act, **values)
            except AuditUnavailable:
                return _refuse(503, f"the audit trail cannot be written; {HINT}")
        work = self._stops.service.change(stop, stopped=stopped)
        found = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._stops.loop))
        self._stops.on_change(act, stop, address)
        return json_response(
            {
                "shared": found.shared,
                "replicas": [{"replica": each.replica, "done": each.done} for each in found.replicas],
            }
        )


async def _read(request: web.Request, address: str) -> Stop:
    """The stop that the JSON body asks for. Raises `ValueError`."""
    if request.content_type != "application/json":
        raise ValueError('send JSON: {"consumer": "billing", "prefix": "+882"}')
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            values = await request.json()
    except TimeoutError:
        raise ValueError("the body did not arrive in time") from None
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(values, dict) or not values.keys() <= {"consumer", "prefix"}:
        raise ValueError("the body has consumer and, if you like, prefix")
    return read_stop(values, time.time(), address)


def _refuse(status: int, text: str) -> web.Response:
    return json_response({"error": text}, status)
