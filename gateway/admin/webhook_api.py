"""`/api/webhooks`: the routes of the webhook port with the outcomes of their events, and the latest."""

from aiohttp import web

from gateway.admin.query_parameters import read_number, require_known
from gateway.observe.live.recent_webhooks import MOST_WEBHOOKS
from gateway.observe.metrics.webhook_counts import WebhookCounts
from gateway.observe.metrics.webhook_families import WebhookState
from gateway.observe.runtime import Runtime
from gateway.webhooks.webhook_record import NO_ROUTE_LABEL, WebhookOutcome
from gateway.webhooks.webhook_routes import WebhookRoute

_DEFAULT_EVENTS = 100
_PARAMETERS = frozenset({"limit", "route", "outcome", "request_id"})
_GOOD = frozenset({WebhookOutcome.RELAYED, WebhookOutcome.REPEATED})


def describe_webhooks(runtime: Runtime, request: web.Request) -> dict[str, object]:
    """What the page shows. Raises `ValueError` for a parameter that cannot be used."""
    query = request.query
    require_known(query, _PARAMETERS)
    limit = read_number(query, "limit")
    limit = _DEFAULT_EVENTS if limit is None else limit
    if not 1 <= limit <= MOST_WEBHOOKS:
        raise ValueError(f"limit is a number from 1 to {MOST_WEBHOOKS}")
    webhooks = runtime.webhooks
    if webhooks is None:
        return {"listening": False, "routes": [], "events": []}
    state = webhooks.state()
    return {
        "listening": True,
        "connections": state.tracker.open,
        "in_flight": state.handler.in_flight,
        "routes": _routes(state, webhooks.counts),
        "events": webhooks.recent.as_json(
            limit, query.get("route", ""), query.get("outcome", ""), query.get("request_id", "")
        ),
    }


def _routes(state: WebhookState, counts: WebhookCounts) -> list[dict[str, object]]:
    found = [_route(route, state, counts) for route in state.handler.rules.routes]
    unknown = sum(count for (route, _, _), count in counts.events.copy().items() if route == NO_ROUTE_LABEL)
    if unknown:
        found.append(
            {"route": NO_ROUTE_LABEL, "account": "", "mode": "", "events": unknown, "refused": unknown}
        )
    return found


def _route(route: WebhookRoute, state: WebhookState, counts: WebhookCounts) -> dict[str, object]:
    outcomes: dict[WebhookOutcome, int] = {}
    for (name, outcome, _), count in counts.events.copy().items():
        if name == route.path:
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    events = sum(outcomes.values())
    unanswered = outcomes.get(WebhookOutcome.FALLBACK, 0) + outcomes.get(WebhookOutcome.UNANSWERED, 0)
    return {
        "route": route.path,
        "account": route.account,
        "mode": "report" if route.reports else "enforce",
        "events": events,
        "refused": events - unanswered - sum(outcomes.get(outcome, 0) for outcome in _GOOD),
        "unanswered": unanswered,
        "would_refuse": counts.would_refuse.get(route.path, 0),
        "in_flight": state.handler.limits.in_flight.get(route.path, 0),
        "outcomes": {outcome.value: count for outcome, count in outcomes.items()},
    }
