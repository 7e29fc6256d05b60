"""Which settings a reload puts into force, and which wait for a restart: every name of the schema.

A test holds the table against the schema, another against a running gateway, so that no setting is ignored in
silence. Must not know how a setting is put into force.
"""

from typing import Final

RESTART: Final = frozenset(
    {
        "listen",
        "reuse_port",
        "tls",
        "store",
        "admin.listen",
        "admin.allow_remote",
        "tracing.enabled",
        "tracing.send_upstream",
    }
)
"""What is opened once. (`tls` here is whether there is any: what is beneath it is live.)"""

LIVE: Final = frozenset(
    {
        "public_url",
        "on_store_failure",
        "drain_seconds",
        "admin.page_token",
        "admin.metrics_token",
        "admin.hosts",
        "log.level",
        "log.format",
        "log.sample_successes",
        "tls.cert_file",
        "tls.key_file",
        "tls.client_certificates",
        "tls.client_ca_file",
        "tls.min_version",
        "callers.header_bytes",
        "callers.headers_max",
        "callers.body_bytes",
        "callers.stream_bytes",
        "callers.connections",
        "callers.connections_per_address",
        "callers.idle_seconds",
        "callers.head_seconds",
        "callers.body_seconds",
        "callers.body_total_seconds",
        "callers.write_seconds",
        "upstream.connect_to",
        "upstream.proxy",
        "upstream.ca_file",
        "upstream.extra_hosts",
        "upstream.connections",
        "upstream.connect_seconds",
        "upstream.deadline_seconds",
        "upstream.idle_seconds",
        "secret_stores.*",
        "jwt.*",
        "credentials.*",
        "consumers.*",
        "retry.post_on_503",
        "retry.max_attempts",
        "retry.initial_backoff_seconds",
        "retry.max_backoff_seconds",
        "retry.budget_percent",
        "concurrency.floor",
        "concurrency.ceiling",
        "concurrency.initial",
        "concurrency.queue",
        "idempotency.ttl_seconds",
        "idempotency.max_bytes",
        "idempotency.max_entries",
    }
)
"""What a reload puts into force for the next request, or the next connection. `.*` is all beneath a name."""
