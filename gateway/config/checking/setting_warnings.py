"""Warnings about settings that are valid, but probably not intended."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.config.checking.ask_notes import find_ask_notes
from gateway.config.checking.form_values import find_dead_values
from gateway.config.checking.identity_contradictions import find_identity_warnings
from gateway.config.checking.idle_settings import find_idle_settings
from gateway.config.checking.webhook_checks import find_webhook_warnings
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.addresses import parse_address
from gateway.config.schema.admin_settings import is_loopback
from gateway.config.schema.consumer_settings import ConsumerKey, ConsumerSettings
from gateway.config.schema.settings import Settings

if TYPE_CHECKING:
    from gateway.ca.certificate_minter import IssuingAuthority

_UNREAD_BYTES: Final = 81_920
"""About what one answer costs that its caller does not read."""
_EXPIRES_SOON: Final = timedelta(days=14)
_PLAIN: Final = re.compile(r"[A-Za-z0-9]+")
"""User names that twilio-go sends: it refuses others by itself (docs/facts.md)."""


def find_warnings(settings: Settings, now: datetime) -> list[Finding]:
    """What works, but is probably not meant. Pure."""
    return [
        *_exposure(settings),
        *_store(settings),
        *_repeat_guard(settings),
        *_drain(settings),
        *_streams(settings),
        *_buffers(settings),
        *_credentials(settings),
        *find_ask_notes(settings),
        *_consumers(settings, now),
        *find_identity_warnings(settings),
        *find_dead_values(settings),
        *find_webhook_warnings(settings),
        *find_idle_settings(settings),
    ]


def _exposure(settings: Settings) -> Iterator[Finding]:
    """Keys that cross a network unencrypted."""
    host = parse_address(settings.listen).host
    ends_before = (settings.public_url or "").startswith("https://")
    if settings.tls is None and not is_loopback(host) and not ends_before:
        yield Finding(
            ("listen",),
            "other machines can reach this port, and callers' keys cross the network unencrypted",
            "add `tls`, or set `public_url: https://…` if a load balancer in front ends TLS",
        )
    target = urlsplit(settings.upstream.connect_to or "")
    if target.scheme == "http" and not is_loopback(target.hostname or ""):
        yield Finding(
            ("upstream", "connect_to"),
            f"Twilio's API keys go to {target.hostname} unencrypted",
            "write https://…, or an address of this machine",
        )


def _store(settings: Settings) -> Iterator[Finding]:
    if settings.reuse_port and settings.store == "memory":
        yield Finding(
            ("reuse_port",),
            "replicas with `store: memory` count limits and remember an Idempotency-Key each for itself",
            "write `store: redis://…`, so that they share both",
        )


def _repeat_guard(settings: Settings) -> Iterator[Finding]:
    if settings.repeat_guard.store == "local":
        yield Finding(
            ("repeat_guard", "store"),
            "a replica that is killed or restarted forgets its creates, and others do not know of them: "
            "a client that calls again then sends a second message",
            "leave it out, with `store: redis://…`, so that replicas share them",
        )


def _streams(settings: Settings) -> Iterator[Finding]:
    connections = settings.upstream.connections
    if settings.callers.streams >= connections and "connections" in settings.upstream.model_fields_set:
        yield Finding(
            ("upstream", "connections"),
            "one consumer may hold all of them by answers that it does not read (`callers.streams`)",
            f"write `callers.streams: {max(1, connections // 4)}`, or more connections",
        )


def _buffers(settings: Settings) -> Iterator[Finding]:
    callers = settings.callers
    most, largest = callers.buffered_bytes, callers.body_bytes
    if most < largest:
        yield Finding(
            ("callers", "buffered_bytes"),
            "a body may be larger than all of them together (`callers.body_bytes`), and is then never served",
            f"make it {4 * largest} or more, or `callers.body_bytes` smaller",
        )
    elif most < callers.streams * _UNREAD_BYTES:
        yield Finding(
            ("callers", "buffered_bytes"),
            "one consumer may use all of them up by answers that it does not read (`callers.streams`)",
            f"make it {2 * callers.streams * _UNREAD_BYTES} or more, or write "
            f"`callers.streams: {max(1, most // _UNREAD_BYTES // 2)}`",
        )


def _drain(settings: Settings) -> Iterator[Finding]:
    usual, most = settings.upstream.deadline_seconds, settings.upstream.deadline_seconds_max
    drain = settings.drain_seconds
    if 0 < drain < usual:
        yield Finding(
            ("drain_seconds",),
            "a stop breaks off requests that `upstream.deadline_seconds` gives more time; "
            "the outcome of a POST is unknown then",
            f"make it {usual:g} or more",
        )
    elif 0 < drain < most:  # a default: one that the file has is refused (`contradictions.py`)
        yield Finding(
            ("drain_seconds",),
            "clients that wait longer get no answer later than this: it cuts `upstream.deadline_seconds_max` "
            f"({most:g}) short",
            f"make it {most:g} or more, and the service manager's limit above it, or write "
            f"`deadline_seconds_max: {drain:g}`",
        )


def _credentials(settings: Settings) -> Iterator[Finding]:
    used = {consumer.credential for consumer in settings.consumers.values()}
    advice = (
        "Twilio advises the AuthToken for local tests only",
        "make an API key in the Twilio Console, and use `keys`",
    )
    for name, credential in settings.credentials.items():
        path: KeyPath = ("credentials", name)
        if credential.region == "jp1":
            yield Finding(
                (*path, "region"),
                "Twilio's pages no longer name jp1 among the regions that process data",
                "ask Twilio, or use us1, ie1 or au1 (docs/facts.md)",
            )
        if credential.auth_token is not None:
            yield Finding((*path, "auth_token"), *advice)
        for index, subaccount in enumerate(credential.subaccounts):
            if not isinstance(subaccount, str) and subaccount.auth_token is not None:
                yield Finding((*path, "subaccounts", index, "auth_token"), *advice)
        if name not in used and not (settings.webhooks and not credential.keys):
            yield Finding(path, "no consumer uses it", "remove it, or name it as a consumer's `credential`")


def _consumers(settings: Settings, now: datetime) -> Iterator[Finding]:
    for name, consumer in settings.consumers.items():
        if not consumer.allow:
            hint = 'add rules, such as `allow: ["messages:send"]`'
            yield Finding(("consumers", name), "may call nothing: it has no `allow` rules", hint)
        if consumer.keys and not any(map(_PLAIN.fullmatch, (name, *consumer.usernames))):
            plain = "".join(filter(str.isalnum, name))
            yield Finding(
                ("consumers", name),
                "twilio-go sends no user name but letters and digits, and this one has others",
                f"write `usernames: [{plain}]` if a Go service may use it (docs/clients/)",
            )
        yield from _expiries(name, consumer, now)


def find_expiring_certificate(expires: float, now: datetime) -> list[Finding]:
    """A warning where the listener's certificate ends soon; `expires` is in seconds since the epoch."""
    ends = datetime.fromtimestamp(expires, UTC)
    if ends - now > _EXPIRES_SOON:
        return []
    hint = "put a new certificate and key in place of the old; the gateway need not be restarted"
    return [Finding(("tls", "cert_file"), _ending(ends, now), hint)]


