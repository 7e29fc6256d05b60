"""What is built once and outlives every reload: the store, and what learns, counts and remembers.

Limits, gates, budget and keyed requests keep their state here, under stable names, while snapshots come and
go (design 3). Knows how these are made of the configuration; nothing of ports and their listeners.
"""

import asyncio
import hashlib
import random
import time
from dataclasses import dataclass

from yarl import URL

from gateway import __version__
from gateway.concurrency.adaptive_limit import AdaptiveLimitOptions
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiters
from gateway.concurrency.limit_sharing import LimitSharing
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.problems import ConfigError
from gateway.idempotency.keyed_requests import Idempotency, IdempotencyOptions
from gateway.identity.jwks_cache import JwksCache, KeySource
from gateway.identity.jwks_fetch import KeyAddress
from gateway.observe.observers import Observers
from gateway.observe.traces.tracer import Tracer, open_tracer
from gateway.policy.snapshot import Snapshot
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.limit_leases import LeasedLimits
from gateway.rate_limits.memory_limits import MemoryLimits
from gateway.rate_limits.rate_limiter import OnStoreFailure, RateLimiter
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from gateway.upstream.attempt_options import RetryOptions
from gateway.upstream.forwarder import Forwarder
from gateway.upstream.session import TransportOptions, open_session

_NO_OTEL = ("needs the opentelemetry packages", "pip install 'twilio-gateway[otel]', or turn it off")
_NO_REDIS = ("needs the redis package", "pip install 'twilio-gateway[redis]', or write `store: memory`")


@dataclass(frozen=True, slots=True)
class Components:
    """Opened by `open_parts`, on the data loop; closed once, by `close`."""

    forwarder: Forwarder
    limiter: RateLimiter
    idempotency: Idempotency
    store: RedisStore | None
    shares: LimitSharing | None
    keys: JwksCache
    """Of issuers of JWTs; `configure` it with `key_sources` at the start and at a reload."""

    def adopt(self, resolved: ResolvedSettings, snapshot: Snapshot) -> None:
        """Work by a new configuration from now on, with all that was learned, counted and remembered."""
        self.forwarder.adopt(transport_options(resolved), _retry_options(resolved))
        self.forwarder.keep_keys(snapshot.credentials.values())
        self.forwarder.limiters.apply(_governor_options(resolved), resolved.settings.concurrency.queue)
        self.limiter.on_store_failure = OnStoreFailure(resolved.settings.on_store_failure)
        self.idempotency.apply(_idempotency_options(resolved))

    async def close(self) -> None:
        """End what runs in the background, then the connections."""
        await self.keys.close()
        await self.idempotency.close()
        if self.shares is not None:
            await self.shares.close()
        await self.forwarder.close()
        if self.store is not None:
            await self.store.close()


async def open_parts(resolved: ResolvedSettings, observers: Observers) -> Components:
    """Build everything. Raises `ConfigError` if a package is missing that the configuration needs."""
    store = await _open_store(resolved, observers)
    forwarder = _make_forwarder(resolved, observers)
    shares = None
    if store is not None:
        shares = LimitSharing(forwarder.limiters, store)
        shares.start()
    return Components(
        forwarder,
        _make_limiter(resolved, store),
        _make_idempotency(resolved, store, observers),
        store,
        shares,
        JwksCache(observers.issuer_changed, time.monotonic, random.uniform),
    )


def key_sources(resolved: ResolvedSettings, snapshot: Snapshot) -> dict[str, KeySource]:
    """Where the keys of each issuer of JWTs come from, by its name."""
    sources = {}
    for each in resolved.issuers:
        settings = each.settings
        address = KeyAddress(settings.jwks_url, each.ca_file, each.token_file) if settings.jwks_url else None
        jwks = snapshot.jwk_sets.get(settings.name)
        sources[settings.name] = KeySource(address, settings.refresh_seconds, jwks)
    return sources


