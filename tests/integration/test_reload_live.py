"""Every live setting of the gateway's own sections, seen in the running parts after a reload."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from gateway.config.reloading.live_settings import LIVE
from tests.support.authority import make_authority
from tests.support.running import ENVIRON, Running, configuration, consumer

Witness = Callable[[Any], object]
"""What a running gateway works by."""

WITNESSES: dict[str, tuple[Any, Witness, object]] = {
    "public_url": ("https://x.test", lambda g: g._snapshots.current.public_url, "https://x.test"),
    "docs_url": ("https://x.test", lambda g: g._snapshots.current.error_help.docs_url, "https://x.test"),
    "contact": ("ops@x.test", lambda g: g._snapshots.current.error_help.contact, "ops@x.test"),
    "on_store_failure": ("refuse", lambda g: g.components.limiter.on_store_failure, "refuse"),
    "drain_seconds": (3, lambda g: g._configuration.options.listener.drain_seconds, 3),
    "log.level": ("error", lambda g: g.observers.log.least, 40),
    "log.format": ("console", lambda g: type(g.observers.log).render.__class__.__name__, "ConsoleLines"),
    "log.schema": ("ecs", lambda g: hasattr(type(g.observers.log).render, "rename"), True),
    "log.addresses": (False, lambda g: g.observers.records_addresses, False),
    "log.sample_successes": (0.5, lambda g: g.observers.log.share, 0.5),
    "admin.hosts": (["x.test"], lambda g: g._authenticator.access.hosts, frozenset({"x.test"})),
    "admin.page_token": ({"env": "PAGE"}, lambda g: g._authenticator.access.page is not None, True),
    "admin.metrics_token": ({"env": "METRICS"}, lambda g: g._authenticator.access.metrics is not None, True),
    "callers.header_bytes": (2048, lambda g: g.listener._scope.heads.line_bytes, 2048),
    "callers.headers_max": (9, lambda g: g.listener._scope.heads.fields, 9),
    "callers.body_bytes": (77, lambda g: g._snapshots.current.limits.buffered, 77),
    "callers.stream_bytes": (78, lambda g: g._snapshots.current.limits.streamed, 78),
    "callers.connections": (79, lambda g: g.listener.tracker.limits.connections, 79),
    "callers.connections_per_address": (80, lambda g: g.listener.tracker.limits.connections_per_address, 80),
    "callers.streams": (86, lambda g: g.components.forwarder.streams.max_streams, 86),
    "callers.buffered_bytes": (87, lambda g: g.components.buffers.limit, 87),
    "callers.idle_seconds": (81, lambda g: g.listener.tracker.limits.idle_seconds, 81),
    "callers.head_seconds": (82, lambda g: g.listener.tracker.limits.head_seconds, 82),
    "callers.write_seconds": (83, lambda g: g.listener.tracker.limits.write_seconds, 83),
    "repeat_guard.mode": ("report", lambda g: g.components.repeat_guard.options.reports, True),
    "repeat_guard.max_entries": (76, lambda g: g.components.repeat_guard.options.max_entries, 76),
    "repeat_guard.after_absent": ("hold", lambda g: g.components.resolver.options.holds_absent, True),
    "repeat_guard.resend_absent": (True, lambda g: g.components.resolver.options.resends_absent, True),
    "store_key": ({"env": "STORE_KEY"}, lambda g: g._snapshots.current.seal is not None, True),
    "callers.body_seconds": (84, lambda g: g._snapshots.current.body_seconds, 84),
    "callers.body_total_seconds": (85, lambda g: g._snapshots.current.body_total_seconds, 85),
    "upstream.connect_to": (
        "http://127.0.0.1:9",
        lambda g: g.components.forwarder.origin_of("x"),
        "http://127.0.0.1:9",
    ),
    "upstream.proxy": (
        "http://127.0.0.1:8",
        lambda g: str(g.components.forwarder.pool.options.proxy),
        "http://127.0.0.1:8",
    ),
    "upstream.extra_hosts": (["x.test"], lambda g: "x.test" in g._snapshots.current.hosts.literals, True),
    "upstream.request_fields": (
        ["X-Mine"],
        lambda g: b"x-mine" in g._snapshots.current.request_fields.allowed,
        True,
    ),
    "upstream.nameservers": (
        ["127.0.0.1"],
        lambda g: g.components.forwarder.pool.options.nameservers,
        ("127.0.0.1",),
    ),
    "upstream.connections": (7, lambda g: g.components.forwarder.pool.options.connections, 7),
    "upstream.connect_seconds": (
        6,
        lambda g: g.components.forwarder.pool.options.connect_seconds,
        6,
    ),
    "upstream.deadline_seconds": (12, lambda g: g._snapshots.current.deadlines.usual.limit.seconds, 12),
    "upstream.client_timeout_seconds": (
        {"twilio-go": 4},
        lambda g: g._snapshots.current.deadlines.by_client["twilio-go"],
        3,
    ),
    "upstream.idle_seconds": (13, lambda g: g.components.forwarder._shared.idle_seconds, 13),
    "retry.max_attempts": (2, lambda g: g.components.forwarder._shared.retry.max_attempts, 2),
    "retry.initial_backoff_seconds": (
        0.2,
        lambda g: g.components.forwarder._shared.retry.initial_backoff_seconds,
        0.2,
    ),
    "retry.max_backoff_seconds": (
        3,
        lambda g: g.components.forwarder._shared.retry.max_backoff_seconds,
        3,
    ),
    "retry.budget_percent": (50, lambda g: g.components.forwarder.budget.share, 0.5),
    "concurrency.floor": (2, lambda g: g.components.forwarder.limiters._options.floor, 2),
    "concurrency.ceiling": (500, lambda g: g.components.forwarder.limiters._options.ceiling, 500),
    "concurrency.initial": (20, lambda g: g.components.forwarder.limiters._options.initial, 20),
    "concurrency.queue": (5, lambda g: g.components.forwarder.limiters._queue_size, 5),
    "idempotency.ttl_seconds": (90, lambda g: g.components.idempotency._memory._ttl_seconds, 90),
    "idempotency.max_bytes": (91, lambda g: g.components.idempotency._memory._max_bytes, 91),
    "idempotency.max_entries": (92, lambda g: g.components.idempotency._memory._max_entries, 92),
}
"""Path -> (value, how it is seen, what is seen then)."""

ELSEWHERE = {
    "tls.": "tests/integration/test_tls.py",
    "upstream.ca_file": "below",
    "upstream.deadline_seconds_max": "below",
    "credentials.*": "tests/integration/test_reload_signal.py",
    "consumers.*": "tests/integration/test_reload_signal.py",
    "secret_stores.": "tests/integration/test_remote_secrets.py",
    "jwt.*": "tests/integration/test_jwt.py",
    "webhooks.": "tests/integration/test_webhook_reloads.py",
    "ca": "below",
    "admin.operate_token": "below",
    "defaults": "below",
    "groups.*": "below",
    "include": "below",
    "repeat_guard.seconds": "tests/integration/test_repeat_guard.py",
    "repeat_guard.routes": "tests/integration/test_repeat_guard.py",
}


def test_each_live_setting_has_a_witness() -> None:
    left = LIVE - WITNESSES.keys()
    assert {path for path in left if not path.startswith(tuple(ELSEWHERE))} == set()
    assert WITNESSES.keys() <= LIVE


async def apply(gateway: Running, folder: Path, **settings: Any) -> None:
    """Put a configuration into force, as a reload does."""
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration("http://127.0.0.1:1", **settings)))
    environ = {**ENVIRON, "PAGE": "page-token-page-token", "METRICS": "metrics-token-metrics-token"}
    environ["STORE_KEY"] = base64.b64encode(bytes(32)).decode()
    resolved = load_resolved(path, environ)
    await gateway.gateway.apply(make_configuration(resolved))


@pytest.mark.parametrize("path", WITNESSES)
async def test_it_takes_effect(gateway: Running, tmp_path: Path, path: str) -> None:
    value, look, expected = WITNESSES[path]
    assert look(gateway.gateway) != expected
    section, _, name = path.rpartition(".")
    sections = configuration("http://127.0.0.1:1")
    inner = {**sections.get(section, {}), name: value}
    await apply(gateway, tmp_path, **({section: inner} if section else {name: value}))
    assert look(gateway.gateway) == expected


async def test_other_authorities_make_another_pool(gateway: Running, tmp_path: Path) -> None:
    """Also when the file's name is the same; what has not changed keeps its connections."""
    forwarder = gateway.gateway.components.forwarder
    seen = []
    for renewed in (True, False, True):
        if renewed:
            trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        await apply(gateway, tmp_path, upstream={"ca_file": "ca.pem"})
        seen.append(forwarder.pool)
    assert seen[0] is seen[1] is not seen[2]


