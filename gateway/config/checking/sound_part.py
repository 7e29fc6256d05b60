"""The sound part of a configuration that has errors: what is left without the settings that are wrong.

So that `gateway check` warns of everything else in the same run. Works on plain values. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.config.problems import KeyPath

_NAME: Final = "standin"
_CREDENTIALS: Final = {
    _NAME: {"account_sid": f"AC{0:032}", "keys": [{"sid": f"SK{0:032}", "secret": {"env": "STAND_IN"}}]}
}
_CONSUMER: Final = {"keys": [f"sha256:{1:064}"], "allow": ["everything"]}


def without(tree: Mapping[str, object], paths: Iterable[KeyPath]) -> dict[str, object]:
    """A copy of `tree` without what stands at `paths`. Where nothing stands, something is missing, and what
    is around it goes. Lists go whole: the places of their other items would no longer be right."""
    found = {name: _copy(value) for name, value in tree.items()}
    for path in paths:
        _remove(found, path)
    return found


def with_entries(tree: Mapping[str, object]) -> dict[str, object]:
    """With a credential and a consumer in the place of those that are all wrong: without any, nothing more
    could be said. No warning is about them."""
    credentials = tree.get("credentials") or _CREDENTIALS
    assert isinstance(credentials, Mapping)
    consumers = tree.get("consumers") or {_NAME: {**_CONSUMER, "credential": next(iter(credentials))}}
    return {**tree, "credentials": credentials, "consumers": consumers}


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(inner) for name, inner in value.items()}
    return value


def _remove(tree: dict[str, object], path: KeyPath) -> None:
    around: list[tuple[dict[str, object], str]] = []
    inner: object = tree
    for part in path:
        if not isinstance(inner, dict) or not isinstance(part, str):
            break
        around.append((inner, part))
        inner = inner.get(part)
    while around:
        mapping, name = around.pop()
        if name in mapping:
            del mapping[name]
            return
