"""The tables of several replicas as one: counts are summed, quantiles are those of all durations. Pure.

What is not counted (priority, the text of a limit) is that of the first replica, the one that answers.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final

from gateway.observe.live.quantiles import read_quantiles

Rows = list[dict[str, Any]]
Tables = Mapping[str, Rows]
"""By table: consumers, routes, credentials, codes, slugs. Rows as the API has them, with
`durations`: pairs of bucket and count."""

_SUMMED: Final = ("requests", "errors", "refusals", "count", "rate")
_NAMES: Final[Mapping[str, Callable[[Mapping[str, Any]], Hashable]]] = {
    "consumers": lambda row: row.get("name"),
    "routes": lambda row: (row.get("product"), row.get("route"), row.get("method")),
    "codes": lambda row: row.get("code"),
    "slugs": lambda row: row.get("slug"),
}
_FIRST_MOST: Final = {"routes": "requests", "codes": "count", "slugs": "count"}


def merge_tables(table: str, replicas: Mapping[str, Tables]) -> Rows:
    """The rows of one table of these replicas, each with the names of those that have it."""
    name_of = _NAMES.get(table)
    if name_of is None:
        return [
            {**_plain(row), "replica": replica, "replicas": [replica]}
            for replica, tables in replicas.items()
            for row in _rows(tables, table)
        ]
    found: dict[Hashable, dict[str, Any]] = {}
    durations: dict[Hashable, dict[int, int]] = {}
    for replica, tables in replicas.items():
        for row in _rows(tables, table):
            name = name_of(row)
            if name in found:
                _add(found[name], row)
            else:
                found[name] = {**_plain(row), "replicas": []}
            found[name]["replicas"].append(replica)
            _count(durations.setdefault(name, {}), row.get("durations") or ())
    for name, counts in durations.items():
        if "p50" in found[name]:
            found[name]["p50"], found[name]["p95"] = read_quantiles(counts, (0.5, 0.95))
    rows = list(found.values())
    by = _FIRST_MOST.get(table)
    return rows if by is None else sorted(rows, key=lambda row: -(row.get(by) or 0))


def without_durations(rows: Iterable[Mapping[str, Any]], replica: str) -> Rows:
    """Rows of one replica, as the API shows them."""
    return [{**_plain(row), "replicas": [replica]} for row in rows]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "durations"}


def _rows(tables: Tables, table: str) -> Rows:
    """Those that another replica published may be of another release."""
    rows = tables.get(table)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _add(into: dict[str, Any], row: Mapping[str, Any]) -> None:
    for name in _SUMMED:
        if name in into:
            into[name] = round(into[name] + (row.get(name) or 0), 3)
    if "last_at" in into:
        into["last_at"] = max(into["last_at"] or 0, row.get("last_at") or 0) or None
    if "sdks" in into:
        into["sdks"] = _merge_sdks(into["sdks"], row.get("sdks") or ())
    if "limits" in into:
        _use_most(into, row.get("limits") or ())


def _merge_sdks(ours: Rows, others: Iterable[Mapping[str, Any]]) -> Rows:
    found = {(each["name"], each["version"]): dict(each) for each in ours}
    for each in others:
        name = (each.get("name"), each.get("version"))
        if name in found:
            found[name]["requests"] += each.get("requests") or 0
        else:
            found[name] = dict(each)
    return sorted(found.values(), key=lambda each: -each["requests"])


def _use_most(into: dict[str, Any], others: Iterable[Mapping[str, Any]]) -> None:
    """A limit is used as much as the replica says that has seen most of it."""
    uses = {each.get("name"): each.get("used") for each in others}
    into["limits"] = [
        {
            **each,
            "used": max(
                (use for use in (each["used"], uses.get(each["name"])) if use is not None), default=None
            ),
        }
        for each in into["limits"]
    ]


def _count(into: dict[int, int], pairs: Iterable[tuple[int, int]]) -> None:
    for bucket, count in pairs:
        into[bucket] = into.get(bucket, 0) + count
