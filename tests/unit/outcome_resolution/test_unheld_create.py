"""What the guard does not hold is entered all the same: a look for another create may find what it makes."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from gateway.exchange import Exchange
from gateway.http.response import Response
from gateway.identity.authentication import Caller, authenticate
from gateway.outcome_resolution.unheld_create import send_unheld
from gateway.policy.authorization import Grant
from gateway.policy.bodies import Body
from gateway.policy.outbound import Outbound
from gateway.policy.steps import check_body, decide_head, prepare
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.repeat_guard.local_outcomes import LocalOutcomes
from gateway.repeat_guard.open_outcomes import new_outcome, new_owner
from gateway.repeat_guard.repeat_guard import RepeatGuard
from tests.support.judging import MESSAGES, OWN, consumer, credential, head, snapshot
from tests.support.repeat_guard import ASKING, SUBJECT
from tests.support.watched_creates import FORM_FIELD

ACCOUNT = f"/2010-04-01/Accounts/{OWN}"
TEMPLATE = "/2010-04-01/Accounts/{AccountSid}"
ROUTES = {
    ("api", f"{TEMPLATE}{path}"): 300.0
    for path in ("/Messages", "/Calls", "/Conferences/{ConferenceSid}/Participants")
}
BODY = b"To=%2B15005550006&From=%2B15005550001&Body=hi"
SID = "0a" * 16


@dataclass
class Ask:
    """What the handler makes of a request."""

    grant: Grant
    outbound: Outbound
    body: Body
    deadline: float


@pytest.mark.parametrize(
    ("target", "answer", "sid"),
    [
        (MESSAGES, b'{"sid": "SM%b"}', "SM"),
        (f"{ACCOUNT}/Calls.json", b'{"sid": "CA%b"}', "CA"),
        (f"{ACCOUNT}/Conferences/room/Participants.json", b'{"call_sid": "CA%b", "label": "x"}', "CA"),
    ],
    ids=["a message", "a call", "a conference's participant"],
)
async def test_it_counts_while_it_is_sent_and_owns_what_it_made(target: str, answer: bytes, sid: str) -> None:
    given = consumer(credential=replace(credential(), asks=True))
    current = replace(snapshot(given), repeat_routes=ROUTES)
    inbound = head("POST", target, FORM_FIELD, body=BODY)
    caller = authenticate(current.identities, inbound, 0.0)
    assert isinstance(caller, Caller)
    grant, plan = decide_head(current, given, inbound, Exchange(0.0))
    body = check_body(grant, plan, BODY, Exchange(0.0))
    outbound = prepare(current, caller, inbound, grant, body, streams=False).outbound
    ask = Ask(grant, outbound, body, asyncio.get_running_loop().time() + 20)
    guard = RepeatGuard(RepeatGuardOptions())
    outcomes = guard.outcomes
    assert isinstance(outcomes, LocalOutcomes)
    subject = SUBJECT._replace(account=OWN, to="+15005550006")
    another = new_outcome(ASKING, subject, outcomes.now(), 20, new_owner())

    async def send(*, whole: bool) -> Response:
        assert whole
        assert (await outcomes.compare(another, [])).others == 1
        return Response(201, "Created", (), answer % SID.encode(), None)

    await send_unheld(guard, outcomes, ask, Exchange(0.0), current, send, whole=False)
    assert await outcomes.compare(another, [sid + SID]) == ((), 0)
