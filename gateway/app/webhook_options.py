"""What the webhook port works by, for one configuration: its rules, limits, certificates and trust."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.config.loading.certificate_files import TlsMaterial
from gateway.config.loading.resolved import ResolvedWebhookRoute, ResolvedWebhooks, ResolvedWebhookSecret
from gateway.config.schema.addresses import ListenAddress
from gateway.consumers.rate_limit_rules import make_limit
from gateway.listener.connections import ConnectionLimits
from gateway.listener.request_parser import HeadLimits
from gateway.upstream.connection_opener import make_tls_context
from gateway.webhooks.inward_client import Trust
from gateway.webhooks.public_address import read_address
from gateway.webhooks.signature import Algorithm, SigningSecret
from gateway.webhooks.webhook_routes import WebhookRoute, WebhookRules, split_path

_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_OWNER = "webhooks:"  # of the state of limits; no consumer has such a name
_HEADERS_MAX = 64  # Twilio sends about ten
_WRITE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """`address` is that of the start until a restart."""

    address: ListenAddress
    tls: TlsMaterial | None
    limits: ConnectionLimits
    heads: HeadLimits
    body_seconds: float
    rules: WebhookRules
    trust: Trust


def webhook_options_of(resolved: ResolvedWebhooks) -> WebhookOptions:
    """The options of a resolved `webhooks:`. Blocks while it reads CA certificates."""
    settings, trusted = resolved.settings, resolved.ca_file
    return WebhookOptions(
        address=resolved.listen,
        tls=resolved.tls,
        limits=ConnectionLimits(
            connections=settings.connections,
            connections_per_address=settings.connections_per_address,
            idle_seconds=settings.idle_seconds,
            head_seconds=settings.head_seconds,
            write_seconds=_WRITE_SECONDS,
        ),
        heads=HeadLimits(settings.header_bytes, _HEADERS_MAX),
        body_seconds=settings.body_seconds,
        rules=compile_rules(resolved),
        trust=Trust() if trusted is None else Trust(make_tls_context(str(trusted.path)), trusted.digest),
    )


def compile_rules(resolved: ResolvedWebhooks) -> WebhookRules:
    """Routes with the secrets of their accounts. Pure."""
    secrets: dict[str, list[SigningSecret]] = {}
    for entry in resolved.secrets:
        secrets.setdefault(entry.sid, []).append(_secret(entry))
    return WebhookRules(
        address=read_address(resolved.settings.public_url),
        routes=tuple(_route(route, tuple(secrets.get(route.sid, ()))) for route in resolved.routes),
        secrets=tuple(secret for each in secrets.values() for secret in each),
    )


def _secret(entry: ResolvedWebhookSecret) -> SigningSecret:
    settings = entry.settings
    usual = "HMAC_SHA256" if settings.shared_key else "HMAC_SHA1"
    return SigningSecret(
        origin=entry.secret.origin,
        key=entry.secret.reveal().encode(),
        algorithm=Algorithm[settings.algorithm or usual],
        shared_key=settings.shared_key or "",
    )


def _route(resolved: ResolvedWebhookRoute, secrets: tuple[SigningSecret, ...]) -> WebhookRoute:
    settings = resolved.settings
    base, open_ended = split_path(settings.path)
    target, _ = split_path(settings.to)
    parts = urlsplit(target)
    if not parts.path:
        target += "/"
    rate = None
    if settings.rate is not None:
        count, _, unit = settings.rate.partition("/")
        period = _PERIODS[unit]
        rate = make_limit(
            settings.path,
            int(count),
            period,
            settings.burst or max(1, int(count) // period),
            owner=_OWNER,
            label=settings.path,
        )
    return WebhookRoute(
        path=settings.path,
        account=settings.account,
        sid=resolved.sid,
        base=base.encode("ascii"),
        to=target,
        open_ended=open_ended,
        secrets=secrets,
        sign_key=resolved.sign_with.reveal().encode(),
        timeout_seconds=settings.timeout,
        fallback=None if settings.fallback is None else settings.fallback.encode(),
        reports=settings.mode == "report",
        max_body_bytes=settings.max_body,
        rate=rate,
        concurrency=settings.concurrency,
        origin=f"{parts.scheme}://{parts.netloc.lower()}",
    )
