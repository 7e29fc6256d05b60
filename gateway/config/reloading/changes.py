"""What differs between two configurations, said for the log: by path, name, short digest and masked SID.

Pure. A value is shown only where it can be no secret: numbers, switches, and the words of a few settings.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from gateway.background.breathing import breathe
from gateway.config.loading.resolved import (
    ResolvedAccount,
    ResolvedConsumer,
    ResolvedConsumerKey,
    ResolvedCredential,
    ResolvedKey,
    ResolvedSettings,
    ResolvedWebhooks,
)
from gateway.config.reloading.live_settings import RESTART
from gateway.config.schema.secret_values import Secret
from gateway.config.schema.settings import Settings
from gateway.consumers.credentials import mask_sid

_WORDS: Final = frozenset(
    {"level", "format", "mode", "emit", "priority", "credential", "region", "edge", "on_store_failure"}
)
"""Settings whose text is one of a few words, or a name."""
_DIGITS: Final = 8
_ELSEWHERE: Final = {"credentials", "consumers", "store", "store_key", "include", "defaults", "groups"}
"""Compared by themselves, or written out in the consumers that they concern."""

Item = TypeVar("Item")


def describe_changes(old: ResolvedSettings, new: ResolvedSettings) -> tuple[str, ...]:
    """A line per change: `retry.max_attempts: 4 -> 2`, `consumers.billing.keys: sha256:1a2b3c4d… added`."""
    return (
        *_settings(_flat(old.settings), _flat(new.settings), shows_text=True),
        *_secret("store", old.store, new.store),
        *_secret("upstream.proxy", old.proxy, new.proxy),
        *_secret("store_key", old.store_key, new.store_key),
        *_secret("audit.key", old.audit_key, new.audit_key),
        *_secret("admin.page_token", old.page_token, new.page_token),
        *_secret("admin.metrics_token", old.metrics_token, new.metrics_token),
        *_secret("admin.operate_token", old.operate_token, new.operate_token),
        *_webhooks(old.webhooks, new.webhooks),
        *_named("credentials", old.credentials, new.credentials, _credential),
        *_named("consumers", old.consumers, new.consumers, _consumer),
    )


def restart_values(resolved: ResolvedSettings) -> dict[str, object]:
    """The values of the settings that wait for a restart, by path. Not to be shown: one may be a secret."""
    found = _flat(resolved.settings)
    webhooks = resolved.settings.webhooks
    found["tls"], found["store"] = resolved.tls is None, _reveal(resolved.store)
    found["audit"], found["audit.key"] = resolved.settings.audit is None, _reveal(resolved.audit_key)
    found["webhooks"] = webhooks is None
    found["webhooks.tls"] = webhooks is None or webhooks.tls is None
    return {path: found.get(path) for path in RESTART}


def find_waiting(started_with: Mapping[str, object], new: ResolvedSettings) -> tuple[str, ...]:
    """The paths at which `new` differs from the `restart_values` that the process was started with."""
    after = restart_values(new)
    return tuple(sorted(path for path in RESTART if started_with[path] != after[path]))


def _flat(settings: Settings) -> dict[str, object]:
    """Path -> value of the gateway's own sections, lists in one piece."""
    plain = settings.model_dump(by_alias=True, exclude=_ELSEWHERE)
    for section, name in (
        ("upstream", "proxy"),
        ("admin", "page_token"),
        ("admin", "metrics_token"),
        ("admin", "operate_token"),
    ):
        plain[section].pop(name)
    return dict(_leaves("", plain))


