"""Limits for tests, written as short as they are said."""

from typing import Any

import pytest

from gateway.consumers.rate_limit_rules import Limit, LimitKey, make_limit
from gateway.rate_limits import redis_limits
from gateway.redis.script import Script

SECOND = 1_000_000


def limit(rate: str = "1/s", burst: int = 1, name: str = "app/0", **settings: Any) -> Limit:
    """`rate` as in the configuration, for seconds and minutes."""
    count, _, unit = rate.partition("/")
    return make_limit(name, int(count), {"s": 1, "m": 60, "d": 86_400}[unit], burst, **settings)


def keys(*limits: Limit) -> tuple[LimitKey, ...]:
    """Each under its own name."""
    return tuple(LimitKey(each, each.name) for each in limits)


@pytest.fixture
def lasting_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of limits outlive the test: where its clock stands still, Redis' own must not count.

    A key lives one second longer than it takes the limit to fill up, by the time of Redis. A test that counts
    by a clock of its own, and stands still for that second on a busy machine, would find the limit full.
    """
    text, form = redis_limits._SPEND.text, redis_limits._SPEND.returns
    life = "math.ceil((after[i] - now) / 1000) + 1000)"
    assert text.count(life) == 1
    monkeypatch.setattr(
        redis_limits, "_SPEND", Script.of(text.replace(life, life[:-1] + " + 3600000)"), form)
    )