def find_certificate_warnings(
    settings: Settings, tls_expires: float, authority: "IssuingAuthority | None", now: datetime
) -> list[Finding]:
    """Warnings where the listener's certificate ends soon (`tls_expires`, 0 for none), where the intermediate
    of `ca` does, and where that cannot sign for a host that is configured."""
    findings = find_expiring_certificate(tls_expires, now) if tls_expires else []
    if authority is None:
        return findings
    ends = datetime.fromtimestamp(authority.expires, UTC)
    if ends - now <= _EXPIRES_SOON:
        findings.append(Finding(("ca", "certificate"), _ending(ends, now), "run `gateway ca renew`"))
    for index, host in enumerate(settings.upstream.extra_hosts):
        if not authority.permits(host):
            findings.append(
                Finding(
                    ("upstream", "extra_hosts", index),
                    "the intermediate of `ca` cannot sign for it: clients refuse tunnels that lead there",
                    f"run `gateway ca renew DIR --host {host}`",
                )
            )
    return findings


def _ending(ends: datetime, now: datetime) -> str:
    return f"expired at {ends.isoformat()}" if ends <= now else f"expires soon, at {ends.isoformat()}"


def _expiries(name: str, consumer: ConsumerSettings, now: datetime) -> Iterator[Finding]:
    for index, key in enumerate(consumer.keys):
        if isinstance(key, ConsumerKey) and key.expires is not None and key.expires - now <= _EXPIRES_SOON:
            hint = f"run `gateway key new {name}` and replace it"
            yield Finding(("consumers", name, "keys", index), _ending(key.expires, now), hint)
    if consumer.expires is not None and consumer.expires - now <= _EXPIRES_SOON:
        hint = "give each service that still calls a key of its own"
        yield Finding(("consumers", name, "expires"), _ending(consumer.expires, now), hint)
    if consumer.shared and consumer.expires is None:
        yield Finding(
            ("consumers", name, "shared"),
            "a key that several services share should end, and nothing says when",
            'write `expires: "2027-06-30T00:00:00Z"` beside it',
        )
