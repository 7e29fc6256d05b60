"""Which limits a call falls under, and under which keys."""

import re
from typing import Any

import pytest

from gateway.consumers.allow_rules import parse_rules
from gateway.consumers.rate_limit_rules import (
    NO_LIMITS,
    Per,
    derive_secret,
    make_limit,
    make_limit_set,
    select_limits,
)
from tests.support.limits import limit

ACCOUNT = "AC00112233445566778899aabbccddeeff"
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
NUMBER = "15550100001"
SEND = parse_rules(["messages:send"], frozenset({"api", "verify"}))
READ = parse_rules(["GET api /2010-04-01/Accounts/*/Messages"], frozenset({"api"}))
SECRET = derive_secret(b"Basic abc")

CASES = [
    pytest.param({}, "POST", MESSAGES, (), ["app/0"], id="consumer"),
    pytest.param({"per": Per.ACCOUNT}, "POST", MESSAGES, (), [f"app/0:{ACCOUNT}"], id="account"),
    pytest.param({"rules": SEND}, "POST", MESSAGES, (), ["app/0"], id="route"),
    pytest.param({"rules": SEND}, "GET", MESSAGES, (), [], id="another_method"),
    pytest.param({"rules": SEND}, "POST", MESSAGES.replace("Messages", "Calls"), (), [], id="another_path"),
    pytest.param({"rules": READ}, "HEAD", MESSAGES, (), ["app/0"], id="head_is_get"),
    pytest.param({"per": Per.DESTINATION}, "POST", MESSAGES, (), [], id="no_destination"),
    pytest.param(
        {"per": Per.DESTINATION}, "POST", MESSAGES, tuple("123456789"), ["app/0:many"], id="many_destinations"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "method", "path", "destinations", "expected"), CASES)
def test_selected(
    settings: dict[str, Any], method: str, path: str, destinations: tuple[str, ...], expected: list[str]
) -> None:
    limits = make_limit_set([limit(secret=SECRET, **settings)])
    selected = select_limits(limits, method, "api", path, ACCOUNT, destinations)
    assert [key for _, key in selected] == expected


def test_destinations_are_hashed_with_a_secret() -> None:
    def key_of(secret: bytes, name: str = "app/0") -> str:
        limits = make_limit_set([limit(name=name, per=Per.DESTINATION, secret=secret)])
        ((_, key),) = select_limits(limits, "POST", "api", MESSAGES, ACCOUNT, (NUMBER,))
        return key

    assert re.fullmatch("app/0:[0-9a-f]{32}", key_of(SECRET))
    assert key_of(SECRET) == key_of(SECRET)
    assert key_of(SECRET) != key_of(derive_secret(b"Basic other"))


def test_nothing_shows_the_secret() -> None:
    assert str(SECRET) not in repr(limit(secret=SECRET))


def test_limits_that_ask_nothing_of_the_call_are_selected_beforehand() -> None:
    limits = make_limit_set([limit(), limit(name="app/1")])
    assert select_limits(limits, "GET", "api", MESSAGES, ACCOUNT, ()) is limits.fixed
    assert select_limits(NO_LIMITS, "GET", "api", MESSAGES, ACCOUNT, ()) == ()


@pytest.mark.parametrize(
    ("count", "period", "unit_us"),
    [(20, 1, 50_000), (3, 1, 333_334), (600, 60, 100_000), (7, 86_400, 12342857143)],
)
def test_a_unit_is_rounded_up(count: int, period: int, unit_us: int) -> None:
    compiled = make_limit("app/0", count, period, 5, weight=2, max_wait_seconds=0.5)
    assert (compiled.unit_us, compiled.cost_us, compiled.tolerance_us) == (unit_us, 2 * unit_us, 5 * unit_us)
    assert compiled.max_wait_us == 500_000
