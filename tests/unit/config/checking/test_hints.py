"""D8: values that people often get wrong are answered with what to write instead."""

import pytest

from gateway.config.checking.hints import rule_hint
from tests.unit.config.conftest import CREDENTIALS, GOOD, Write, cases, complaint, complaints

PRODUCTS = frozenset({"api", "messaging", "verify"})

VALUES = cases(
    ("listen", "listen: 9000", "listen: must be text; write 127.0.0.1:9000"),
    ("admin_listen", "admin: {listen: 9000}", "admin.listen: must be text; write 127.0.0.1:9000"),
    ("no_port", "listen: 123456", "listen: must be text; put it in quotes."),
    ("rate", "    limits: [{rate: 20}]", "consumers.billing.limits.0.rate: must be text; write 20/s"),
    ("rate_in_words", "    limits: [{rate: 20/min}]", "limits.0.rate: not a rate; write 20/m"),
    ("rate_spaced", "    limits: [{rate: '20 / sec'}]", "limits.0.rate: not a rate; write 20/s"),
    ("rate_per", "    limits: [{rate: 600 per hour}]", "limits.0.rate: not a rate; write 600/h"),
    ("rate_per_second", "    limits: [{rate: 20 rps}]", "limits.0.rate: not a rate; write 20/s"),
    ("rate_per_minute", "    limits: [{rate: 20rpm}]", "limits.0.rate: not a rate; write 20/m"),
    ("rate_of_requests", "    limits: [{rate: 20 req/s}]", "limits.0.rate: not a rate; write 20/s"),
    ("rate_per_one", "    limits: [{rate: 20/1s}]", "limits.0.rate: not a rate; write 20/s"),
    ("upper_case", "Listen: 127.0.0.1:9000", "Listen: unknown name; did you mean 'listen'?"),
    ("rate_odd", "    limits: [{rate: 20/x}]", "limits.0.rate: not a rate; write a whole number per s, m, h"),
    ("url", "    form: {callback_hosts: ['https://hooks.example.com/x']}", "; write hooks.example.com"),
    ("port", "    form: {callback_hosts: ['hooks.example.com:8443']}", "; write hooks.example.com"),
    ("upper_host", "    form: {callback_hosts: [Hooks.Example.com]}", "; write hooks.example.com"),
    ("extra_host", "upstream: {extra_hosts: ['https://partner.example.com']}", "; write partner.example.com"),
    ("seconds", "drain_seconds: 30s", "drain_seconds: must be a number; write 30"),
    ("minutes", "drain_seconds: 5 min", "drain_seconds: must be a number; write 300"),
    ("milliseconds", "drain_seconds: 500ms", "drain_seconds: must be a number; write 0.5"),
    ("bytes", "callers: {body_bytes: 10MB}", "callers.body_bytes: must be a whole number; write 10485760"),
    ("percent", "retry: {budget_percent: 20%}", "retry.budget_percent: must be a number; write 20"),
    ("no_unit", "drain_seconds: 30x", "drain_seconds: must be a number; write it in digits"),
    ("wrong_unit", "drain_seconds: 30MB", "drain_seconds: must be a number; write it in digits"),
)


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_d8_values(write: Write, text: str, expected: str) -> None:
    assert expected in complaint(write(f"{GOOD}{text}\n"))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("message:send", "did you mean messages:send?"),
        ("read_only", "did you mean read-only?"),
        ("GET mesaging /v1/Services", "did you mean messaging?"),
        ("GET api.twilio.com /2010-04-01/x", "write api"),
        ("get api /2010-04-01/x", "write GET"),
        ("https://verify.twilio.com/v2/Services", "write GET verify /v2/Services"),
        ("post https://verify.twilio.com/v2/Services?x=1", "write POST verify /v2/Services"),
        ("GET /2010-04-01/Accounts", "write GET api /2010-04-01/Accounts"),
        ("GET /verify/v2/Services", "write GET verify /v2/Services"),
        ("mesaging", "did you mean messaging? write GET messaging /**, or another method"),
        ("Messaging", "did you mean messaging? write GET messaging /**, or another method"),
        ("verify2", "did you mean verify?"),
        ("api", "write GET api /**, or another method"),
        ("*", "did you mean everything?"),
        ("all", "did you mean everything?"),
        ("GET api.twilio.com/2010-04-01/x", "write GET api /2010-04-01/x"),
        ("verify.twilio.com/v2/Services", "write GET verify /v2/Services"),
        ("GET https://www.twilio.com/x", "see 'allow' in docs/configuration.md"),
        ("GET https://example.com/x", "see 'allow' in docs/configuration.md"),
        ("sms", "see 'allow' in docs/configuration.md"),
        ("get /v2/Services", "see 'allow' in docs/configuration.md"),
        ("GET https://[", "see 'allow' in docs/configuration.md"),
        ("GET api 2010-04-01", "see 'allow' in docs/configuration.md"),
    ],
)
def test_d8_rules(rule: str, expected: str) -> None:
    assert rule_hint(rule, PRODUCTS) == expected


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("dublin", "credentials.main.region: dublin is an edge; write `region: ie1`, whose edge it is"),
        ("tokyo", "credentials.main.region: tokyo is an edge; write `region: jp1`, whose edge it is"),
        ("ashburn", "credentials.main.region: ashburn is an edge; write `region: us1` and `edge: ashburn`"),
        ("IE1", "credentials.main.region: not a region's or edge's name; write ie1"),
        ("br1", "credentials.main.region: only us1, ie1, au1, jp1 have an edge of their own; add `edge"),
    ],
)
def test_d8_an_edge_in_a_region_s_place(write: Write, region: str, expected: str) -> None:
    assert expected in complaint(write(GOOD.replace("main:\n", f"main:\n    region: {region}\n", 1)))


