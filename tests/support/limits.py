"""Limits for tests, written as short as they are said."""

from typing import Any

from gateway.consumers.rate_limit_rules import Limit, LimitKey, make_limit

SECOND = 1_000_000


def limit(rate: str = "1/s", burst: int = 1, name: str = "app/0", **settings: Any) -> Limit:
    """`rate` as in the configuration, for seconds and minutes."""
    count, _, unit = rate.partition("/")
    return make_limit(name, int(count), {"s": 1, "m": 60, "d": 86_400}[unit], burst, **settings)


def keys(*limits: Limit) -> tuple[LimitKey, ...]:
    """Each under its own name."""
    return tuple(LimitKey(each, each.name) for each in limits)
