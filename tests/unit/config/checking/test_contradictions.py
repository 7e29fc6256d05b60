"""Warnings: what the gateway runs with, though somebody should look."""

from datetime import UTC, datetime

import pytest

from gateway.config.checking.identity_contradictions import Consumers, find_identity_contradictions
from gateway.config.loading.load import load_settings
from gateway.config.problems import ConfigError
from tests.unit.config.conftest import DIGEST, ENVIRON, GOOD, Write, cases

NOW = datetime(2026, 12, 20, tzinfo=UTC)

DOUBTS = cases(
    (
        "replicas_with_memory",
        "reuse_port: true",
        "10: reuse_port: replicas with `store: memory` count limits and remember an Idempotency-Key "
        "each for itself; write `store: redis://…`, so that they share both",
    ),
    (
        "creates_in_one_process",
        "repeat_guard: {store: local}",
        "10: repeat_guard.store: a replica that is killed or restarted forgets its creates, and others do "
        "not know of them: a client that calls again then sends a second message; leave it out, with "
        "`store: redis://…`, so that replicas share them",
    ),
    (
        "drain_below_the_default_maximum",
        "drain_seconds: 30",
        "10: drain_seconds: clients that wait longer get no answer later than this: it cuts "
        "`upstream.deadline_seconds_max` (55) short; make it 55 or more, and the service manager's limit "
        "above it, or write `deadline_seconds_max: 30`",
    ),
    (
        "short_drain",
        "drain_seconds: 10",
        "10: drain_seconds: a stop breaks off requests that `upstream.deadline_seconds` gives more time; "
        "the outcome of a POST is unknown then; make it 25 or more",
    ),
    (
        "no_rules",
        f"  fax: {{keys: ['{DIGEST.replace('2c', '01')}'], credential: main}}",
        "10: consumers.fax: may call nothing: it has no `allow` rules; "
        'add rules, such as `allow: ["messages:send"]`',
    ),
)  # fmt: skip
EXPIRIES = [
    pytest.param("2026-12-19T23:59:59Z", "expired at 2026-12-19T23:59:59+00:00", id="over"),
    pytest.param("2026-12-20T00:00:00Z", "expired at 2026-12-20T00:00:00+00:00", id="now"),
    pytest.param("2027-01-03T00:00:00Z", "expires soon, at 2027-01-03T00:00:00+00:00", id="in_14_days"),
    pytest.param("2027-01-03T00:00:01Z", None, id="later"),
]


def _warnings(path_text: str, write: Write) -> list[str]:
    path = write(path_text)
    loaded = load_settings(path, ENVIRON, NOW)
    return [str(warning).removeprefix(f"{path}:") for warning in loaded.warnings]


def test_nothing_to_say(write: Write) -> None:
    assert _warnings(GOOD, write) == []


@pytest.mark.parametrize(("text", "expected"), DOUBTS)
def test_doubts(write: Write, text: str, expected: str) -> None:
    assert _warnings(f"{GOOD}{text}\n", write) == [expected]


@pytest.mark.parametrize(("expires", "expected"), EXPIRIES)
def test_expiries(write: Write, expires: str, expected: str | None) -> None:
    text = GOOD.replace(f'"{DIGEST}"', f'{{digest: "{DIGEST}", expires: {expires}}}')
    lines = [f"7: consumers.billing.keys.0: {expected}; run `gateway key new billing` and replace it"]
    assert _warnings(text, write) == (lines if expected else [])


