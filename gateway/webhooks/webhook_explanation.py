"""A dry run of an event, for `gateway explain-webhook`: judged by the port's rules, not relayed. Pure."""

from typing import NamedTuple

from gateway.webhooks.public_address import read_address
from gateway.webhooks.signature_hints import find_hint
from gateway.webhooks.webhook_routes import WebhookRules, nearest_route
from gateway.webhooks.webhook_verification import ReceivedEvent, make_suspect, verify_event

_REASONS = {
    "signature_missing": "no signature was given",
    "settings": "the settings name an algorithm that is not known",
    "body": "the signature cannot cover the body: it is no form, and bodySHA256 is missing or of another",
    "signature": "the signature does not match",
    "account": "it names an AccountSid that is not the route's account",
}


class WebhookExplanation(NamedTuple):
    """`verdict` is `relayed`, `refused` (403), `reported` or `no route` (404); the rest may be ''."""

    verdict: str
    reason: str = ""
    route: str = ""
    to: str = ""
    secret: str = ""
    would_match: str = ""
    hint: str = ""
    note: str = ""


def explain_webhook(rules: WebhookRules, event: ReceivedEvent, url: str) -> WebhookExplanation:
    """What would become of `event`, whose target still has what `public_url` puts before a path."""
    note = _note(rules, url)
    received = _without_prefix(rules, event)
    route = rules.match(received.path)
    if route is None:
        hint = _nearest(rules, received.path)
        return WebhookExplanation("no route", would_match="url", hint=hint, note=note)
    found = verify_event(rules, route, received)
    to = route.inward_url(received.path)
    if found.secret is not None:
        return WebhookExplanation("relayed", "", route.path, to, found.secret.origin, note=note)
    match = find_hint(make_suspect(received), rules.address, route.secrets, rules.secrets)
    would_match = "" if found.reason == "account" else match.part
    return WebhookExplanation(
        "reported" if route.reports else "refused",
        _REASONS[found.reason],
        route.path,
        to,
        "",
        would_match,
        match.text if would_match else "",
        note,
    )


def _without_prefix(rules: WebhookRules, event: ReceivedEvent) -> ReceivedEvent:
    """As the request arrives: a load balancer has taken off the path of `public_url`."""
    prefix = rules.address.path
    if not prefix or not event.path.startswith(prefix + b"/"):
        return event
    return event._replace(path=event.path[len(prefix) :], target=event.target[len(prefix) :])


def _note(rules: WebhookRules, url: str) -> str:
    """Whether Twilio calls another address than `public_url`: signatures are checked against that alone."""
    given = read_address(url.partition("?")[0].partition("#")[0])
    public = rules.address
    ports = {each.port or each.usual_port for each in (given, public)}
    if (
        given.scheme.lower() != public.scheme.lower()
        or given.host.lower() != public.host.lower()
        or len(ports) > 1
    ):
        return (
            f"the URL is not beneath public_url ({public.url.decode()}), against which signatures are checked"
        )
    return ""


def _nearest(rules: WebhookRules, path: bytes) -> str:
    """Which route the path misses, if it is close to one."""
    near = nearest_route(rules, path)
    if near is not None:
        return f"no route has this path, byte for byte; {near.path} is close"
    return f"no route has this path; there are {', '.join(route.path for route in rules.routes) or 'none'}"
