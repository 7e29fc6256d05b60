"""What `check` says of the repeat guard, whatever the configuration is."""

from typing import Any

import pytest

from gateway.config.checking.guard_notes import describe_guard
from gateway.config.schema.settings import Settings
from tests.support.running import configuration

REDIS = "redis://127.0.0.1:6379/0"
MESSAGES = "api /2010-04-01/Accounts/{AccountSid}/Messages"


def described(*, asks: bool = False, **settings: Any) -> str:
    tree = configuration("http://127.0.0.1:1", **settings)
    tree["credentials"]["main"]["repeat_guard"] = {"ask": asks}
    return "\n".join(describe_guard(Settings.model_validate(tree)))


@pytest.mark.parametrize(
    ("settings", "forgets"),
    [({}, True), ({"store": REDIS}, False), ({"store": REDIS, "repeat_guard": {"store": "local"}}, True)],
)
def test_it_says_whether_a_killed_replica_forgets(settings: dict[str, Any], forgets: bool) -> None:
    assert ("forgets" in described(**settings)) == forgets


def test_it_says_that_a_503_is_definite_where_twilio_is_not_asked() -> None:
    assert "a 503 to a create is definite" in described()
    assert "503" not in described(asks=True)


@pytest.mark.parametrize(
    ("guard", "text"),
    [
        ({"mode": "report"}, "sends them all"),
        ({"seconds": 0}, "off"),
        ({"seconds": 0, "routes": {MESSAGES: 5}}, "forgets"),
    ],
)
def test_it_says_what_is_not_guarded(guard: dict[str, Any], text: str) -> None:
    assert text in described(repeat_guard=guard)
