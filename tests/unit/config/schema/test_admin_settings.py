"""The admin port: beyond loopback only if that is meant, and only with tokens that are worth the name."""

import pytest

from gateway.config.loading.resolve import load_resolved
from tests.unit.config.conftest import ENVIRON, GOOD, Write, cases, complaints

TOKENS = {"PAGE": "p" * 16, "METRICS": "m" * 16, "SHORT": "m" * 15}
BOTH = "page_token: {env: PAGE}, metrics_token: {env: METRICS}"
REACHABLE = (
    "10: admin.listen: others could reach this address, and everything that the admin port shows; "
    "write 127.0.0.1:9090, or set `allow_remote: true`, `page_token` and `metrics_token` beside it"
)
WRONG = cases(
    ("everywhere", "listen: 0.0.0.0:9090", REACHABLE),
    ("everywhere_v6", "listen: '[::]:9090'", REACHABLE),
    ("an_address", "listen: 10.1.2.3:9090", REACHABLE),
    ("a_name", "listen: admin.internal:9090", REACHABLE),
    ("tokens_alone", f"listen: 0.0.0.0:9090, {BOTH}", REACHABLE),
    ("not_meant", "listen: 0.0.0.0:9090, allow_remote: false", REACHABLE),
    (
        "no_metrics_token",
        "listen: 0.0.0.0:9090, allow_remote: true, page_token: {env: PAGE}",
        "10: admin.allow_remote: needs `admin.metrics_token`; add `metrics_token: {env: NAME}` with a secret "
        "of 16 characters or more",
    ),
    (
        "no_page_token",
        "allow_remote: true, metrics_token: {env: METRICS}",
        "10: admin.allow_remote: needs `admin.page_token`; add `page_token: {env: NAME}` with a secret "
        "of 16 characters or more",
    ),
    (
        "short",
        "page_token: {env: SHORT}",
        "10: admin.page_token: the value of env:SHORT has fewer than 16 characters; "
        "make one with: openssl rand -hex 32",
    ),
    (
        "same",
        "page_token: {env: PAGE}, metrics_token: {env: PAGE}",
        "10: admin.metrics_token: the same as `admin.page_token`; give it its own value",
    ),
    (
        "unset",
        "page_token: {env: NOBODY}",
        "10: admin.page_token: the environment variable NOBODY is not set; set NOBODY and start again",
    ),
)
LITERAL = "10: admin.page_token: a secret must not stand in the file itself"


@pytest.mark.parametrize(("admin", "expected"), WRONG)
def test_wrong(write: Write, admin: str, expected: str) -> None:
    assert complaints(write(f"{GOOD}admin: {{{admin}}}\n"), TOKENS) == [f"gateway.yaml:{expected}"]


def test_a_token_in_the_file_is_refused(write: Write) -> None:
    (found,) = complaints(write(f"{GOOD}admin: {{page_token: 0123456789abcdef0123}}\n"))
    assert found.startswith(f"gateway.yaml:{LITERAL}")


def test_an_override_is_judged_as_well(write: Write) -> None:
    """Containers are told where to listen by a variable."""
    (found,) = complaints(write(GOOD), {"GATEWAY__ADMIN__LISTEN": "0.0.0.0:9090"})
    assert "admin.listen" in found
    assert "others could reach this address" in found


@pytest.mark.parametrize(
    "admin",
    [
        "listen: 127.0.0.1:1",
        "listen: 127.8.9.10:1",
        "listen: '[::1]:1'",
        "listen: localhost:1",
        f"listen: 0.0.0.0:9090, allow_remote: true, {BOTH}",
        f"allow_remote: true, hosts: [gateway.example.com], {BOTH}",
        BOTH,
    ],
)
def test_good(write: Write, admin: str) -> None:
    resolved = load_resolved(write(f"{GOOD}admin: {{{admin}}}\n"), ENVIRON | TOKENS)
    assert (resolved.page_token is None) == ("page_token" not in admin)
    assert "p" * 16 not in repr(resolved)
