"""`/api/…`: what the page shows, as JSON. Read-only; times are seconds since the epoch, durations seconds.

Each answer is made from the traffic window, the status and the snapshot at the moment of the request.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

import orjson
from aiohttp import web

from gateway.admin.query_parameters import PageQuery, require_known
from gateway.admin.webhook_api import describe_webhooks
from gateway.consumers.consumer import Consumer
from gateway.consumers.credentials import Credential, mask_sid
from gateway.consumers.rate_limit_rules import Limit, Per
from gateway.http.user_agent import split_sdk
from gateway.observe.live.breakdowns import Breakdown
from gateway.observe.live.recent_exchanges import UNKNOWN_CONSUMER, Filter, Numbered
from gateway.observe.live.traffic_window import KeyUse
from gateway.observe.runtime import Runtime
from gateway.observe.status.health import Status
from gateway.twilio.sdks import post_repeats

_CODE_URL = "https://www.twilio.com/docs/api/errors/"
_NONE: frozenset[str] = frozenset()

Answer = Callable[[web.Request], dict[str, object]]
Rows = list[dict[str, object]]


class Api:
    """One per admin port."""

    def __init__(self, runtime: Runtime, status: Status, replica: str) -> None:
        self._runtime = runtime
        self._replica = replica
        self.shared_uses: Mapping[str, float] = {}
        """Of limits that only the store counts: their use by key, as it was a while ago."""
        self._traffic_window = runtime.traffic_window
        self._status = status

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        runtime = self._runtime
        router.add_get("/api/state", _answering(_without_parameters(self._status.describe)))
        router.add_get("/api/limits", _answering(self._limits))
        router.add_get("/api/webhooks", _answering(lambda request: describe_webhooks(runtime, request)))

    def tables(self) -> dict[str, Rows]:
        """All tables, as replicas publish them."""
        return {
            "consumers": self._consumers(),
            "routes": self._routes(),
            "credentials": self._credentials(),
            **self._codes(),
        }

    def _consumers(self) -> Rows:
        now = self._traffic_window.refresh()
        breakdowns, rates = self._traffic_window.tables.consumers(now), self._traffic_window.tables.rates(now)
        configured = self._runtime.snapshot().consumers
        return [
            self._consumer(
                name, configured.get(name), breakdowns.get(name, Breakdown()), rates.get(name, 0.0)
            )
            for name in {**configured, **breakdowns}
        ]

    def _consumer(
        self, name: str, consumer: Consumer | None, breakdown: Breakdown, rate: float
    ) -> dict[str, object]:
        return {
            "name": name or UNKNOWN_CONSUMER,
            "requests": breakdown.requests,
            "rate": rate,
            "errors": breakdown.errors,
            "refusals": breakdown.refusals,
            **breakdown.quantiles(),
            "durations": list(breakdown.durations.items()),
            "limits": self._limits_of(consumer) if consumer is not None else [],
            "priority": consumer.priority.name.lower() if consumer is not None else None,
            "last_at": breakdown.last_at or None,
            "sdks": [
                _sdk(sdk, requests)
                for sdk, requests in sorted(breakdown.sdks.items(), key=lambda item: (-item[1], item[0]))
            ],
        }

    def _limits_of(self, consumer: Consumer) -> list[dict[str, object]]:
        return [
            {
                "name": limit.name,
                "text": limit.rate,
                "per": limit.per,
                "used": self._use_of(limit) if limit.per is Per.CONSUMER else None,
            }
            for limit in consumer.limits.limits
        ]

    def _use_of(self, limit: Limit) -> float | None:
        used = self._runtime.limiter.use_of(limit)
        return self.shared_uses.get(limit.key) if used is None else used

    def counted_limits(self) -> list[list[Limit]]:
        """The limits per consumer, of each consumer."""
        consumers = self._runtime.snapshot().consumers.values()
        return [[limit for limit in each.limits.limits if limit.per is Per.CONSUMER] for each in consumers]

    def set_uses(self, uses: Mapping[str, float]) -> None:
        """Take what the store knows."""
        self.shared_uses = uses

    def _limits(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, frozenset({"consumer"}))
        consumers = self._runtime.snapshot().consumers
        wanted = request.query.get("consumer", "")
        if wanted and wanted not in consumers:
            raise ValueError("consumer is the name of one in the configuration")
        names: Iterable[str] = [wanted] if wanted else consumers
        return {"limits": {name: self._limits_of(consumers[name]) for name in names}}

    def _routes(self) -> Rows:
        breakdowns = self._traffic_window.tables.routes(self._traffic_window.refresh())
        ordered = sorted(breakdowns.items(), key=lambda item: (-item[1].requests, item[0]))
        return [
            {
                "product": name.product,
                "route": name.label,
                "method": name.method,
                "requests": breakdown.requests,
                "errors": breakdown.errors,
                **breakdown.quantiles(),
                "durations": list(breakdown.durations.items()),
            }
            for name, breakdown in ordered
        ]

    def _credentials(self) -> Rows:
        self._traffic_window.refresh()
        credentials = self._runtime.snapshot().credentials
        return [self._credential(each) for each in credentials.values()]

    def _credential(self, credential: Credential) -> dict[str, object]:
        account, keyring = credential.account, self._runtime.forwarder.keyring
        first = next(iter(keyring.order(account)), None)  # none where only webhooks are served
        uses = [(key, self._traffic_window.keys.get(key.label, KeyUse())) for key in account.keys]
        return {
            "name": credential.name,
            "account": mask_sid(account.sid),
            "region": credential.region,
            "edge": credential.edge,
            "keys": [
                {
                    "sid": key.label,
                    "in_use": key is first,
                    "aside": keyring.is_disabled(key),
                    "refused": use.refused,
                    "last_401_at": use.last_401_at,
                    "first_used_at": use.first_used_at,
                }
                for key, use in uses
            ],
            "subaccounts": len(credential.subaccounts),
        }

    def _codes(self) -> dict[str, Rows]:
        now = self._traffic_window.refresh()
        codes, slugs = self._traffic_window.tables.codes(now), self._traffic_window.tables.slugs(now)
        return {
            "codes": [
                {
                    "code": code,
                    "count": breakdown.requests,
                    "url": f"{_CODE_URL}{code}" if code else "",
                    "last_at": breakdown.last_at,
                }
                for code, breakdown in sorted(codes.items(), key=lambda item: -item[1].requests)
            ],
            "slugs": [
                {"slug": slug, "count": breakdown.requests, "last_at": breakdown.last_at}
                for slug, breakdown in sorted(slugs.items(), key=lambda item: -item[1].requests)
            ],
        }

    def exchanges(self, wanted: Filter, page: PageQuery) -> Rows:
        """The latest exchanges of this replica, newest first."""
        self._traffic_window.refresh()
        found = self._traffic_window.recent.find(wanted, page.limit, after=page.after, before=page.before)
        return [self.row(each) for each in found]

    def row(self, each: Numbered) -> dict[str, object]:
        """An exchange of this replica."""
        return {**each.as_json(), "replica": self._replica}


def _without_parameters(make: Callable[[], dict[str, object]]) -> Answer:
    def answer(request: web.Request) -> dict[str, object]:
        require_known(request.query, _NONE)
        return make()

    return answer


def _sdk(sdk: str, requests: int) -> dict[str, object]:
    name, version = split_sdk(sdk)
    return {"name": name, "version": version, "requests": requests, "post_repeats": post_repeats(sdk)}


def _answering(make: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> dict[str, object]:
        return make(request)

    return answering(answer)


def answering(
    make: Callable[[web.Request], Awaitable[dict[str, object]]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that answers JSON: 400 for what was asked wrongly, 404 for what is not there."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return json_response(await make(request))
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
        except LookupError as error:
            return json_response({"error": str(error.args[0])}, 404)

    return handle


def json_response(content: object, status: int = 200) -> web.Response:
    """JSON that no cache stores."""
    return web.Response(
        status=status,
        body=orjson.dumps(content) + b"\n",
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
