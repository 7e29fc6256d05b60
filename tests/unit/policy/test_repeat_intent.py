"""Which requests the repeat guard watches, and which of them are the same."""

from dataclasses import replace

import pytest

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.exchange import Exchange
from gateway.identity.authentication import Caller, authenticate
from gateway.policy.repeat_intent import RepeatIntent
from gateway.policy.steps import check_body, decide_head, prepare
from tests.support.judging import FORM, MESSAGES, OWN, consumer, head, snapshot

TEMPLATE = "/2010-04-01/Accounts/{AccountSid}/Messages"
ROUTES = {("api", TEMPLATE): 300.0}
TEXT = b"To=%2B15005550006&Body=hi"
FORM_FIELD = (b"Content-Type", FORM)


def intent(
    target: str = MESSAGES,
    body: bytes = TEXT,
    *fields: tuple[bytes, bytes],
    method: str = "POST",
    given: Consumer | None = None,
    seconds: float = 300.0,
) -> RepeatIntent | None:
    """What the handler's own steps make of a request."""
    given = given or consumer()
    current = replace(snapshot(given), repeat_routes={("api", TEMPLATE): seconds})
    inbound = head(method, target, FORM_FIELD, *fields, body=body)
    caller = authenticate(current.identities, inbound, 0.0)
    assert isinstance(caller, Caller)
    grant, plan = decide_head(current, given, inbound, Exchange(0.0))
    read = check_body(grant, plan, body, Exchange(0.0))
    return prepare(current, caller, inbound, grant, read, streams=False).intent


def test_a_create_is_watched() -> None:
    found = intent()
    assert found is not None
    assert found.seconds == 300.0
    assert len(found.scope) == 64
    assert "hi" not in repr(found)


SAME = [
    pytest.param(intent(MESSAGES, b"To=%2B15005550006&Body=h%69"), id="escaped otherwise"),
    pytest.param(intent(MESSAGES, TEXT, (b"User-Agent", b"x")), id="another field"),
    pytest.param(intent(MESSAGES.replace(OWN, "AC" + "0" * 32)), id="the all-zero account"),
]
OTHER = [
    pytest.param(intent(MESSAGES, TEXT + b"!"), id="another body"),
    pytest.param(intent(MESSAGES + "?a=1"), id="another query"),
    pytest.param(intent(MESSAGES.replace(".json", ".xml")), id="another format"),
]


@pytest.mark.parametrize("found", SAME)
def test_the_same(found: RepeatIntent | None) -> None:
    assert found == intent()


@pytest.mark.parametrize("found", OTHER)
def test_not_the_same(found: RepeatIntent | None) -> None:
    assert found is not None
    assert found != intent()


NOT_WATCHED = [
    pytest.param(intent(MESSAGES, TEXT, (b"Idempotency-Key", b"k1")), id="a key"),
    pytest.param(intent(MESSAGES, TEXT, (b"Gateway-Repeat", b"Allow")), id="allowed"),
    pytest.param(intent(seconds=0.0), id="switched off"),
    pytest.param(intent(MESSAGES.replace("Messages", "Messages/SM" + "1" * 32)), id="an update"),
    pytest.param(intent(MESSAGES.replace("Messages", "Tokens")), id="another route"),
    pytest.param(
        intent(MESSAGES.replace("Messages", "Messages/SM" + "1" * 32) + "?_method=DELETE"), id="a DELETE"
    ),
]


@pytest.mark.parametrize("found", NOT_WATCHED)
def test_not_watched(found: RepeatIntent | None) -> None:
    assert found is None


def test_an_odd_value_is_refused() -> None:
    with pytest.raises(Refusal, match="bad_header"):
        intent(MESSAGES, TEXT, (b"Gateway-Repeat", b"yes"))
