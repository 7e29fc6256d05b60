"""The long-lived parts that survive a reload: the store, the forwarder, the limiters, keyed requests, JWKs.

They keep what they learned, counted and recorded under stable names, while configurations come and go. Knows
how the parts are built and handed to each other; nothing of ports and their listeners.
"""

import asyncio
import os
import platform
import random
import time
from dataclasses import dataclass

from gateway import __version__
from gateway.app.configuration import Configuration
from gateway.app.options import Options
from gateway.background.daemon_thread import run_in_thread
from gateway.background.loops import BackgroundLoops
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiters
from gateway.concurrency.limit_sharing import LimitSharing
from gateway.config.schema.observe_settings import Tracing
from gateway.http.buffered_bytes import BufferedBytes
from gateway.idempotency.keyed_requests import Idempotency
from gateway.identity.jwks_cache import JwksCache
from gateway.key_usage.former_keys import FormerKeys
from gateway.observe.observers import Observers
from gateway.observe.traces.tracer import Tracer, open_tracer
from gateway.outcome_resolution.outcome_resolver import OutcomeResolver
from gateway.outcome_resolution.status_news import StatusNews
from gateway.policy.snapshot import Snapshots
from gateway.rate_limits.expiry_table import ExpiryTable
from gateway.rate_limits.limit_leases import LeasedLimits
from gateway.rate_limits.memory_limits import MemoryLimits
from gateway.rate_limits.rate_limiter import OnStoreFailure, RateLimiter
from gateway.rate_limits.redis_limits import RedisLimits
from gateway.redis.redis_store import RedisStore
from gateway.redis.server_clock import ServerClock
from gateway.redis.steady_clock import SteadyClock
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.stops.stop_file import StopFile
from gateway.stops.stop_service import StopService
from gateway.upstream.account_reader import AccountReader
from gateway.upstream.forwarder import Forwarder


@dataclass(frozen=True, slots=True)
class Components:
    """Opened by `open_components` and closed once, both on the data loop."""

    buffers: BufferedBytes
    forwarder: Forwarder
    limiter: RateLimiter
    idempotency: Idempotency
    repeat_guard: RepeatGuard
    stops: StopService
    resolver: OutcomeResolver
    status_news: StatusNews
    store: RedisStore | None
    shares: LimitSharing | None
    keys: JwksCache
    former_keys: FormerKeys

    async def apply(self, configuration: Configuration) -> None:
        """Apply a configuration, and keep everything learned, counted and recorded so far."""
        options = configuration.options
        self.buffers.limit = options.buffered_bytes
        self.forwarder.apply(options.transport, options.retry, options.streams)
        self.forwarder.keep_keys(configuration.snapshot.credentials.values())
        self.forwarder.limiters.apply(*options.concurrency)
        self.limiter.apply(configuration.snapshot.consumers, options.on_store_failure)
        self.idempotency.apply(options.idempotency)
        self.repeat_guard.apply(options.repeat_guard)
        self.resolver.options = options.resolver
        keys = configuration.snapshot.identities.keys
        await run_in_thread(lambda: self.former_keys.configure(keys, time.time()))
        await self.keys.configure(configuration.key_sources)

    async def close(self) -> None:
        """End the background work, then close the connections."""
        await self.keys.close()
        await self.status_news.close()
        await self.resolver.close()
        await self.idempotency.close()
        await self.repeat_guard.close()
        await self.stops.close()
        if self.shares is not None:
            await self.shares.close()
        await self.forwarder.close()
        if self.store is not None:
            await self.store.close()


async def open_components(
    options: Options, observers: Observers, loops: BackgroundLoops, snapshots: Snapshots
) -> Components:
    """Build all parts. They serve once a configuration has been applied to them."""
    store = await _open_store(options, observers, loops)
    buffers = BufferedBytes(options.buffered_bytes)
    forwarder = Forwarder(
        ConcurrencyLimiters(*options.concurrency),
        options.transport,
        options.retry,
        options.streams,
        buffers,
        observers.key_event,
    )
    shares = None
    if store is not None:
        shares = LimitSharing(forwarder.limiters, store, store.server_clock.now, loops)
        shares.start()
    repeat_guard, resolver, status_news = _open_outcomes(options, forwarder, store, loops, snapshots)
    return Components(
        buffers,
        forwarder,
        make_limiter(store, options.on_store_failure),
        Idempotency(
            options.idempotency,
            time.monotonic,
            store=store,
            loops=loops,
            on_event=observers.metrics.count_idempotency_event,
        ),
        repeat_guard,
        await _open_stops(options, store, observers, loops),
        resolver,
        status_news,
        store,
        shares,
        JwksCache(observers.issuer_changed, time.monotonic, random.uniform, loops),
        FormerKeys(),
    )


def _open_outcomes(
    options: Options,
    forwarder: Forwarder,
    store: RedisStore | None,
    loops: BackgroundLoops,
    snapshots: Snapshots,
) -> tuple[RepeatGuard, OutcomeResolver, StatusNews]:
    """What holds repeats back, what asks Twilio about open outcomes, and what hears of them by callbacks."""
    loop = asyncio.get_running_loop()
    own_clock = ServerClock(monotonic=lambda: loop.time())
    repeat_guard = RepeatGuard(
        options.repeat_guard,
        lambda: loop.time(),
        store=store,
        now=own_clock.now if store is None else SteadyClock(store.server_clock).now,
        loops=loops,
    )
    resolver = OutcomeResolver(
        options.resolver,
        repeat_guard.outcomes,
        AccountReader(forwarder),
        lambda: snapshots.current,
        loops,
    )
    repeat_guard.set_on_open(resolver.on_open)
    resolver.start()
    status_news = StatusNews(resolver, store, resolver.outcomes.now, loops)
    status_news.start()
    return repeat_guard, resolver, status_news


async def _open_stops(
    options: Options, store: RedisStore | None, observers: Observers, loops: BackgroundLoops
) -> StopService:
    """Load the stops before the first request arrives."""
    name = platform.node()
    # Replicas on one machine have admin ports of their own; port 0 tells nothing.
    name = f"{name}:{options.admin.address.port or f'process-{os.getpid()}'}"
    file = StopFile(options.stop_file) if options.stop_file is not None else None
    stops = StopService(name, store, file, observers.stops_not_kept)
    await stops.open(loops)
    return stops


def open_tracing(options: Tracing) -> Tracer | None:
    """The tracer, if traces are on. `make_configuration` has checked that its packages are installed."""
    return open_tracer(__version__, send_upstream=options.send_upstream) if options.enabled else None


async def _open_store(options: Options, observers: Observers, loops: BackgroundLoops) -> RedisStore | None:
    if options.store is None:
        return None
    store = RedisStore(
        options.store.reveal(), observers.store_changed, prefix=options.store_prefix, loops=loops
    )
    await store.open()
    return store


def make_limiter(store: RedisStore | None, on_store_failure: OnStoreFailure) -> RateLimiter:
    """Limits of this process, or of all that share the store."""
    return RateLimiter(
        MemoryLimits(ExpiryTable(), time.monotonic),
        _shared_limits(store) if store is not None else None,
        on_store_failure=on_store_failure,
        clock=asyncio.get_running_loop().time,
    )


def _shared_limits(store: RedisStore) -> LeasedLimits:
    clock = store.server_clock.now
    return LeasedLimits(RedisLimits(store, clock), clock)
