"""The options of every part, as one value: the single place where settings become options.

`options_of` is pure. A part takes its own options and knows no settings; a new option has one way in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from yarl import URL

from gateway.admin.admin_authentication import AdminAccess
from gateway.concurrency.adaptive_limit import AdaptiveLimitOptions
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.schema.addresses import ListenAddress
from gateway.config.schema.admin_settings import is_loopback
from gateway.config.schema.observe_settings import Log, Tracing
from gateway.config.schema.secret_values import Secret
from gateway.idempotency.keyed_requests import IdempotencyOptions
from gateway.identity.jwks_cache import KeySource
from gateway.identity.jwks_fetch import KeyAddress
from gateway.listener.connections import ConnectionLimits
from gateway.listener.request_parser import HeadLimits
from gateway.outcome_resolution.outcome_resolver import ResolverOptions
from gateway.rate_limits.rate_limiter import OnStoreFailure
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.upstream.connection_opener import TransportOptions
from gateway.upstream.shared_state import RetryOptions


class ListenerOptions(NamedTuple):
    """The data port. `address` and `reuse_port` are those of the start until a restart."""

    address: ListenAddress
    reuse_port: bool
    limits: ConnectionLimits
    heads: HeadLimits
    drain_seconds: float


class AdminOptions(NamedTuple):
    """The admin port. `remote`: other machines can reach `address`."""

    address: ListenAddress
    remote: bool
    access: AdminAccess


class AuditOptions(NamedTuple):
    """The audit trail. `path` is None for standard output."""

    path: Path | None
    key: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return f"AuditOptions(path={self.path})"


class ConcurrencyOptions(NamedTuple):
    """The learned limit of each account, and the length of the queue in front of it."""

    limit: AdaptiveLimitOptions
    queue: int


@dataclass(frozen=True, slots=True)
class Options:
    """What every part works by, for one configuration."""

    listener: ListenerOptions
    admin: AdminOptions
    log: Log
    tracing: Tracing
    audit: AuditOptions | None
    stop_file: Path | None
    key_usage_file: Path | None
    store: Secret | None
    """The URL of Redis; None keeps state in this process."""
    store_prefix: str
    on_store_failure: OnStoreFailure
    transport: TransportOptions
    retry: RetryOptions
    streams: int
    """Answers that may be streamed to one consumer at the same time."""
    buffered_bytes: int
    """Bytes of bodies that may be held for all callers together."""
    concurrency: ConcurrencyOptions
    idempotency: IdempotencyOptions
    repeat_guard: RepeatGuardOptions
    resolver: ResolverOptions
    issuers: Mapping[str, KeySource]
    """By the issuer's name, without the keys of files: the snapshot has those."""


def options_of(resolved: ResolvedSettings) -> Options:
    """The options of a resolved configuration."""
    settings = resolved.settings
    return Options(
        listener=_listener(resolved),
        admin=_admin(resolved),
        log=settings.log,
        tracing=settings.tracing,
        audit=_audit(resolved),
        stop_file=_beside(resolved, settings.stop_file),
        key_usage_file=_beside(resolved, settings.key_usage_file),
        store=resolved.store,
        store_prefix=settings.store_prefix,
        on_store_failure=OnStoreFailure(settings.on_store_failure),
        transport=_transport(resolved),
        retry=_retry(resolved),
        streams=settings.callers.streams,
        buffered_bytes=settings.callers.buffered_bytes,
        concurrency=_concurrency(resolved),
        idempotency=_idempotency(resolved),
        repeat_guard=_repeat_guard(resolved),
        resolver=_resolver(resolved),
        issuers=_issuers(resolved),
    )


def _beside(resolved: ResolvedSettings, name: str | None) -> Path | None:
    return resolved.files[0].parent / name if name else None


