"""What the handler's own steps make of a request that the repeat guard may watch."""

from dataclasses import replace

from gateway.consumers.consumer import Consumer
from gateway.exchange import Exchange
from gateway.identity.authentication import Caller, authenticate
from gateway.policy.repeat_intent import WatchedCreate
from gateway.policy.steps import check_body, decide_head, prepare
from tests.support.judging import FORM, MESSAGES, consumer, head, snapshot

TEMPLATE = "/2010-04-01/Accounts/{AccountSid}/Messages"
ROUTES = {("api", TEMPLATE): 300.0}
TEXT = b"To=%2B15005550006&Body=hi"
FORM_FIELD = (b"Content-Type", FORM)


def watched(
    target: str = MESSAGES,
    body: bytes = TEXT,
    *fields: tuple[bytes, bytes],
    method: str = "POST",
    given: Consumer | None = None,
    seconds: float = 300.0,
) -> WatchedCreate | None:
    """What the handler's own steps make of a request."""
    given = given or consumer()
    current = replace(snapshot(given), repeat_routes={("api", TEMPLATE): seconds})
    inbound = head(method, target, FORM_FIELD, *fields, body=body)
    caller = authenticate(current.identities, inbound, 0.0)
    assert isinstance(caller, Caller)
    grant, plan = decide_head(current, given, inbound, Exchange(0.0))
    read = check_body(grant, plan, body, Exchange(0.0))
    return prepare(current, caller, inbound, grant, read, streams=False).watched
