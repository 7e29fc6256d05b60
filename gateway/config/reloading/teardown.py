"""Frees a configuration that was replaced, piece by piece and off the data loop.

Freed at once, thousands of consumers would stop every thread for as long as that takes.
"""

from collections.abc import Mapping
from typing import Any

from gateway.background.breathing import breathe, short_turns
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.problems import Origins
from gateway.policy.snapshot import Snapshot


def take_apart(resolved: ResolvedSettings) -> None:
    """Free the settings of each consumer. Nothing may use `resolved` any more."""
    for mapping in (resolved.consumers, resolved.settings.consumers):
        _empty(mapping)


def forget_places(origins: Origins) -> None:
    """Free the lines that problems are found by. No problem may be looked for any more."""
    _empty(origins.lines)
    _empty(origins.moved)


def forget_keys(snapshot: Snapshot) -> None:
    """Free the digests of a snapshot by which no caller is authenticated any more.

    Requests in flight may go on with the rest of it: a key is looked up once, in the step that took the
    snapshot.
    """
    _empty(snapshot.identities.keys)


def _empty(mapping: Mapping[Any, object]) -> None:
    with short_turns():
        while isinstance(mapping, dict) and mapping:
            mapping.popitem()
            breathe()