def _listener(resolved: ResolvedSettings) -> ListenerOptions:
    callers = resolved.settings.callers
    return ListenerOptions(
        address=resolved.listen,
        reuse_port=resolved.settings.reuse_port,
        limits=ConnectionLimits(
            connections=callers.connections,
            connections_per_address=callers.connections_per_address,
            idle_seconds=callers.idle_seconds,
            head_seconds=callers.head_seconds,
            write_seconds=callers.write_seconds,
        ),
        heads=HeadLimits(callers.header_bytes, callers.headers_max),
        drain_seconds=resolved.settings.drain_seconds,
    )


def _admin(resolved: ResolvedSettings) -> AdminOptions:
    page, metrics = resolved.page_token, resolved.metrics_token
    operate = resolved.operate_token
    access = AdminAccess.of(
        None if page is None else page.reveal(),
        None if metrics is None else metrics.reveal(),
        frozenset(resolved.settings.admin.hosts),
        None if operate is None else operate.reveal(),
    )
    address = resolved.admin_listen
    return AdminOptions(address, not is_loopback(address.host), access)


def _audit(resolved: ResolvedSettings) -> AuditOptions | None:
    settings, key = resolved.settings.audit, resolved.audit_key
    if settings is None or key is None:
        return None
    path = None if settings.file is None else resolved.files[0].parent / settings.file
    return AuditOptions(path, key.reveal().encode())


def _transport(resolved: ResolvedSettings) -> TransportOptions:
    upstream = resolved.settings.upstream
    trusted = resolved.ca_file
    return TransportOptions(
        connect_to=URL(str(upstream.connect_to)) if upstream.connect_to else None,
        proxy=URL(resolved.proxy.reveal()) if resolved.proxy else None,
        ca_file=str(trusted.path) if trusted else None,
        ca_digest=trusted.digest if trusted else b"",
        nameservers=upstream.nameservers,
        connections=upstream.connections,
        connect_seconds=upstream.connect_seconds,
        deadline_seconds=upstream.deadline_seconds,
        idle_seconds=upstream.idle_seconds,
    )


def _retry(resolved: ResolvedSettings) -> RetryOptions:
    retry = resolved.settings.retry
    return RetryOptions(
        max_attempts=retry.max_attempts,
        budget_share=retry.budget_percent / 100,
        initial_backoff_seconds=retry.initial_backoff_seconds,
        max_backoff_seconds=retry.max_backoff_seconds,
    )


def _concurrency(resolved: ResolvedSettings) -> ConcurrencyOptions:
    concurrency = resolved.settings.concurrency
    limit = AdaptiveLimitOptions(
        floor=concurrency.floor, ceiling=concurrency.ceiling, initial=concurrency.initial
    )
    return ConcurrencyOptions(limit, concurrency.queue)


def _repeat_guard(resolved: ResolvedSettings) -> RepeatGuardOptions:
    settings = resolved.settings.repeat_guard
    return RepeatGuardOptions(
        reports=settings.mode == "report",
        max_entries=settings.max_entries,
        shares=settings.store != "local",
        refuses=resolved.settings.on_store_failure == "refuse",
    )


def _resolver(resolved: ResolvedSettings) -> ResolverOptions:
    settings = resolved.settings.repeat_guard
    return ResolverOptions(
        holds_absent=settings.after_absent == "hold", resends_absent=settings.resend_absent
    )


def _idempotency(resolved: ResolvedSettings) -> IdempotencyOptions:
    settings = resolved.settings
    return IdempotencyOptions(
        ttl_seconds=settings.idempotency.ttl_seconds,
        max_bytes=settings.idempotency.max_bytes,
        max_entries=settings.idempotency.max_entries,
        refuses=settings.on_store_failure == "refuse",
    )


def _issuers(resolved: ResolvedSettings) -> dict[str, KeySource]:
    sources = {}
    for issuer in resolved.issuers:
        settings = issuer.settings
        url, trusted = settings.jwks_url, issuer.ca_file
        address = KeyAddress(url, trusted.path if trusted else None, issuer.token_file) if url else None
        sources[settings.name] = KeySource(address, settings.refresh_seconds)
    return sources
