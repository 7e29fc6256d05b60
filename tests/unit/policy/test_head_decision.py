"""For which requests a decision holds. That it then is the right one: tests/property/test_known_heads.py."""

import pytest

from gateway.exchange import Exchange
from gateway.http.head_template import HeadTemplate, cut_head
from gateway.http.request_head import Inbound, require_head
from gateway.identity.authentication import Caller
from gateway.identity.client_certificates import PeerCertificate
from gateway.policy.head_decision import HeadDecision
from gateway.policy.outbound import build_outbound_head
from gateway.policy.steps import decide_head
from gateway.twilio.request_fields import TWILIO_FIELDS
from tests.support.judging import AUTHORIZATION, FORM, KEY, MESSAGES, TOKEN, consumer, snapshot
from tests.support.native import attributes_of

APP = consumer()
SNAPSHOT = snapshot(APP)
FIELDS = (
    (b"Host", b"gateway.internal:8080"),
    AUTHORIZATION,
    (b"Content-Type", FORM),
    (b"X-Request-Id", b"order-1"),
    (b"Idempotency-Key", b"key-1"),
    (b"Content-Length", b"10"),
)


def template(method: str, target: str, fields: tuple[tuple[bytes, bytes], ...]) -> HeadTemplate:
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    found = cut_head(f"{method} {target} HTTP/1.1\r\n".encode() + lines + b"\r\n", 4096)
    assert found is not None
    return found


TEMPLATE = template("POST", MESSAGES, FIELDS)


def decide(
    *,
    expires: float = float("inf"),
    certificate: PeerCertificate | None = None,
    inbound: Inbound | None = None,
    key: str = "",
) -> HeadDecision:
    inbound = inbound or require_head("POST", MESSAGES, (1, 1), FIELDS)
    grant, plan = decide_head(SNAPSHOT, APP, inbound, Exchange(0.0))
    caller = Caller(APP, (KEY, TOKEN), expires, key)
    client = SNAPSHOT.deadlines.recognize(inbound)
    return HeadDecision(SNAPSHOT, inbound, caller, certificate, client, grant, plan)


def recalled(decision: HeadDecision, *, now: float = 0.0, length: bytes = b"10") -> Inbound | None:
    return decision.recall(SNAPSHOT, now, TEMPLATE, [b"order-2", b"key-2", length])


def test_the_head_has_the_new_values() -> None:
    inbound = recalled(decide(), length=b"12")
    changed = (
        *FIELDS[:3],
        (b"X-Request-Id", b"order-2"),
        (b"Idempotency-Key", b"key-2"),
        (b"Content-Length", b"12"),
    )
    assert inbound == require_head("POST", MESSAGES, (1, 1), changed)


def test_it_holds_until_the_key_or_the_certificate_expires() -> None:
    certificate = PeerCertificate((), 50.0)
    assert recalled(decide(expires=100.0), now=99.9) is not None
    assert recalled(decide(expires=100.0), now=100.0) is None
    assert recalled(decide(certificate=certificate), now=49.9) is not None
    assert recalled(decide(expires=100.0, certificate=certificate), now=50.0) is None


def test_it_holds_for_its_configuration_only() -> None:
    assert decide().recall(snapshot(APP), 0.0, TEMPLATE, [b"a", b"b", b"10"]) is None


@pytest.mark.parametrize(
    ("length", "holds"), [(b"1", True), (b"1048576", True), (b"1048577", False), (b"0", False)]
)
def test_it_holds_for_bodies_within_the_bound(length: bytes, holds: bool) -> None:
    assert (recalled(decide(), length=length) is not None) is holds


def test_a_body_that_is_dropped_is_looked_at_each_time() -> None:
    fields = (FIELDS[0], AUTHORIZATION, (b"Content-Length", b"5"))
    decision = decide(inbound=require_head("GET", MESSAGES, (1, 1), fields))
    known = template("GET", MESSAGES, fields)
    assert decision.recall(SNAPSHOT, 0.0, known, [b"5"]) is not None
    assert decision.recall(SNAPSHOT, 0.0, known, [b"6"]) is None


@pytest.mark.parametrize(
    ("allowed", "kept"),
    [(TWILIO_FIELDS, True), (TWILIO_FIELDS | {b"x-correlation-id"}, False), (None, False)],
    ids=["twilio", "an individual one", "all"],
)
def test_what_is_sent_is_kept_if_no_individual_value_is_in_it(
    allowed: frozenset[bytes] | None, kept: bool
) -> None:
    decision = decide()
    caller = Caller(APP, (KEY, TOKEN))
    head = build_outbound_head(decision.inbound, caller, decision.grant, None, allowed=allowed)
    decision.keep(head, allowed)
    assert (decision.outbound is head) is kept


def test_it_marks_an_exchange_as_deciding_does() -> None:
    inbound = require_head("POST", MESSAGES, (1, 1), (*FIELDS, (b"X_Odd", b"1")))
    decided, recalled_one = Exchange(0.0), Exchange(0.0)
    decided.consumer_key = caller_key = "0123abcd"
    decided.sdk = SNAPSHOT.deadlines.recognize(inbound).sdk
    decided.ignored = tuple(each.reason for each in inbound.dropped)
    decide_head(SNAPSHOT, APP, inbound, decided)
    decide(inbound=inbound, key=caller_key).mark(recalled_one)
    for name in attributes_of(Exchange):
        assert getattr(decided, name) == getattr(recalled_one, name), name
