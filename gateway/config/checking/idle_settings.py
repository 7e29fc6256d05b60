"""Warnings about settings that say nothing, because others make them void. Pure."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.addresses import MEMORY
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
    for index, host in enumerate(upstream.extra_hosts):
        if host.lower() in UPLOAD_HOSTS.values():
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
