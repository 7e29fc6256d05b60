"""Which heads the repeat guard watches."""

import pytest

from gateway.errors import Refusal
from gateway.policy.repeat_intent import WatchedCreate
from tests.support.judging import MESSAGES
from tests.support.watched_creates import TEXT, watched

NOT_WATCHED = [
    pytest.param(watched(MESSAGES, TEXT, (b"Idempotency-Key", b"k1")), id="a key"),
    pytest.param(watched(MESSAGES, TEXT, (b"Gateway-Repeat", b"Allow")), id="allowed"),
    pytest.param(watched(seconds=0.0), id="switched off"),
    pytest.param(watched(MESSAGES.replace("Messages", "Messages/SM" + "1" * 32)), id="an update"),
    pytest.param(watched(MESSAGES.replace("Messages", "Tokens")), id="another route"),
    pytest.param(
        watched(MESSAGES.replace("Messages", "Messages/SM" + "1" * 32) + "?_method=DELETE"), id="a DELETE"
    ),
]


@pytest.mark.parametrize("found", NOT_WATCHED)
def test_not_watched(found: WatchedCreate | None) -> None:
    assert found is None


def test_an_odd_value_is_refused() -> None:
    with pytest.raises(Refusal, match="bad_header"):
        watched(MESSAGES, TEXT, (b"Gateway-Repeat", b"yes"))
