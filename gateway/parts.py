"""What is built once and outlives every reload: the store, and what learns, counts and remembers.

Limits, gates, budget and keyed requests keep their state here, under stable names, while snapshots come and
go (design 3). Knows how these are made of the configuration; nothing of ports and their listeners.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from yarl import URL

from gateway.admission.gates import Gates
from gateway.admission.governor import GovernorOptions
from gateway.admission.idempotency import Idempotency, IdempotencyOptions
from gateway.admission.limit_leases import LeasedLimits
from gateway.admission.limit_redis import RedisLimits
from gateway.admission.limit_stores import MemoryLimits
from gateway.admission.limits import OnStoreFailure, RateLimiter
from gateway.admission.shares import ShareKeeper
from gateway.config.problems import ConfigError
from gateway.config.resolved import ResolvedSettings
from gateway.observe.observers import Observers
from gateway.policy.credentials import ApiKey
from gateway.store.memory import Moments
from gateway.store.redis import RedisStore
from gateway.upstream.forward import Forwarder
from gateway.upstream.retrying import RetryOptions
from gateway.upstream.transport import TransportOptions, open_session

_NO_REDIS = ("needs the redis package", "pip install 'twilio-gateway[redis]', or write `store: memory`")


@dataclass(frozen=True, slots=True)
class Parts:
    """Opened by `open_parts`, on the data loop; closed once, by `close`."""

    forwarder: Forwarder
    limiter: RateLimiter
    idempotency: Idempotency
    store: RedisStore | None
    shares: ShareKeeper | None

    def adopt(self, resolved: ResolvedSettings, keys: Iterable[ApiKey]) -> None:
        """Work by a new configuration from now on, with all that was learned, counted and remembered."""
        self.forwarder.adopt(_transport_options(resolved), _retry_options(resolved))
        self.forwarder.forget_keys(keys)
        self.forwarder.gates.adopt(_governor_options(resolved), resolved.settings.governor.queue)
        self.limiter.on_store_failure = OnStoreFailure(resolved.settings.on_store_failure)
        self.idempotency.adopt(_idempotency_options(resolved))

    async def close(self) -> None:
        """End what runs in the background, then the connections."""
        await self.idempotency.close()
        if self.shares is not None:
            await self.shares.close()
        await self.forwarder.close()
        if self.store is not None:
            await self.store.close()


async def open_parts(resolved: ResolvedSettings, observers: Observers) -> Parts:
    """Build everything. Raises `ConfigError` if a package is missing that the configuration needs."""
    store = await _open_store(resolved, observers)
    forwarder = _make_forwarder(resolved, observers)
    shares = None
    if store is not None:
        shares = ShareKeeper(forwarder.gates, store)
        shares.start()
    return Parts(
        forwarder,
        _make_limiter(resolved, store),
        _make_idempotency(resolved, store, observers),
        store,
        shares,
    )


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
    options = _transport_options(resolved)
    return Forwarder(
        open_session(options),
        Gates(_governor_options(resolved), resolved.settings.governor.queue),
        options,
        _retry_options(resolved),
        observers.key_event,
    )


def _transport_options(resolved: ResolvedSettings) -> TransportOptions:
    """How Twilio is reached."""
    upstream = resolved.settings.upstream
    return TransportOptions(
        connect_to=URL(str(upstream.connect_to)) if upstream.connect_to else None,
        proxy=URL(resolved.proxy.reveal()) if resolved.proxy else None,
        ca_file=str(resolved.ca_file) if resolved.ca_file else None,
        connections=upstream.connections,
        connect_seconds=upstream.connect_seconds,
        deadline_seconds=upstream.deadline_seconds,
        idle_seconds=upstream.idle_seconds,
    )


def _governor_options(resolved: ResolvedSettings) -> GovernorOptions:
    """How a governor searches."""
    governor = resolved.settings.governor
    return GovernorOptions(floor=governor.floor, ceiling=governor.ceiling, initial=governor.initial)


def _retry_options(resolved: ResolvedSettings) -> RetryOptions:
    """What is tried again."""
    retry = resolved.settings.retry
    return RetryOptions(
        attempts=retry.attempts,
        budget_share=retry.budget_percent / 100,
        first_backoff_seconds=retry.first_backoff_seconds,
        longest_backoff_seconds=retry.longest_backoff_seconds,
        post_on_503=retry.post_on_503,
    )


def _make_limiter(resolved: ResolvedSettings, store: RedisStore | None) -> RateLimiter:
    return RateLimiter(
        MemoryLimits(Moments(), time.monotonic),
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
