"""Warnings about settings that say nothing, because others make them void. Pure."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway.config.loading.references import remote_references
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.addresses import MEMORY, parse_address
from gateway.config.schema.admin_settings import is_loopback
from gateway.config.schema.consumer_settings import ConsumerSettings
from gateway.config.schema.settings import Settings
from gateway.twilio.catalogue.hosts import UPLOAD_HOSTS

_OF_REDIS: Final = {
    "store_prefix": "there is no Redis whose keys it could begin",
    "on_store_failure": "there is no Redis that could be away",
    "store_key": "there is no Redis in which it would encrypt",
}


def find_idle_settings(settings: Settings) -> Iterator[Finding]:
    """What can be taken out of the file without a change, and was probably meant to do something."""
    yield from _store(settings)
    yield from _upstream(settings)
    yield from _groups(settings)
    yield from _keys(settings)
    yield from _waits(settings)
    yield from _others(settings)
    for name, consumer in settings.consumers.items():
        yield from _consumer(settings, consumer, ("consumers", name))


def _store(settings: Settings) -> Iterator[Finding]:
    given = settings.model_fields_set
    if settings.store == MEMORY:
        for name, why in _OF_REDIS.items():
            if name in given:
                yield Finding((name,), f"without effect: {why}", "add `store: redis://…`, or remove it")
    elif settings.key_usage_file is not None:
        yield Finding(
            ("key_usage_file",), "without effect: the use of keys is kept in Redis (`store`)", "remove it"
        )


def _upstream(settings: Settings) -> Iterator[Finding]:
    upstream = settings.upstream
    target = urlsplit(upstream.connect_to or "")
    path: KeyPath = ("upstream",)
    if target.scheme == "http" and upstream.ca_file is not None:
        yield Finding(
            (*path, "ca_file"), "without effect: `connect_to` is not encrypted", "remove one of them"
        )
    first = {host: index for index, host in reversed(list(enumerate(upstream.extra_hosts)))}
    for index, host in enumerate(upstream.extra_hosts):
        if first[host] < index:
            yield Finding((*path, "extra_hosts", index), f"{host} stands here twice", "remove one of them")
        elif host.lower() in UPLOAD_HOSTS.values():
            yield Finding(
                (*path, "extra_hosts", index), f"without effect: {host} is served without it", "remove it"
            )


def _groups(settings: Settings) -> Iterator[Finding]:
    used = {group for consumer in settings.consumers.values() for group in consumer.groups}
    for name in settings.groups.keys() - used:
        yield Finding(
            ("groups", name), "no consumer is in it", "remove it, or name it in a consumer's `groups`"
        )


def _keys(settings: Settings) -> Iterator[Finding]:
    for name, credential in settings.credentials.items():
        seen: list[object] = []
        for index, key in enumerate(credential.keys):
            if key.sid in seen:
                yield Finding(
                    ("credentials", name, "keys", index),
                    "this key stands here already: there is no other one to fall back to",
                    "write the `sid` and `secret` of another API key, or remove it",
                )
            seen.append(key.sid)


def _waits(settings: Settings) -> Iterator[Finding]:
    """Times that others do not let pass."""
    retry, upstream = settings.retry, settings.upstream
    given = retry.model_fields_set
    if retry.max_attempts == 1:
        for name in ("initial_backoff_seconds", "max_backoff_seconds", "budget_percent"):
            if name in given:
                yield Finding(
                    ("retry", name), "without effect: `max_attempts: 1` tries nothing again", "remove it"
                )
    elif "initial_backoff_seconds" in given and retry.initial_backoff_seconds > retry.max_backoff_seconds:
        yield Finding(
            ("retry", "initial_backoff_seconds"),
            f"without effect: no wait is longer than `max_backoff_seconds` ({retry.max_backoff_seconds:g})",
            "make it less, or raise that",
        )
    most = max(upstream.deadline_seconds, upstream.deadline_seconds_max)
    if "connect_seconds" in upstream.model_fields_set and upstream.connect_seconds > most:
        yield Finding(
            ("upstream", "connect_seconds"),
            f"without effect: no request lasts longer than {most:g} s (`upstream.deadline_seconds_max`)",
            "make it less",
        )
    callers = settings.callers
    if "body_seconds" in callers.model_fields_set and callers.body_seconds > callers.body_total_seconds:
        yield Finding(
            ("callers", "body_seconds"),
            f"without effect but for uploads: a body has {callers.body_total_seconds:g} s "
            "(`callers.body_total_seconds`)",
            "make it less, or raise that",
        )
    given = callers.model_fields_set
    if "connections_per_address" in given and callers.connections_per_address > callers.connections:
        yield Finding(
            ("callers", "connections_per_address"),
            f"without effect: there are no more than `callers.connections` ({callers.connections})",
            "make it less, or remove it",
        )


def _others(settings: Settings) -> Iterator[Finding]:
    admin, log, guard = settings.admin, settings.log, settings.repeat_guard
    if admin.allow_remote and is_loopback(parse_address(admin.listen).host):
        yield Finding(
            ("admin", "allow_remote"), "without effect: only this machine reaches `admin.listen`", "remove it"
        )
    if log.format == "console" and log.schema_ != "plain":
        yield Finding(
            ("log", "schema"),
            "without effect: it names the fields of JSON",
            "write `format: json`, or remove it",
        )
    if log.level in ("warning", "error") and "sample_successes" in log.model_fields_set:
        yield Finding(
            ("log", "sample_successes"), "without effect: `level` leaves all successes out", "remove it"
        )
    if not guard.seconds and not any(guard.routes.values()):
        for name, credential in settings.credentials.items():
            if credential.repeat_guard.ask:
                yield Finding(
                    ("credentials", name, "repeat_guard", "ask"),
                    "without effect: `repeat_guard.seconds: 0` switches the guard off",
                    "remove one of the two",
                )
    used = {reference.scheme for reference in remote_references(settings)}
    for store in ("vault", "aws", "gcp"):
        if getattr(settings.secret_stores, store) is not None and store not in used:
            yield Finding(
                ("secret_stores", store),
                f"without effect: no setting has its value by {{{store}: …}}",
                "remove it, or name a secret that is there",
            )


def _consumer(settings: Settings, consumer: ConsumerSettings, path: KeyPath) -> Iterator[Finding]:
    most = max(settings.upstream.deadline_seconds, settings.upstream.deadline_seconds_max)
    for index, limit in enumerate(consumer.limits):
        if limit.max_wait_seconds > most:
            yield Finding(
                (*path, "limits", index, "max_wait_seconds"),
                f"no request waits longer than {most:g} s (`upstream.deadline_seconds_max`)",
                "make it less",
            )
    for index, group in enumerate(consumer.groups):
        if group in consumer.groups[:index]:
            yield Finding((*path, "groups", index), f"{group} stands here twice", "remove one of them")
    if not consumer.keys:
        for name in ("usernames", "expires"):
            if getattr(consumer, name):
                yield Finding((*path, name), "without effect: this consumer has no `keys`", "remove it")
