"""What differs between two configurations, by consumer: what `gateway diff` prints. Pure."""

import difflib
from collections.abc import Iterator
from typing import NamedTuple

from gateway.config.access_report import describe_access
from gateway.config.loading.resolved import ResolvedConsumer, ResolvedSettings
from gateway.config.reloading.changes import describe_changes


class ConsumerChange(NamedTuple):
    """A consumer that was added, removed or changed. A line begins with '+' or '-', a space and the row."""

    name: str
    kind: str
    lines: tuple[str, ...]


class ConfigComparison(NamedTuple):
    """`settings` are the gateway's own and its credentials', a line each: `retry.max_attempts: 4 -> 2`."""

    consumers: tuple[ConsumerChange, ...]
    settings: tuple[str, ...]


def compare(old: ResolvedSettings, new: ResolvedSettings) -> ConfigComparison:
    """Compare what holds for each consumer, whatever file, group or default it is from."""
    own = tuple(line for line in describe_changes(old, new) if not line.startswith("consumers."))
    return ConfigComparison(tuple(_consumers(old, new)), own)


def _consumers(old: ResolvedSettings, new: ResolvedSettings) -> Iterator[ConsumerChange]:
    for name in sorted(old.consumers.keys() | new.consumers.keys()):
        before, after = (_rows(each.consumers.get(name)) for each in (old, new))
        if before != after:
            kind = "changed" if before and after else "removed" if before else "added"
            lines = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
            yield ConsumerChange(name, kind, tuple(lines))


def _rows(consumer: ResolvedConsumer | None) -> list[str]:
    rows = describe_access(consumer) if consumer is not None else []
    return [f"{row.title} {row.text}" for row in rows]
