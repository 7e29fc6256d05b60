"""Rules and requests for tests of webhooks without sockets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from gateway.webhooks.public_address import read_address
from gateway.webhooks.signature import Algorithm, SigningSecret
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules, split_path, split_target
from gateway.webhooks.webhook_verification import ReceivedEvent, Verification, verify_event
from tests.support.running import ACCOUNT_SID
from tests.support.webhooks import AUTH_TOKEN, PUBLIC_URL

FORM = "application/x-www-form-urlencoded"
TOKEN = SigningSecret("env:TWILIO_AUTH_TOKEN", AUTH_TOKEN.encode())


def shared_key(name: str, secret: str, algorithm: str = "HMAC_SHA256") -> SigningSecret:
    """A SharedKey."""
    return SigningSecret(f"env:{name}", secret.encode(), Algorithm[algorithm], name)


def make_route(
    path: str = "/hook",
    to: str = "http://orders.internal:8000/twilio/hook",
    secrets: Sequence[SigningSecret] = (TOKEN,),
    **more: Any,
) -> WebhookRoute:
    """A route as the configuration compiles it."""
    base, open_ended = split_path(path)
    return WebhookRoute(
        path=path, account="main", sid=ACCOUNT_SID, base=base.encode(), to=split_path(to)[0],
        open_ended=open_ended, secrets=tuple(secrets), sign_key=b"secret-of-the-service", **more,
    )  # fmt: skip


def make_rules(*routes: WebhookRoute, public_url: str = PUBLIC_URL) -> WebhookRules:
    """Rules of these routes."""
    found = routes or (make_route(),)
    return WebhookRules(
        read_address(public_url), found, tuple(each for route in found for each in route.secrets)
    )


def make_event(
    target: str,
    signature: str,
    form: Mapping[str, Any] | Iterable[tuple[str, str]] | None = None,
    *,
    body: bytes | None = None,
    kind: str = FORM,
    method: str = "POST",
    **fields: str,
) -> ReceivedEvent:
    """A request as it is received; names of `fields` are written with `_` for `-`."""
    if form is not None:
        body = urlencode(list(form.items()) if isinstance(form, Mapping) else list(form)).encode()
    named = {"X-Twilio-Signature": signature, **({"Content-Type": kind} if body else {})}
    named |= {name.replace("_", "-"): value for name, value in fields.items()}
    parts = split_target(target)
    assert parts is not None
    raw = tuple((name.lower().encode(), name.encode(), value.encode()) for name, value in named.items())
    return ReceivedEvent(method, *parts, target.encode(), raw, body or b"")


def judge(event: ReceivedEvent, rules: WebhookRules | None = None) -> Verification:
    """By the route that its path fits."""
    rules = rules or make_rules()
    route = rules.match(event.path)
    assert route is not None
    return verify_event(rules, route, event)
