"""`/api/unknowns`: creates whose outcome is unknown, and asking Twilio about one of them again.

Outcomes belong to the data loop: what is asked here is done there. No recipient, sender or text is shown.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiohttp import web

from gateway.admin.api import json_response
from gateway.admin.login import require_own_page
from gateway.admin.query_parameters import require_known
from gateway.audit.audit_trail import AuditUnavailable
from gateway.audit.auditor import HINT, Auditor
from gateway.consumers.credentials import mask_sid
from gateway.observe.runtime import OutcomeRuntime
from gateway.redis.availability import StoreUnavailable
from gateway.repeat_guard.open_outcomes import OpenOutcome

MAX_LISTED: Final = 500
_AWAY: Final = "the shared store does not answer; try again in a moment"
_GONE: Final = "no outcome has this id: it may have been resolved since, or it is older than an hour"
_CANNOT: Final = (
    "Twilio cannot be asked about it: that takes `repeat_guard: {ask: true}` at its credential, and a "
    "message or call to one number in E.164 or one address of a channel"
)
_ELSEWHERE: Final = "another replica is asking about it at this moment; list the outcomes again in a moment"

Result = TypeVar("Result")


class UnknownsApi:
    """One per admin port, on its loop."""

    def __init__(self, outcomes: OutcomeRuntime, auditor: Auditor) -> None:
        self._outcomes = outcomes
        self._auditor = auditor

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/api/unknowns", self._list)
        router.add_post("/api/unknowns/{id}/resolve", self._resolve)

    async def _list(self, request: web.Request) -> web.Response:
        try:
            require_known(request.query, frozenset())
            found = await self._on_data_loop(self._outcomes.resolver.listed(MAX_LISTED))
        except ValueError as error:
            return _refuse(400, str(error))
        except StoreUnavailable:
            return _refuse(503, _AWAY)
        return json_response({"unknowns": [_describe(each) for each in found]})

    async def _resolve(self, request: web.Request) -> web.Response:
        require_own_page(request)
        id_, address = request.match_info["id"], request.remote or ""
        try:
            await self._auditor.require("unknown resolve", outcome=id_, address=address)
        except AuditUnavailable:
            return _refuse(503, f"the audit trail cannot be written; {HINT}")
        try:
            return await self._on_data_loop(self._ask_again(id_, address))
        except StoreUnavailable:
            return _refuse(503, _AWAY)

    async def _ask_again(self, id_: str, address: str) -> web.Response:
        """On the data loop. What a person does is logged, whatever it leads to."""
        resolver = self._outcomes.resolver
        known = next((each for each in await resolver.listed(MAX_LISTED) if each.id == id_), None)
        if known is None:
            return _refuse(404, _GONE)
        if not known.subject.asks:
            return _refuse(409, _CANNOT)
        found = await resolver.resolve_now(known.subject.account, id_)
        self._outcomes.on_resolve(found or known, address)
        return _refuse(409, _ELSEWHERE) if found is None else json_response(_describe(found))

    async def _on_data_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._outcomes.loop))


def _describe(outcome: OpenOutcome) -> dict[str, object]:
    """Times are in seconds since the epoch, None for not yet."""
    subject = outcome.subject
    return {
        "id": outcome.id,
        "at": round(outcome.started_at, 3),
        "ended_at": round(outcome.ended_at, 3) if outcome.ended_at else None,
        "consumer": subject.consumer,
        "credential": subject.credential,
        "account": mask_sid(subject.account),
        "product": subject.product,
        "route": subject.route,
        "state": outcome.state,
        "slug": outcome.slug,
        "status": outcome.status,
        "looks": outcome.looks,
        "looked_at": round(outcome.looked_at, 3) if outcome.looked_at else None,
        "asks": subject.asks,
        "sid": outcome.sid,
    }


def _refuse(status: int, text: str) -> web.Response:
    return json_response({"error": text}, status)