def test_auth_tokens_and_unused_credentials(write: Write) -> None:
    other = """\
  other:
    account_sid: {env: ACCOUNT_SID}
    auth_token: {env: KEY_SECRET}
    subaccounts: [{account_sid: {env: SUB}, auth_token: {env: KEY_SECRET}}]
consumers:
"""
    advice = (
        "Twilio advises the AuthToken for local tests only; "
        "make an API key in the Twilio Console, and use `keys`"
    )
    assert _warnings(GOOD.replace("consumers:\n", other), write) == [
        "5: credentials.other: no consumer uses it; remove it, or name it as a consumer's `credential`",
        f"7: credentials.other.auth_token: {advice}",
        f"8: credentials.other.subaccounts.0.auth_token: {advice}",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    cases(
        (
            "backoff_beyond_deadline",
            "upstream: {deadline_seconds: 2}\nretry: {max_backoff_seconds: 3}",
            "retry.max_backoff_seconds: a wait before a retry could be longer than the whole request "
            "may take; make it less than `upstream.deadline_seconds` (2)",
        ),
        (
            "deadline_beyond_drain",
            "upstream: {deadline_seconds_max: 61}",
            "upstream.deadline_seconds_max: a request could take longer than a stop waits for it; "
            "make it at most `drain_seconds` (60), or raise that",
        ),
        (
            "deadline_beyond_a_shorter_drain",
            "drain_seconds: 30\nupstream: {deadline_seconds_max: 55}",
            "make it at most `drain_seconds` (30), or raise that",
        ),
        (
            "deadline_beyond_its_maximum",
            "upstream: {deadline_seconds: 40, deadline_seconds_max: 30}",
            "upstream.deadline_seconds_max: is less than `upstream.deadline_seconds` (40); raise it",
        ),
        (
            "d3_files_that_are_one",
            "stop_file: state/a\nkey_usage_file: ./state/a",
            "key_usage_file: is the same file as `stop_file`; give each a file of its own",
        ),
        (
            "limit_out_of_order",
            "concurrency: {floor: 20}",
            "concurrency: `floor`, `initial` and `ceiling` are not in order; make floor <= initial",
        ),
        (
            "creates_shared_through_nothing",
            "repeat_guard: {store: shared}",
            "repeat_guard.store: there is no store that replicas share; write `store: redis://…` as well, or "
            "`local` here",
        ),
        (
            "a_span_that_is_not_made",
            "tracing: {send_upstream: true}",
            "tracing.send_upstream: there is no span of ours to send while tracing is off; "
            "write `enabled: true` beside it, or remove the line",
        ),
        (
            "rate_of_nothing",
            "consumers: {app: {keys: [], credential: main, limits: [{rate: 0/s}]}}",
            "consumers.app.limits.0.rate:",
        ),
    ),
)
def test_nonsense_is_refused(write: Write, text: str, expected: str) -> None:
    """Bounds that exclude each other, and a rate of nothing."""
    replaced = {line.partition(":")[0] for line in text.splitlines()}
    kept = [part for part in GOOD.split("\n") if part.partition(":")[0] not in replaced]
    path = write("\n".join([*kept, text]) + "\n" if "consumers" not in replaced else f"{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, ENVIRON, NOW)
    assert expected in str(caught.value)


def test_c13_claims_are_compared_by_look_ups() -> None:
    """Whatever the order, a subset of another consumer's claims is found, with its nearest place."""
    rows = [
        ("a", {"sub": "1", "team": "x"}),
        ("b", {"sub": "2"}),
        ("c", {"sub": "1"}),
        ("d", {"team": "x", "sub": "1", "env": "p"}),
        ("c", {"sub": "1", "team": "y"}),
    ]
    consumers: Consumers = []
    for name in dict.fromkeys(name for name, _ in rows):
        entries = [{"issuer": "i", "claims": claims} for owner, claims in rows if owner == name]
        consumers.append((name, {"keys": ["x"], "jwt": entries}))
    found = find_identity_contradictions([{"name": "i", "issuer": "u", "jwks_url": "https://u"}], consumers)
    assert [(".".join(map(str, each.path)), each.message) for each in found] == [
        ("consumers.c.jwt.0", "a token can have these claims and those of consumers.a.jwt.0"),
        ("consumers.d.jwt.0", "a token can have these claims and those of consumers.a.jwt.0"),
    ]


def test_c13_a_thousand_consumers_with_the_same_claims_are_each_reported_once() -> None:
    entry = {"keys": ["x"], "jwt": [{"issuer": "i", "claims": {"a": "b"}}]}
    consumers: Consumers = [(f"c{number}", entry) for number in range(1000)]
    issuers = [{"name": "i", "issuer": "u", "jwks_url": "https://u"}]
    found = list(find_identity_contradictions(issuers, consumers))
    assert [each.path[1] for each in found] == [f"c{number}" for number in range(1, 1000)]


def test_c13_a_claim_is_the_same_in_both_spellings() -> None:
    """`sub` and `/sub`: a token that has the one has the other."""
    consumers: Consumers = [
        (name, {"keys": ["x"], "jwt": [{"issuer": "i", "claims": {claim: "1"}}]})
        for name, claim in (("a", "sub"), ("b", "/sub"), ("c", "/a~1b"), ("d", "a/b"))
    ]
    issuers = [{"name": "i", "issuer": "u", "jwks_url": "https://u"}]
    found = list(find_identity_contradictions(issuers, consumers))
    assert [each.path[1] for each in found] == ["b", "d"]


def test_c13_a_claim_in_both_spellings_with_one_text_is_one_claim() -> None:
    """Such an entry has tokens, unlike one that gives the claim two texts."""
    consumers: Consumers = [
        (name, {"keys": ["x"], "jwt": [{"issuer": "i", "claims": claims}]})
        for name, claims in (
            ("a", {"sub": "1", "/sub": "1"}),
            ("b", {"sub": "1"}),
            ("c", {"sub": "2", "/sub": "3"}),
            ("d", {"sub": "2"}),
        )
    ]
    issuers = [{"name": "i", "issuer": "u", "jwks_url": "https://u"}]
    found = list(find_identity_contradictions(issuers, consumers))
    assert [each.path[1] for each in found] == ["b"]
