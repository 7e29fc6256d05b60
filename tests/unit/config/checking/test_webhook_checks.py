"""Contradictions and warnings of `webhooks:`, each with its place and what to write instead."""

import pytest

from tests.unit.config.conftest import CREDENTIALS, ENVIRON, GOOD, Write, complaint, complaints

WEBHOOKS = """\
webhooks:
  listen: 127.0.0.1:8443
  public_url: https://hooks.example.com
  secrets: [{account: main, auth_token: {env: TOKEN}}]
  routes:
    - {path: /sms, account: main, to: "http://orders:8000/sms", sign_with: {env: OURS}}
"""
SECRETS = {"TOKEN": "0123456789abcdef0123456789abcdef", "OURS": "secret-of-orders"}

ROWS = [
    ("path: /sms", "path: sms", "not a path"),
    ("path: /sms", "path: /sms*", "not a path"),
    ("path: /sms,", 'path: "/sms/**",', "only one of `path` and `to` takes what is beneath"),
    ("orders:8000/sms", "orders:8000/sms?x=1", "not the URL of a service"),
    ("orders:8000/sms", "user:pass@orders/sms", "not the URL of a service"),
    ("sign_with:", "burst: 5, sign_with:", "is of no use without `rate`"),
    ("sign_with:", "timeout: 16, sign_with:", "timeout"),
    ("sign_with:", "mode: off, sign_with:", "mode"),
    ("{account: main, auth_token: {env: TOKEN}}", "{account: main}", "needs an Auth Token, or a SharedKey"),
    ("auth_token: {env: TOKEN}", "shared_key: k", "needs an Auth Token, or a SharedKey"),
    ("auth_token: {env: TOKEN}", "secret: {env: TOKEN}", "needs an Auth Token, or a SharedKey"),
    ("{account: main, auth", "{account: mian, auth", "did you mean 'main'?"),
    ("{account: main, auth", f"{{account: AC{'9' * 32}, auth", "no credential has this account"),
    ("auth_token: {env: TOKEN}", "auth_token: {env: MISSING}", "MISSING is not set"),
    ("listen: 127.0.0.1:8443", "listen: 127.0.0.1:8080", "another port of the gateway has this address"),
    ("listen: 127.0.0.1:8443", "listen: 0.0.0.0:8080", "another port of the gateway has this address"),
    ("listen: 127.0.0.1:8443", "listen: localhost:9090", "another port of the gateway has this address"),
]  # fmt: skip


def test_a_good_one(write: Write) -> None:
    assert complaints(write(GOOD + WEBHOOKS), SECRETS) == []


@pytest.mark.parametrize(("before", "after", "said"), ROWS, ids=[row[1][:30] for row in ROWS])
def test_what_is_wrong_is_said(write: Write, before: str, after: str, said: str) -> None:
    text = WEBHOOKS.replace(before, after, 1)
    assert text != WEBHOOKS
    line = complaint(write(GOOD + text), SECRETS)
    assert "webhooks" in line
    assert said in line
    assert ENVIRON["KEY_SECRET"] not in line


def test_a_file_for_webhooks_alone_needs_neither_keys_nor_consumers(write: Write) -> None:
    alone = "credentials: {main: {account_sid: {env: ACCOUNT_SID}}}\n"
    assert complaints(write(alone + WEBHOOKS), SECRETS) == []
    assert complaints(write(alone + WEBHOOKS.replace("127.0.0.1:8443", "0.0.0.0:8080")), SECRETS) == []
    admin = "admin: {listen: 0.0.0.0:8080, allow_remote: true, page_token: {env: A}, metrics_token: {env: B}}"
    tokens = SECRETS | {"A": "a" * 20, "B": "b" * 20}
    assert complaints(write(f"{alone}{WEBHOOKS}{admin}\n"), tokens) == []
    missing = complaints(write(alone), SECRETS)
    assert [line for line in missing if "consumers: missing" in line]
    assert [line for line in missing if "neither an API key nor an auth token" in line]
    assert "consumers: missing" in complaint(write(CREDENTIALS), SECRETS)
