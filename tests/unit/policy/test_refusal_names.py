"""What the record says of an error: the rule or the limit, by a name of the configuration."""

import pytest

from gateway.consumers.form_rules import FormRules
from gateway.errors import KINDS, FailurePhase, GatewayError, Refusal, UpstreamFailure
from gateway.exchange import Exchange
from gateway.policy.refusal_names import LIMITS, RULES, note_error
from tests.support.judging import FORM, MESSAGES, consumer, head, judge


def noted(error: GatewayError) -> Exchange:
    exchange = Exchange(0.0)
    exchange.rule = "messages:send"
    note_error(exchange, error)
    return exchange


@pytest.mark.parametrize(
    ("error", "rule", "limit"),
    [
        (Refusal("not_allowed", ""), "allow", ""),
        (Refusal("stopped", ""), "stop", ""),
        (Refusal("form_rule", "", rule="form.to"), "form.to", ""),
        (Refusal("rate_limited", "", limit="app/0"), "messages:send", "app/0"),
        (Refusal("queue_full", ""), "messages:send", "concurrency.queue"),
        (Refusal("bad_body", ""), "messages:send", ""),
    ],
)
def test_rule_and_limit(error: GatewayError, rule: str, limit: str) -> None:
    exchange = noted(error)
    assert (exchange.slug, exchange.status) == (error.slug, error.status)
    assert (exchange.rule, exchange.limit) == (rule, limit)


def test_the_outcome_is_what_the_caller_is_told() -> None:
    shared = Refusal("repeat_in_flight", "", headers=(("Gateway-Outcome", "shared"),))
    assert noted(shared).outcome == "shared"
    lost = UpstreamFailure("upstream_lost", FailurePhase.SENT, "")
    assert noted(lost.with_outcome(replayable=True)).told_outcome == ""
    assert noted(lost.with_outcome(replayable=False)).told_outcome == "unknown"


def test_the_tables_name_slugs() -> None:
    assert RULES.keys() | LIMITS.keys() <= KINDS.keys()


@pytest.mark.parametrize(
    ("rules", "body", "rule"),
    [
        (FormRules(senders=frozenset()), b"From=%2B15005550001", "form.from"),
        (FormRules(messaging_services=frozenset()), b"MessagingServiceSid=MG1", "form.messaging_services"),
        (FormRules(recipients=()), b"To=%2B15005550001", "form.to"),
        (FormRules(callback_hosts=()), b"StatusCallback=https://a.example/", "form.callback_hosts"),
        (FormRules(applications=frozenset()), b"ApplicationSid=AP1", "form.applications"),
        (FormRules(senders=frozenset()), b"NoSuchParameter=1", "form.unknown_parameters"),
    ],
)
def test_form_rules_are_named(rules: FormRules, body: bytes, rule: str) -> None:
    inbound = head("POST", MESSAGES, (b"Content-Type", FORM), body=body)
    with pytest.raises(Refusal) as refused:
        judge(consumer(forms=rules), inbound, body)
    assert (refused.value.slug, refused.value.rule) == ("form_rule", rule)
