"""One consumer's figures as numbers and names only: what a replica counted, and several added up. Pure.

Replicas publish them as JSON, and what is read may be of another release: what has not the form is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.observe.live.quantiles import Counts

Figures = Mapping[str, Any]
"""Of the last 15 minutes `requests`, `errors`, `refusals`, `rate` (a second), `last_at`, and lists whose
entries begin with what is counted: `durations` (bucket, count), `codes`, `slugs`, `sdks`; since `started_at`
`segments` (country, count) and `repeats` (route, event, count); of the `latest` exchanges `addresses`
(address, calls, last). `of` has the identities of the consumer that the name was, when they were read.
"""
_SUMMED: Final = ("requests", "errors", "refusals", "rate", "latest")
_NAMES: Final[Mapping[str, tuple[type, ...]]] = {
    "durations": (int,),
    "codes": (int,),
    "slugs": (str,),
    "sdks": (str,),
    "segments": (str,),
    "repeats": (str, str),
}
MOST_ADDRESSES: Final = 20
MOST_ENTRIES: Final = 300
"""Of each list of one replica."""
_Number = (int, float)


def merge_figures(replicas: Sequence[Figures]) -> dict[str, Any]:
    """The sums of all."""
    found: dict[str, Any] = {name: sum(_number(each, name) for each in replicas) for name in _SUMMED}
    found["rate"] = round(found["rate"], 3)
    found["last_at"] = max((_number(each, "last_at") for each in replicas), default=0.0) or None
    started = [each["started_at"] for each in replicas if isinstance(each.get("started_at"), _Number)]
    found["started_at"] = min(started, default=None)
    for name, kinds in _NAMES.items():
        found[name] = _merge_lists([each.get(name) for each in replicas], kinds)
    found["addresses"] = _merge_addresses([each.get("addresses") for each in replicas])
    return found


def counts_of(figures: Figures, name: str) -> Counts:
    """One list as counts."""
    return dict(figures[name])


def _number(figures: Figures, name: str) -> Any:
    value = figures.get(name)
    return value if isinstance(value, _Number) else 0


def _merge_lists(lists: Iterable[object], kinds: tuple[type, ...]) -> list[list[Any]]:
    """Most first; entries are names of these kinds, and a count."""
    sums: dict[tuple[Any, ...], int] = {}
    for entry in _entries(lists, (*kinds, int)):
        name = tuple(entry[:-1])
        sums[name] = sums.get(name, 0) + entry[-1]
    ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return [[*name, count] for name, count in ordered]


def _merge_addresses(lists: Iterable[object]) -> list[list[Any]]:
    found: dict[str, list[Any]] = {}
    for address, calls, last in _entries(lists, (str, int, (int, float))):
        known = found.setdefault(address, [address, 0, 0.0])
        known[1] += calls
        known[2] = max(known[2], last)
    return sorted(found.values(), key=lambda each: (-each[1], each[0]))[:MOST_ADDRESSES]


def _entries(lists: Iterable[object], kinds: Sequence[Any]) -> Iterable[list[Any]]:
    for entries in lists:
        for entry in entries[:MOST_ENTRIES] if isinstance(entries, list) else ():
            is_one = isinstance(entry, list | tuple) and len(entry) == len(kinds)
            if is_one and all(map(isinstance, entry, kinds)):
                yield list(entry)
