"""Which creates are the same, and how replicas call them."""

from dataclasses import replace

import pytest

from gateway.policy.repeat_intent import WatchedCreate
from tests.support.judging import MESSAGES, OWN, consumer, credential
from tests.support.watched_creates import TEXT, watched


def test_a_create_is_watched() -> None:
    found = watched()
    assert found is not None
    assert found.seconds == 300.0
    assert len(found.intent().scope) == 64
    assert len(found.intent().secret) == 32
    assert "hi" not in repr(found)


def test_replicas_of_every_release_call_it_the_same() -> None:
    """Else a repeat that reaches a replica of the other release during a rollout would be sent."""
    found = watched()
    assert found is not None
    assert found.intent().scope == "141a31a3f0e19da76997c7413077004536164202d06a2b75da13325bf078b657"
    assert found.intent().secret.hex() == "5faa299cf02cfda9bcf0d5000423a0ef4e8b29d75e65d44535b9dd27fd56c884"


SAME = [
    pytest.param(watched(MESSAGES, b"To=%2B15005550006&Body=h%69"), id="escaped otherwise"),
    pytest.param(watched(MESSAGES, TEXT, (b"User-Agent", b"x")), id="another field"),
    pytest.param(watched(MESSAGES.replace(OWN, "AC" + "0" * 32)), id="the all-zero account"),
]
OTHER = [
    pytest.param(watched(MESSAGES, TEXT + b"!"), id="another body"),
    pytest.param(watched(MESSAGES + "?a=1"), id="another query"),
    pytest.param(watched(MESSAGES.replace(".json", ".xml")), id="another format"),
]


@pytest.mark.parametrize("found", SAME)
def test_the_same(found: WatchedCreate | None) -> None:
    assert found == watched()


@pytest.mark.parametrize("found", OTHER)
def test_not_the_same(found: WatchedCreate | None) -> None:
    assert found is not None
    assert found != watched()


@pytest.mark.parametrize(
    ("target", "body", "is_asked"),
    [(MESSAGES, TEXT, True), (MESSAGES + "?a=1", TEXT, False), (MESSAGES, b"Body=hi", False)],
    ids=["a message", "with a query", "to nobody"],
)
def test_twilio_is_asked_only_about_what_a_list_can_show(target: str, body: bytes, *, is_asked: bool) -> None:
    """A query may mean what no resource tells."""
    found = watched(target, body, given=consumer(credential=replace(credential(), asks=True)))
    assert found is not None
    assert (found.asks, found.sought is not None) == (is_asked, is_asked)