async def test_a_client_may_have_another_time_out(gateway: Running, tmp_path: Path) -> None:
    """Its next request is answered a second before it; others keep theirs, within the maximum."""
    upstream = {"client_timeout_seconds": {"twilio-go": 4, "acme-sms": 3}, "deadline_seconds_max": 28}
    await apply(gateway, tmp_path, upstream=upstream, drain_seconds=60)
    deadlines = gateway.gateway._snapshots.current.deadlines
    names = ("twilio-go", "acme-sms", "twilio-node", "twilio-php")
    assert [deadlines.by_client[name] for name in names] == [3, 2, 28, 28]
    assert deadlines.max_seconds == 28


async def test_an_authority_comes_is_replaced_and_goes(gateway: Running, tmp_path: Path) -> None:
    roots = []
    for folder in ("first", "second", None):
        await apply(gateway, tmp_path, ca=None if folder is None else make_authority(tmp_path / folder))
        roots.append(gateway.gateway._minting.root_pem)
    assert roots[0].startswith(b"-----BEGIN CERTIFICATE-----")
    assert len(set(roots)) == 3
    assert roots[2] == b""


async def test_an_operators_token(gateway: Running, tmp_path: Path) -> None:
    admin = {"listen": "127.0.0.1:0", "page_token": {"env": "PAGE"}, "operate_token": {"env": "METRICS"}}
    await apply(gateway, tmp_path, admin=admin)
    assert gateway.gateway._authenticator.access.operate is not None


async def test_what_consumers_share_takes_effect(gateway: Running, tmp_path: Path) -> None:
    """Defaults, groups and included files are written out in the consumers."""
    (tmp_path / "team.yaml").write_text(
        yaml.safe_dump({"consumers": {"late": consumer("a-late-key-0123456789")}})
    )
    await apply(
        gateway,
        tmp_path,
        include="*team.yaml",
        defaults={"legacy": True},
        groups={"slow": {"priority": "low"}},
        consumers={"app": consumer() | {"groups": ["slow"]}},
    )
    consumers = gateway.gateway._snapshots.current.consumers
    assert {name: (each.legacy, each.priority.name) for name, each in consumers.items()} == {
        "app": (True, "LOW"),
        "late": (True, "NORMAL"),
    }
