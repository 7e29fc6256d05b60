"""The two header fields, as draft-ietf-httpapi-ratelimit-headers-10 writes them."""

import pytest

from gateway.consumers.rate_limit_rules import Limit, LimitKey
from gateway.rate_limits.rate_limit_headers import write_fields, write_values
from tests.support.limits import SECOND, keys, limit

NOW = 1_000 * SECOND

POLICIES = [
    pytest.param("20/s", 40, b'"app-0";q=40;w=2', id="burst_over_the_rate"),
    pytest.param("20/s", 20, b'"app-0";q=20;w=1', id="burst_is_the_rate"),
    pytest.param("20/s", 1, b'"app-0";q=20;w=1', id="burst_of_less_than_a_second"),
    pytest.param("20/s", 30, b'"app-0";q=30;w=2', id="part_of_a_second_is_rounded_up"),
    pytest.param("600/m", 600, b'"app-0";q=600;w=60', id="minute"),
    pytest.param("5/d", 1, b'"app-0";q=1;w=17280', id="day"),
]


@pytest.mark.parametrize(("rate", "burst", "expected"), POLICIES)
def test_policy(rate: str, burst: int, expected: bytes) -> None:
    assert limit(rate, burst).policy == expected


@pytest.mark.parametrize(
    ("tat", "expected"),
    [
        (0, b'"app-0";r=2;t=0'),
        (0.5, b'"app-0";r=1;t=1'),
        (1.0, b'"app-0";r=0;t=1'),
        (6.0, b'"app-0";r=0;t=6'),
    ],
)
def test_remaining(tat: float, expected: bytes) -> None:
    wanted = keys(limit("2/s", 2))
    assert write_values(wanted, [NOW + int(tat * SECOND)], NOW)[1] == expected


def test_several() -> None:
    wanted = keys(limit("2/s", 2), limit("1/m", 1, "app/1"))
    assert write_fields(wanted, [NOW + SECOND // 2, NOW + 60 * SECOND], NOW) == (
        b'RateLimit-Policy: "app-0";q=2;w=1, "app-1";q=1;w=60\r\n'
        b'RateLimit: "app-0";r=1;t=1, "app-1";r=0;t=60\r\n'
    )


@pytest.mark.parametrize("order", [[0.5, 1.0], [1.0, 0.5]])
def test_one_limit_over_two_destinations_tells_of_the_least(order: list[float]) -> None:
    each: Limit = limit("2/s", 2)
    wanted = (LimitKey(each, "app/0:a"), LimitKey(each, "app/0:b"))
    assert write_values(wanted, [NOW + int(tat * SECOND) for tat in order], NOW) == (
        b'"app-0";q=2;w=1',
        b'"app-0";r=0;t=1',
    )


def test_limits_that_only_report_are_not_told_of() -> None:
    assert write_fields(keys(limit(reports=True)), [0], NOW) == b""
