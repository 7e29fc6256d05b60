"""Keys and their use, as the API and the metrics show them: by the beginning of their digests."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.identity.authentication import SHOWN_DIGITS, KeyEntry
from gateway.key_usage.usage_keeper import UsageKeeper
from gateway.key_usage.usage_table import CallerName, CallerUse, RefusedUse

Rows = list[dict[str, Any]]
_UNUSED = RefusedUse()


def describe_keys(keeper: UsageKeeper, keys: Mapping[str, KeyEntry], consumer: str = "") -> Rows:
    """The configured keys of a consumer, or of all. Times are seconds since the epoch, None for never.

    `seen_at` is when it was first seen in a configuration. `idle`: not used for 90 days, as far as is known.
    `refused` counts requests after its end, since the start.
    """
    now = keeper.now()
    rows: Rows = []
    for digest, entry in list(keys.items()):
        name = entry.consumer.name
        known = keeper.known.get(digest)
        if known is None or (consumer and consumer != name):
            continue
        refused = keeper.table.refused.get((name, digest[:SHOWN_DIGITS]), _UNUSED)
        rows.append(
            {
                "consumer": name,
                "key": f"sha256:{digest[:SHOWN_DIGITS]}",
                "shared": entry.consumer.shared,
                "expires": entry.expires,
                "expired": entry.expires is not None and now >= entry.expires,
                "seen_at": round(known.seen_at, 3),
                "first_used": round(known.first_used, 3) or None,
                "last_used": round(known.last_used, 3) or None,
                "idle": known.is_idle(now),
                "addresses": _addresses(keeper, known.addresses),
                "refused": refused.requests,
                "last_refused": round(refused.last_at, 3) or None,
            }
        )
    return rows


def describe_former(keeper: UsageKeeper, keys: Mapping[str, KeyEntry], consumer: str = "") -> Rows:
    """Keys that were removed in the last 30 days, with the requests that still carried them."""
    rows: Rows = []
    for digest, former in keeper.former.by_digest.items():
        if digest in keys or (consumer and consumer != former.consumer):
            continue
        refused = keeper.table.refused.get((former.consumer, digest[:SHOWN_DIGITS]), _UNUSED)
        known = keeper.known.get(digest)
        rows.append(
            {
                "consumer": former.consumer,
                "key": f"sha256:{digest[:SHOWN_DIGITS]}",
                "removed_at": round(former.configured_at, 3),
                "last_used": (round(known.last_used, 3) or None) if known is not None else None,
                "refused": refused.requests,
                "last_refused": round(refused.last_at, 3) or None,
                "addresses": _addresses(keeper, refused.addresses),
            }
        )
    return rows


def describe_callers(keeper: UsageKeeper, consumer: str) -> Rows:
    """Who called with a shared consumer's key since the start, by User-Agent and address; most first."""
    callers = shown_callers(keeper, consumer)
    return [
        {
            "user_agent": name.user_agent,
            "address": name.address,
            "requests": use.requests,
            "last_at": round(use.last_at, 3),
        }
        for name, use in sorted(callers.items(), key=lambda item: (-item[1].requests, item[0]))
    ]


def shown_callers(keeper: UsageKeeper, consumer: str) -> dict[CallerName, CallerUse]:
    """The callers of a shared consumer, by User-Agent only where addresses may not be shown."""
    callers = keeper.table.callers.get(consumer, {}).copy()
    if keeper.shows_addresses():
        return callers
    found: dict[CallerName, CallerUse] = {}
    for name, use in callers.items():
        one = found.setdefault(CallerName(name.user_agent, ""), CallerUse())
        one.requests += use.requests
        one.last_at = max(one.last_at, use.last_at)
    return found


def _addresses(keeper: UsageKeeper, addresses: Mapping[str, float]) -> Rows:
    if not keeper.shows_addresses():
        return []
    by_time: Iterable[tuple[str, float]] = sorted(addresses.items(), key=lambda item: -item[1])
    return [{"address": address, "last_at": round(at, 3)} for address, at in by_time]
