"""Rules that can never grant anything, and those that can."""

import pytest

from gateway.consumers.allow_rules import parse_rules
from gateway.consumers.consumer import Consumer, Emit
from gateway.consumers.credentials import Account, ApiKey, Credential
from gateway.consumers.rule_lint import find_unreachable
from gateway.twilio.catalogue import load_catalogue

OWN, FOREIGN = "AC" + "1" * 32, "AC" + "9" * 32
CATALOGUE = load_catalogue()
ACCOUNT = "/2010-04-01/Accounts/{AccountSid}"


def doubts(*allow: str, emit: Emit = Emit.NATIVE) -> list[tuple[str, str, str]]:
    """(rule, message, hint) for a consumer with these rules."""
    credential = Credential("main", Account(OWN, (ApiKey("SK", b"x"),)), {}, "us1", "")
    rules = parse_rules(allow, CATALOGUE.products)
    consumer = Consumer("app", frozenset({"app"}), credential, rules, emit=emit)
    return [(doubt.rule.text, doubt.message, doubt.hint) for doubt in find_unreachable(consumer, CATALOGUE)]


@pytest.mark.parametrize(
    "rule",
    [
        "everything",
        "read-only",
        "messages:send",
        "messages:read",
        "verify",
        "lookups",
        "calls:create",
        f"GET api {ACCOUNT}/**",
        f"PUT api {ACCOUNT}/Messages/{{Sid}}",
        f"* api {ACCOUNT}/Messages/*/Media/**",
        f"GET api /2010-04-01/Accounts/{OWN}/Messages.json",
        "GET api /2010-04-01/Accounts",
        f"DELETE api {ACCOUNT}/Keys/{{Sid}}",
        "GET * /**/Services",
        "* mcs /v1/Services/**",
    ],
)
def test_rules_that_grant_something_are_not_doubted(rule: str) -> None:
    assert doubts(rule) == []


@pytest.mark.parametrize(
    ("rule", "message", "hint"),
    [
        (f"GET api {ACCOUNT}/Mesages", "fits no path", f"did you mean {ACCOUNT}/Messages?"),
        ("GET api /2010-04-01/accounts/*/Messages", "fits no path", "did you mean"),
        ("GET verify /2010-04-01/**", "fits no path", "compare"),
        (f"PATCH api {ACCOUNT}/Messages", "knows no PATCH", "it knows GET, POST"),
        (f"GET api /2010-04-01/Accounts/{FOREIGN}/Messages", "does not own", "{AccountSid}"),
        ("* api /2010-04-01/Accounts", "grants nothing", "exactly"),
        (f"GET api {ACCOUNT}/Keys/*", "grants nothing", "exactly"),
    ],
)
def test_rules_that_grant_nothing_are_doubted(rule: str, message: str, hint: str) -> None:
    ((text, found, advice),) = doubts(rule)
    assert text == rule
    assert message in found
    assert hint in advice


def test_what_a_rule_before_it_grants_is_granted_once() -> None:
    narrow = f"GET api {ACCOUNT}/Messages/{{Sid}}"
    ((rule, message, _),) = doubts(f"GET api {ACCOUNT}/**", narrow)
    assert rule == narrow
    assert "adds nothing" in message
    assert doubts(narrow, f"GET api {ACCOUNT}/**") == []


def test_an_exact_rule_for_keys_adds_to_everything() -> None:
    assert doubts("everything", f"GET api {ACCOUNT}/Keys") == []


def test_posting_instead_of_deleting_works_on_one_product() -> None:
    (doubt,) = doubts("DELETE messaging /v1/Services/{Sid}", emit=Emit.POST)
    assert "501" in doubt[1]
    assert doubts(f"DELETE api {ACCOUNT}/Messages/{{Sid}}", emit=Emit.POST) == []