def test_d8_a_consumer_without_its_indentation(write: Write) -> None:
    """One line that says so, and nothing about an empty section."""
    text = f"{CREDENTIALS}consumers:\nbilling:\n  keys: []\n  credential: main\n  allow: [everything]\n"
    assert complaints(write(text)) == [
        "gateway.yaml:6: billing: stands beside the sections; indent it below `consumers`"
    ]


def test_d8_a_section_whose_name_is_misspelt(write: Write) -> None:
    """No setting of another section, though `defaults` has one of this name."""
    found = complaints(write(GOOD.replace("credentials:\n", "credential:\n", 1)))
    assert "gateway.yaml:1: credential: unknown name; did you mean 'credentials'?" in found
    assert any(line.endswith("no credential has this name; add it below `credentials`") for line in found)


@pytest.mark.parametrize("written", ["$TWILIO_ACCOUNT_SID", "${TWILIO_ACCOUNT_SID}"])
def test_d8_a_shell_s_variable_in_a_sid_s_place(write: Write, written: str) -> None:
    text = f"credentials:\n  main:\n    account_sid: {written}\n"
    found = complaints(write(text + GOOD[GOOD.index("    keys") :]))
    assert any(line.endswith("write {env: TWILIO_ACCOUNT_SID}") for line in found), found


def test_d8_a_credential_without_its_indentation(write: Write) -> None:
    text = GOOD.replace("  main:\n    account", "main:\n  account").replace(
        "    keys: [{sid", "  keys: [{sid"
    )
    found = complaints(write(text))
    assert "gateway.yaml:2: main: stands beside the sections; indent it below `credentials`" in found
    assert not [line for line in found if "credentials: is empty" in line]


def test_d8_a_consumer_at_the_margin_beside_others(write: Write) -> None:
    """Where the section is not empty, too: the last consumer of a file, pasted without its indentation."""
    pasted = (
        f"reminders:\n  keys: []\n  credential: main\n  allow: [verify]\nm: {{account_sid: AC{'0' * 32}}}\n"
    )
    found = complaints(write(GOOD + pasted))
    assert "gateway.yaml:10: reminders: stands beside the sections; indent it below `consumers`" in found
    assert "gateway.yaml:14: m: stands beside the sections; indent it below `credentials`" in found


OUTDENTED = cases(
    ("setting", "upstream:\nidle_seconds: 25\n", "11: idle_seconds: stands beside the sections; `upstream`"),
    (
        "setting_behind_its_section",
        "upstream:\n  proxy: http://127.0.0.1:1\nidle_seconds: 25\n",
        "12: idle_seconds: stands beside the sections; `upstream`",
    ),
    ("list", "webhooks:\nroutes: []\n", "11: routes: stands beside the sections; `webhooks`"),
    (
        "rules_of_a_consumer",
        "  orders:\n    credential: main\n    keys: []\n  allow: [everything]\n",
        "13: consumers.allow: stands beside the names of its section; `orders`",
    ),
)


@pytest.mark.parametrize(("text", "expected"), OUTDENTED)
def test_d8_a_setting_without_its_indentation(write: Write, text: str, expected: str) -> None:
    found = complaints(write(GOOD + text))
    assert f"gateway.yaml:{expected.replace('; ', '; indent it below ')}" in found
    assert not [line for line in found if "is empty" in line or "unknown name" in line]


def test_d8_all_of_a_consumer_is_beside_it(write: Write) -> None:
    """Only this is said, and nothing of an empty consumer."""
    text = f"{CREDENTIALS}consumers:\n  app:\n  keys: []\n  credential: main\n  allow: [everything]\n"
    assert complaints(write(text)) == [
        f"gateway.yaml:{line}: consumers.{name}: stands beside the names of its section; "
        "indent it below `app`"
        for line, name in ((7, "keys"), (8, "credential"), (9, "allow"))
    ]
