"""Which consumers and prefixes are stopped. Pure: the time is handed in (seconds since the epoch).

A table changes as a whole, so that any thread may read it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway.errors import Refusal

ALL: Final = "all"
"""Represents every consumer; no consumer is called so (see `check`)."""
_PREFIX: Final = re.compile(r"\+?[0-9]{1,15}")
_CONSUMER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Stop(NamedTuple):
    """`prefix` are the digits that stopped recipients begin with, '' for everything a consumer sends.

    `at` is when it was stopped (seconds since the epoch), `by` from where.
    """

    consumer: str
    prefix: str
    at: float
    by: str

    @property
    def subject(self) -> str:
        """What is stopped; one stop for each."""
        return f"{self.consumer}|{self.prefix}"

    def as_json(self) -> dict[str, object]:
        """As the API, the store and the file have it."""
        prefix = f"+{self.prefix}" if self.prefix else ""
        return {"consumer": self.consumer, "prefix": prefix, "at": round(self.at, 3), "by": self.by}


def read_stop(values: Mapping[str, Any], at: float, by: str) -> Stop:
    """What an operator asks to stop or start. Raises `ValueError` with a text that says what is accepted."""
    consumer, prefix = values.get("consumer"), values.get("prefix") or ""
    if not isinstance(consumer, str) or not _CONSUMER.fullmatch(consumer):
        raise ValueError("consumer is a consumer's name, or all")
    if not isinstance(prefix, str) or (prefix and not _PREFIX.fullmatch(prefix)):
        raise ValueError("prefix is the beginning of a number, like +882")
    return Stop(consumer, prefix.removeprefix("+"), at, by)


def parse_stops(found: Iterable[object]) -> dict[str, Stop]:
    """Stops as they were kept, by subject. What is none, as of a later release, is skipped."""
    stops: dict[str, Stop] = {}
    for values in found:
        if not isinstance(values, Mapping):
            continue
        at, by = values.get("at"), values.get("by")
        try:
            stop = read_stop(values, float(at) if isinstance(at, int | float) else 0.0, str(by or ""))
        except ValueError:
            continue
        stops[stop.subject] = stop
    return stops


class StopTable:
    """The stops in force."""

    def __init__(self) -> None:
        self.stops: Mapping[str, Stop] = {}
        self.by_prefix: tuple[Stop, ...] = ()
        """Those that depend on the recipient."""

    def replace(self, stops: Mapping[str, Stop]) -> None:
        """Put a whole table in force."""
        self.by_prefix = tuple(stop for stop in stops.values() if stop.prefix)
        self.stops = stops

    def require_started(self, consumer: str, find_destinations: Callable[[], Iterable[str]]) -> None:
        """Raises `Refusal` (stopped). Destinations are normalised: digits for numbers; they are looked for
        only while a prefix is stopped."""
        stops = self.stops
        if f"{ALL}|" in stops or f"{consumer}|" in stops:
            raise Refusal("stopped", "An operator has stopped this consumer; nothing was sent.")
        prefixes = [stop.prefix for stop in self.by_prefix if stop.consumer in (ALL, consumer)]
        if prefixes and any(each.lstrip("+").startswith(tuple(prefixes)) for each in find_destinations()):
            raise Refusal("stopped", "An operator has stopped messages and calls to this destination.")
