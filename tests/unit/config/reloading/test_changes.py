"""What is said of two configurations that differ: all of it, and never a secret."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.loading.resolve import load_resolved
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.reloading.changes import describe_changes, find_waiting, restart_values
from tests.unit.config.conftest import ACCOUNT_SID, DIGEST, ENVIRON

OTHER_DIGEST = "sha256:" + "3d" * 32
OTHER_KEY_SID = "SK" + "4e" * 16
SUBACCOUNT = "AC" + "5f" * 16
SECRETS = {
    "KEY_SECRET": "first-secret-of-the-key",
    "OTHER_SECRET": "second-secret-of-the-key",
    "TOKEN": "auth-token-of-the-account",
    "PROXY": "http://user:password-of-the-proxy@proxy.test:3128",
    "PAGE_TOKEN": "token-of-the-live-page",
    "REDIS": "redis://:password-of-redis@redis.test:6379/0",
}


def load(folder: Path, settings: dict[str, Any]) -> ResolvedSettings:
    """A configuration of these plain values."""
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(settings))
    return load_resolved(path, ENVIRON | SECRETS)


def base() -> dict[str, Any]:
    """Plain values to be changed."""
    return {
        "credentials": {
            "main": {
                "account_sid": {"env": "ACCOUNT_SID"},
                "keys": [{"sid": {"env": "KEY_SID"}, "secret": {"env": "KEY_SECRET"}}],
            }
        },
        "consumers": {"billing": {"keys": [DIGEST], "credential": "main", "allow": ["everything"]}},
    }


def key(sid: Any, secret: str) -> dict[str, Any]:
    return {"sid": sid, "secret": {"env": secret}}


FIRST = {"env": "KEY_SID"}
BILLING = "consumers.billing"
MAIN = "credentials.main"

CASES = {
    "nothing": ([], []),
    "number": ([("concurrency.queue", 5)], ["concurrency.queue: 1000 -> 5"]),
    "seconds": ([("drain_seconds", 2.5)], ["drain_seconds: 60 -> 2.5"]),
    "switch": ([("repeat_guard.resend_absent", True)], ["repeat_guard.resend_absent: no -> yes"]),
    "word": ([("log.level", "debug")], ["log.level: info -> debug"]),
    "text": ([("public_url", "https://x.test")], ["public_url: nothing -> https://x.test"]),
    "list": ([("upstream.extra_hosts", ["x.test"])], ["upstream.extra_hosts: nothing -> x.test"]),
    "proxy": ([("upstream.proxy", {"env": "PROXY"})], ["upstream.proxy: changed"]),
    "token_of_the_page": (
        [("admin.page_token", {"env": "PAGE_TOKEN"})],
        ["admin.page_token: changed"],
    ),
    "store": ([("store", {"env": "REDIS"})], ["store: changed"]),
    "key_added": (
        [(f"{BILLING}.keys", [DIGEST, OTHER_DIGEST])],
        [f"{BILLING}.keys: sha256:3d3d3d3d… added"],
    ),
    "key_replaced": (
        [(f"{BILLING}.keys", [OTHER_DIGEST])],
        [f"{BILLING}.keys: sha256:2c2c2c2c… removed", f"{BILLING}.keys: sha256:3d3d3d3d… added"],
    ),
    "key_ends": (
        [(f"{BILLING}.keys", [{"digest": DIGEST, "expires": "2999-01-01T00:00:00Z"}])],
        [f"{BILLING}.keys: sha256:2c2c2c2c… expires at another time"],
    ),
    "rules": ([(f"{BILLING}.allow", ["verify"])], [f"{BILLING}.allow: … -> …"]),
    "form": ([(f"{BILLING}.form", {"from": ["+15550100"]})],
             [f"{BILLING}.form.from: nothing -> …", f"{BILLING}.form.unknown_parameters: nothing -> …"]),
    "priority": ([(f"{BILLING}.priority", "low")], [f"{BILLING}.priority: normal -> low"]),
    "limits": ([(f"{BILLING}.limits", [{"rate": "1/s"}])], [f"{BILLING}.limits: … -> …"]),
    "consumer": (
        [("consumers.other", {"keys": [OTHER_DIGEST], "credential": "main"})],
        ["consumers.other: added"],
    ),
    "secret": ([(f"{MAIN}.keys", [key(FIRST, "OTHER_SECRET")])],
               [f"{MAIN}.keys: SK1b1b…1b1b has another secret"]),
    "twilio_key": (
        [(f"{MAIN}.keys", [key(OTHER_KEY_SID, "OTHER_SECRET"), key(FIRST, "KEY_SECRET")])],
        [f"{MAIN}.keys: SK4e4e…4e4e added"],
    ),
    "token": ([(f"{MAIN}.auth_token", {"env": "TOKEN"})], [f"{MAIN}.auth_token: changed"]),
    "account": (
        [(f"{MAIN}.account_sid", SUBACCOUNT)],
        [f"{MAIN}.account_sid: AC0a0a…0a0a -> AC5f5f…5f5f"],
    ),
    "subaccount": (
        [(f"{MAIN}.subaccounts", [SUBACCOUNT])],
        [f"{MAIN}.subaccounts: AC5f5f…5f5f added"],
    ),
    "region": ([(f"{MAIN}.region", "ie1")],
               [f"{MAIN}.edge: nothing -> dublin", f"{MAIN}.region: us1 -> ie1"]),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "expected"), CASES.values(), ids=CASES)
def test_what_is_said(tmp_path: Path, changed: list[tuple[str, Any]], expected: list[str]) -> None:
    """Said of the way there, and as much of the way back; no secret either time."""
    settings = base()
    before = load(tmp_path, settings)
    for path, value in changed:
        *sections, name = path.split(".")
        inner = settings
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
    after = load(tmp_path, settings)
    said = describe_changes(before, after)
    assert list(said) == expected
    back = describe_changes(after, before)
    assert len(back) == len(said)
    for secret in (*SECRETS.values(), ACCOUNT_SID, DIGEST, OTHER_DIGEST, "password"):
        assert secret not in "\n".join((*said, *back))


def test_order_of_keys_counts(tmp_path: Path) -> None:
    """They are tried in this order."""
    settings = base()
    main = settings["credentials"]["main"]
    main["keys"] = [key(FIRST, "KEY_SECRET"), key(OTHER_KEY_SID, "OTHER_SECRET")]
    before = load(tmp_path, settings)
    main["keys"].reverse()
    assert describe_changes(before, load(tmp_path, settings)) == (f"{MAIN}.keys: in another order",)


def test_a_subaccounts_own_key(tmp_path: Path) -> None:
    settings = base()
    main = settings["credentials"]["main"]
    main["subaccounts"] = [{"account_sid": SUBACCOUNT, "keys": [key(OTHER_KEY_SID, "KEY_SECRET")]}]
    before = load(tmp_path, settings)
    main["subaccounts"] = [{"account_sid": SUBACCOUNT, "keys": [key(OTHER_KEY_SID, "OTHER_SECRET")]}]
    said = describe_changes(before, load(tmp_path, settings))
    assert said == (f"{MAIN}.subaccounts.AC5f5f…5f5f.keys: SK4e4e…4e4e has another secret",)


def test_what_waits_for_a_restart(tmp_path: Path) -> None:
    before = load(tmp_path, base())
    assert find_waiting(restart_values(before), before) == ()
    after = load(
        tmp_path,
        base()
        | {
            "listen": "127.0.0.1:1",
            "reuse_port": True,
            "admin": {"listen": "127.0.0.1:2"},
            "store": {"env": "REDIS"},
            "log": {"format": "json", "level": "debug"},
            "drain_seconds": 1,
        },
    )
    assert find_waiting(restart_values(before), after) == ("admin.listen", "listen", "reuse_port", "store")


def test_everything_resolved_is_compared() -> None:
    """Whoever adds a field to it says here how a change is noticed: a reload that sees none does nothing."""
    said = {
        "audit_key",
        "store",
        "store_key",
        "proxy",
        "page_token",
        "metrics_token",
        "operate_token",
        "credentials",
        "consumers",
        "webhooks",
    }
    in_settings = {"settings", "role", "listen", "admin_listen", "config_hash", "warnings", "origins"}
    in_files = {"tls", "ca", "ca_file", "issuers", "files"}
    assert {field.name for field in fields(ResolvedSettings)} == said | in_settings | in_files


def test_webhooks(tmp_path: Path) -> None:
    """Routes by path, secrets by where they come from; a value of neither is shown."""

    def section(**changes: object) -> dict[str, object]:
        secret = {"account": "main", "auth_token": {"env": "TOKEN"}}
        route = {"path": "/sms", "account": "main", "to": "http://orders/sms", "sign_with": {"env": "OURS"}}
        webhooks = {"listen": "127.0.0.1:0", "public_url": "https://h.example.com", "secrets": [secret]}
        return base() | {"webhooks": {**webhooks, "routes": [{**route, **changes}]}}

    environ = {**ENVIRON, "TOKEN": "first-token", "OURS": "first-secret", "NEW": "second-secret"}
    path = tmp_path / "gateway.yaml"

    def read(settings: dict[str, object], **values: str) -> ResolvedSettings:
        path.write_text(yaml.safe_dump(settings))
        return load_resolved(path, environ | values)

    before = read(section())
    assert describe_changes(before, read(section())) == ()
    rotated = describe_changes(before, read(section(), TOKEN="second-token"))
    assert rotated == ("webhooks.secrets: AC0a0a…0a0a env:TOKEN: changed",)
    changed = describe_changes(before, read(section(timeout=5, sign_with={"env": "NEW"})))
    assert "webhooks.routes: /sms changed" in changed
    assert "webhooks.routes: /sms: sign_with: changed" in changed
    assert any("/other added" in line for line in describe_changes(before, read(section(path="/other"))))
    assert "token" not in str(rotated).replace("env:TOKEN", "")


def test_c13_keys_of_a_large_consumer_are_compared_by_look_ups(tmp_path: Path) -> None:
    """5,000 keys, of which one is replaced."""
    digests = [f"sha256:{number:08x}{'0' * 56}" for number in range(5_000)]
    settings = base()
    settings["consumers"]["billing"]["keys"] = digests
    before = load(tmp_path, settings)
    settings["consumers"]["billing"]["keys"] = [*digests[1:], OTHER_DIGEST]
    assert describe_changes(before, load(tmp_path, settings)) == (
        "consumers.billing.keys: sha256:00000000… removed",
        "consumers.billing.keys: sha256:3d3d3d3d… added",
    )
