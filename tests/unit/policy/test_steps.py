"""The order of the decisions: what is recorded when, and which refusal comes first."""

import pytest

from gateway.consumers.consumer import Consumer, Mode
from gateway.consumers.form_rules import FormRules
from gateway.errors import Refusal
from gateway.exchange import Exchange
from gateway.policy.bodies import NO_BODY, BodyFormat
from gateway.policy.steps import check_body, check_stream, decide_head, prepare
from tests.support.judging import FOREIGN, FORM, MESSAGES, OWN, caller, consumer, head, snapshot

_TYPE = (b"Content-Type", FORM)
_BODY = b"From=%2B1&To=%2B1"
_SENDERS = FormRules(senders=frozenset({"+49"}))


def test_each_step_records_what_it_knows() -> None:
    given, exchange = consumer(), Exchange(0.0)
    inbound = head("POST", MESSAGES, _TYPE, (b"Idempotency-Key", b"k"), body=_BODY)
    granted, plan = decide_head(snapshot(given), given, inbound, exchange)
    assert (exchange.consumer, exchange.method, exchange.product) == ("app", "POST", "api")
    assert (exchange.label, exchange.account) == (granted.route.label, OWN)
    assert (exchange.credential, exchange.reported, plan.shape) == ("main", "", BodyFormat.FORM)
    body = check_body(granted, plan, _BODY, exchange)
    assert body.data == _BODY
    prepared = prepare(snapshot(given), caller(given), inbound, granted, body, streams=False)
    assert (prepared.outbound.body, prepared.limit) == (_BODY, (25.0, False))
    assert prepared.claim is not None


@pytest.mark.parametrize(
    ("given", "target", "slug", "known"),
    [
        (consumer(), "/nowhere", "unknown_address", ("app", "", "")),
        (consumer(), f"{MESSAGES}?_method=PATCH", "method_override", ("app", "", "")),
        (consumer("verify"), MESSAGES, "not_allowed", ("app", "POST", "")),
        (consumer(), MESSAGES.replace(OWN, FOREIGN), "foreign_account", ("app", "POST", "")),
    ],
    ids=["address", "method", "rule", "account"],
)
def test_a_refusal_keeps_what_was_recorded_before_it(
    given: Consumer, target: str, slug: str, known: tuple[str, str, str]
) -> None:
    exchange = Exchange(0.0)
    with pytest.raises(Refusal, match=slug):
        decide_head(snapshot(given), given, head("POST", target, _TYPE, body=_BODY), exchange)
    assert (exchange.consumer, exchange.method, exchange.account) == known


def test_the_first_reported_slug_is_kept() -> None:
    given, exchange = consumer("verify", forms=_SENDERS, mode=Mode.REPORT), Exchange(0.0)
    granted, plan = decide_head(snapshot(given), given, head("POST", MESSAGES, _TYPE, body=_BODY), exchange)
    assert exchange.reported == "not_allowed"
    check_body(granted, plan, _BODY, exchange)
    assert exchange.reported == "not_allowed"


def test_a_stream_is_checked_before_it_is_read() -> None:
    given, exchange = consumer(forms=_SENDERS), Exchange(0.0)
    inbound = head("POST", "/mcs/v1/Services/IS1/Media", body=b"x")
    granted, plan = decide_head(snapshot(given), given, inbound, exchange)
    assert plan.stream
    with pytest.raises(Refusal, match="form_rule"):
        check_stream(granted, exchange)


def test_a_streamed_body_is_not_in_what_is_prepared() -> None:
    given, exchange = consumer(), Exchange(0.0)
    inbound = head("POST", "/mcs/v1/Services/IS1/Media", body=b"x")
    granted, plan = decide_head(snapshot(given), given, inbound, exchange)
    check_stream(granted, exchange)
    prepared = prepare(snapshot(given), caller(given), inbound, granted, NO_BODY, streams=plan.stream)
    assert (prepared.outbound.streams, prepared.outbound.body, prepared.outbound.length) == (True, b"", 1)