def _leaves(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _leaves(f"{path}.", value)
        else:
            yield path, value


def _settings(
    old: Mapping[str, object], new: Mapping[str, object], *, shows_text: bool = False
) -> Iterator[str]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before != after:
            yield f"{path}: {_shown(path, before, shows_text)} -> {_shown(path, after, shows_text)}"


def _shown(path: str, value: object, shows_text: bool) -> str:
    """A value for the log. The gateway's own settings are no secrets: those come by reference."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) or path.rpartition(".")[2] in _WORDS:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if shows_text and isinstance(value, str):
        return value
    if shows_text and isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return ", ".join(map(str, value)) or "nothing"
    return "…"


def _secret(path: str, old: Secret | None, new: Secret | None) -> Iterator[str]:
    if _reveal(old) != _reveal(new):
        yield f"{path}: changed"


def _named(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any], compare: Any) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        path = f"{prefix}.{name}"
        breathe()
        if name not in new:
            yield f"{path}: removed"
        elif name not in old:
            yield f"{path}: added"
        elif old[name] != new[name]:  # secrets are equal to themselves only
            yield from compare(path, old[name], new[name])


def _consumer(path: str, old: ResolvedConsumer, new: ResolvedConsumer) -> Iterator[str]:
    plain = [
        dict(_leaves("", each.settings.model_dump(by_alias=True, exclude={"keys"}))) for each in (old, new)
    ]
    yield from (f"{path}.{line}" for line in _settings(*plain))
    before, after = ({key.digest: key for key in each.keys} for each in (old, new))
    place = f"{path}.keys"
    yield from _members(place, [_digest(key) for key in old.keys], [_digest(key) for key in new.keys])
    for digest in before.keys() & after.keys():
        if before[digest].expires != after[digest].expires:
            yield f"{place}: {_digest(after[digest])} expires at another time"


def _digest(key: ResolvedConsumerKey) -> str:
    return f"sha256:{key.digest[:_DIGITS]}…"


def _credential(path: str, old: ResolvedCredential, new: ResolvedCredential) -> Iterator[str]:
    yield from _settings(
        *(
            {
                f"{path}.region": each.region,
                f"{path}.edge": each.edge,
                f"{path}.repeat_guard.ask": each.asks,
            }
            for each in (old, new)
        )
    )
    if old.account_sid != new.account_sid:
        yield f"{path}.account_sid: {mask_sid(old.account_sid)} -> {mask_sid(new.account_sid)}"
    yield from _proofs(path, (old.keys, old.auth_token), (new.keys, new.auth_token))
    before, after = ({each.account_sid: each for each in found.subaccounts} for found in (old, new))
    place = f"{path}.subaccounts"
    yield from _members(place, map(mask_sid, before), map(mask_sid, after))
    for sid in before.keys() & after.keys():
        yield from _subaccount(f"{place}.{mask_sid(sid)}", before[sid], after[sid])


def _subaccount(path: str, old: ResolvedAccount, new: ResolvedAccount) -> Iterator[str]:
    yield from _proofs(path, (old.keys, old.auth_token), (new.keys, new.auth_token))


def _webhooks(old: ResolvedWebhooks | None, new: ResolvedWebhooks | None) -> Iterator[str]:
    """Routes by their path, and secrets by where they come from."""
    if old is None or new is None:
        return
    before, after = ({each.settings.path: each for each in found.routes} for found in (old, new))
    yield from _members("webhooks.routes", before, after)
    for path in before.keys() & after.keys():
        if before[path].settings != after[path].settings or before[path].sid != after[path].sid:
            yield f"webhooks.routes: {path} changed"
        yield from _secret(
            f"webhooks.routes: {path}: sign_with", before[path].sign_with, after[path].sign_with
        )
    kept = [
        {(each.sid, each.settings.shared_key, each.secret.origin): each for each in found.secrets}
        for found in (old, new)
    ]
    shown = [[f"{mask_sid(name[0])} {name[2]}" for name in each] for each in kept]
    yield from _members("webhooks.secrets", *shown)
    for name in kept[0].keys() & kept[1].keys():
        place = f"webhooks.secrets: {mask_sid(name[0])} {name[2]}"
        yield from _secret(place, kept[0][name].secret, kept[1][name].secret)


_Proofs = tuple[tuple[ResolvedKey, ...], Secret | None]


def _proofs(path: str, old: _Proofs, new: _Proofs) -> Iterator[str]:
    place = f"{path}.keys"
    yield from _members(place, (mask_sid(key.sid) for key in old[0]), (mask_sid(key.sid) for key in new[0]))
    before = {key.sid: key.secret.reveal() for key in old[0]}
    for key in new[0]:
        if before.get(key.sid, key.secret.reveal()) != key.secret.reveal():
            yield f"{place}: {mask_sid(key.sid)} has another secret"
    if _reveal(old[1]) != _reveal(new[1]):
        yield f"{path}.auth_token: changed"


def _members(path: str, old: Iterable[Item], new: Iterable[Item]) -> Iterator[str]:
    before, after = list(old), list(new)
    had, has = set(before), set(after)
    yield from (f"{path}: {each} removed" for each in before if each not in has)
    yield from (f"{path}: {each} added" for each in after if each not in had)
    if before != after and sorted(map(str, before)) == sorted(map(str, after)):
        yield f"{path}: in another order"


def _reveal(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
