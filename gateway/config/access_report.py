"""Who may do what, in rows for people: what `gateway access` prints and `gateway diff` compares. Pure.

A row is a title and a text. Keys are abbreviated digests; nothing here is a secret.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from gateway.config.loading.resolved import ResolvedConsumer
from gateway.config.schema.consumer_settings import ConsumerSettings, LimitSettings
from gateway.consumers.allow_rules import NAMED_SETS

_DIGITS: Final = 8
_DEFAULTS: Final = ("mode", "emit", "legacy", "convert", "priority")


class AccessRow(NamedTuple):
    """One line: `may`, `messages:send`."""

    title: str
    text: str


def describe_access(consumer: ResolvedConsumer, *, expand: bool = False) -> list[AccessRow]:
    """What a consumer is known by, and what it may do, `defaults` and groups included.

    `expand` writes out the rules of named sets.
    """
    settings = consumer.settings
    return [
        *_identities(consumer),
        AccessRow("credential", settings.credential),
        *(AccessRow("group", name) for name in settings.groups),
        *_options(settings),
        *_rules(settings, expand=expand),
        *_form(settings),
        *(AccessRow("limit", _limit(limit)) for limit in settings.limits),
    ]


def _identities(consumer: ResolvedConsumer) -> Iterator[AccessRow]:
    for key in consumer.keys:
        ends = ""
        if key.expires is not None:
            ends = f", expires {datetime.fromtimestamp(key.expires, UTC):%Y-%m-%d %H:%M} UTC"
        yield AccessRow("key", f"sha256:{key.digest[:_DIGITS]}…{ends}")
    for certificate in consumer.settings.certificates:
        yield AccessRow("certificate", str(certificate.name))
    for token in consumer.settings.jwt:
        claims = ", ".join(f"{name}={value}" for name, value in sorted(token.claims.items()))
        yield AccessRow("jwt", f"{token.issuer}: {claims}")
    for name in consumer.settings.usernames:
        yield AccessRow("user name", name)


def _options(settings: ConsumerSettings) -> Iterator[AccessRow]:
    for name in _DEFAULTS:
        value = getattr(settings, name)
        if value != ConsumerSettings.model_fields[name].default:
            yield AccessRow(name, "yes" if value is True else str(value))


def _rules(settings: ConsumerSettings, *, expand: bool) -> Iterator[AccessRow]:
    if not settings.allow:
        yield AccessRow("may", "call nothing")
    for rule in settings.allow:
        yield AccessRow("may", rule)
        if expand:
            yield from (AccessRow("", f"  {each}") for each in NAMED_SETS.get(rule, ()))


def _form(settings: ConsumerSettings) -> Iterator[AccessRow]:
    if settings.form is None:
        return
    given = settings.form.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    for name, values in given.items():
        text = values if isinstance(values, str) else ", ".join(map(str, values)) or "nothing"
        yield AccessRow(f"form.{name}", text)


def _limit(limit: LimitSettings) -> str:
    parts = [limit.rate, f"burst {limit.largest_burst}", f"per {limit.per}"]
    parts += [f"on {limit.route}"] if limit.route else []
    parts += [f"weight {limit.weight}"] if limit.weight != 1 else []
    parts += [f"waits up to {limit.max_wait_seconds:g} s"] if limit.max_wait_seconds else []
    parts += ["reports only"] if limit.mode == "report" else []
    return (f"{limit.name}: " if limit.name else "") + ", ".join(parts)
