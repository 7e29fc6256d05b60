"""What is live and what waits for a restart: derived from the schema, whole, and said by the reference."""

from gateway.config.reloading.live_settings import LIVE, RESTART
from gateway.config.schema.documentation import render_markdown

OPENED_ONCE = {
    "listen",
    "reuse_port",
    "tls",
    "store",
    "stop_file",
    "key_usage_file",
    "store_prefix",
    "admin.listen",
    "audit",
    "audit.file",
    "audit.key",
    "audit.stream",
    "admin.allow_remote",
    "repeat_guard.store",
    "tracing.enabled",
    "tracing.send_upstream",
    "webhooks",
    "webhooks.listen",
    "webhooks.tls",
}


def test_what_waits_for_a_restart_is_what_is_opened_once() -> None:
    assert set(RESTART) == OPENED_ONCE
    assert not LIVE & RESTART


def test_every_kind_of_setting_has_its_path() -> None:
    """A plain one, one beneath an optional section, a reference, mappings and lists of sections."""
    paths = {"drain_seconds", "tls.cert_file", "upstream.proxy", "admin.page_token", "consumers.*", "jwt.*"}
    assert paths <= LIVE
    assert not [path for path in LIVE | RESTART if path.startswith(("consumers.b", "credentials.k"))]


def test_the_reference_marks_what_waits() -> None:
    marked = [line.split("`")[1] for line in render_markdown().splitlines() if line.endswith("*Restart.* |")]
    assert marked == [path.rpartition(".")[2] for path in (
        "listen", "reuse_port", "tls", "store", "store_prefix", "stop_file", "key_usage_file", "audit",
        "webhooks",
        "admin.listen", "admin.allow_remote", "tracing.enabled", "tracing.send_upstream",
        "audit.file", "audit.stream", "audit.key", "repeat_guard.store", "webhooks.listen", "webhooks.tls",
    )]  # fmt: skip