def open_tracing(resolved: ResolvedSettings) -> Tracer | None:
    """What makes the traces, if they are on. Raises `ConfigError` if a package is missing."""
    tracing = resolved.settings.tracing
    if not tracing.enabled:
        return None
    place = ("tracing", "enabled")
    try:
        return open_tracer(__version__, send_upstream=tracing.send_upstream)
    except ImportError as error:
        raise ConfigError([resolved.origins.problem(place, *_NO_OTEL)]) from error
    except LookupError as error:
        problem = resolved.origins.problem(
            place,
            "OTEL_TRACES_EXPORTER or OTEL_EXPORTER_OTLP_PROTOCOL names an exporter that is not installed",
            "write otlp (over http/protobuf), console or none, or install the exporter's package",
        )
        raise ConfigError([problem]) from error


async def _open_store(resolved: ResolvedSettings, observers: Observers) -> RedisStore | None:
    if resolved.store is None:
        return None
    try:
        store = RedisStore(resolved.store.reveal(), observers.store_changed)
    except ImportError as error:
        raise ConfigError([resolved.origins.problem(("store",), *_NO_REDIS)]) from error
    await store.open()
    return store


def _make_forwarder(resolved: ResolvedSettings, observers: Observers) -> Forwarder:
    options = transport_options(resolved)
    return Forwarder(
        open_session(options),
        ConcurrencyLimiters(_governor_options(resolved), resolved.settings.concurrency.queue),
        options,
        _retry_options(resolved),
        observers.key_event,
    )


def transport_options(resolved: ResolvedSettings) -> TransportOptions:
    """How Twilio is reached."""
    upstream = resolved.settings.upstream
    return TransportOptions(
        connect_to=URL(str(upstream.connect_to)) if upstream.connect_to else None,
        proxy=URL(resolved.proxy.reveal()) if resolved.proxy else None,
        ca_file=str(resolved.ca_file) if resolved.ca_file else None,
        ca_digest=hashlib.sha256(resolved.ca_file.read_bytes()).digest() if resolved.ca_file else b"",
        connections=upstream.connections,
        connect_seconds=upstream.connect_seconds,
        deadline_seconds=upstream.deadline_seconds,
        idle_seconds=upstream.idle_seconds,
    )


def _governor_options(resolved: ResolvedSettings) -> AdaptiveLimitOptions:
    """How a governor searches."""
    governor = resolved.settings.concurrency
    return AdaptiveLimitOptions(floor=governor.floor, ceiling=governor.ceiling, initial=governor.initial)


def _retry_options(resolved: ResolvedSettings) -> RetryOptions:
    """What is tried again."""
    retry = resolved.settings.retry
    return RetryOptions(
        attempts=retry.max_attempts,
        budget_share=retry.budget_percent / 100,
        first_backoff_seconds=retry.initial_backoff_seconds,
        longest_backoff_seconds=retry.max_backoff_seconds,
        post_on_503=retry.post_on_503,
    )


def _make_limiter(resolved: ResolvedSettings, store: RedisStore | None) -> RateLimiter:
    return RateLimiter(
        MemoryLimits(ExpiryTable(), time.monotonic),
        LeasedLimits(RedisLimits(store, time.time), time.time) if store is not None else None,
        on_store_failure=OnStoreFailure(resolved.settings.on_store_failure),
        clock=asyncio.get_running_loop().time,
    )


def _make_idempotency(
    resolved: ResolvedSettings, store: RedisStore | None, observers: Observers
) -> Idempotency:
    return Idempotency(
        _idempotency_options(resolved),
        time.monotonic,
        store=store,
        on_event=observers.metrics.count_idempotency_event,
    )


def _idempotency_options(resolved: ResolvedSettings) -> IdempotencyOptions:
    """How keyed requests are remembered."""
    settings = resolved.settings
    return IdempotencyOptions(
        ttl_seconds=settings.idempotency.ttl_seconds,
        max_bytes=settings.idempotency.max_bytes,
        max_entries=settings.idempotency.max_entries,
        refuses=settings.on_store_failure == "refuse",
        releases_503=settings.retry.post_on_503,
    )
