"""What the admin port reads of the running gateway: its parts, handed in by `app/gateway.py`.

The parts belong to the data loop. The admin thread only reads them, one number at a time or by a copy made in
one step, so a concurrent change cannot break a read.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from gateway.background.loops import BackgroundLoops
from gateway.concurrency.concurrency_limiter import LimiterKey
from gateway.consumers.credentials import mask_sid
from gateway.http.buffered_bytes import BufferedBytes
from gateway.idempotency.keyed_requests import Idempotency
from gateway.key_usage.usage_keeper import UsageKeeper
from gateway.listener.listener import Listener
from gateway.observe.consumer_report import ConsumerReports
from gateway.observe.live.history import LimiterReading
from gateway.observe.live.recent_webhooks import RecentWebhooks
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.metrics.webhook_counts import WebhookCounts
from gateway.observe.metrics.webhook_families import WebhookState
from gateway.observe.status.heartbeat import Heartbeat
from gateway.observe.status.process_status import ProcessStatus
from gateway.outcome_resolution.outcome_resolver import OutcomeResolver
from gateway.policy.snapshot import Snapshot
from gateway.rate_limits.rate_limiter import RateLimiter
from gateway.redis.redis_store import RedisStore
from gateway.repeat_guard.open_outcomes import OpenOutcome
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.stops.stop_service import StopService
from gateway.stops.stop_table import Stop
from gateway.upstream.forwarder import Forwarder


class WebhookRuntime(NamedTuple):
    """The webhook port: its state, what its events add up to, and the latest of them."""

    state: Callable[[], WebhookState]
    counts: WebhookCounts
    recent: RecentWebhooks


class OutcomeRuntime(NamedTuple):
    """Open outcomes: who asks about them, on which loop, and what is called when a person has asked.

    `on_resolve` gets the outcome and the person's address, on that loop.
    """

    resolver: OutcomeResolver
    loop: asyncio.AbstractEventLoop
    on_resolve: Callable[[OpenOutcome, str], None]


class StopRuntime(NamedTuple):
    """Stops: who keeps them, on which loop, whom there is to stop, and what is called after a change, on any
    thread."""

    service: StopService
    loop: asyncio.AbstractEventLoop
    consumers: Callable[[], Collection[str]]
    on_change: Callable[[str, Stop, str], None]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of one process.

    `connections` and `in_flight` count those of the data port, `tasks` the asyncio tasks of its loop,
    `log_dropped` log lines, and `traces_dropped` exchanges.
    """

    process_status: ProcessStatus
    traffic_window: TrafficWindow
    key_usage: UsageKeeper
    reports: ConsumerReports
    snapshot: Callable[[], Snapshot]
    forwarder: Forwarder
    limiter: RateLimiter
    store: RedisStore | None
    idempotency: Idempotency
    repeat_guard: RepeatGuard
    outcomes: OutcomeRuntime
    stops: StopRuntime
    listeners: tuple[Listener, ...]
    buffers: BufferedBytes
    connections: Callable[[], int]
    in_flight: Callable[[], int]
    tasks: Callable[[], int]
    heartbeat: Heartbeat
    loops: BackgroundLoops
    log_dropped: Callable[[], int]
    traces_dropped: Callable[[], int]
    root_pem: Callable[[], bytes]
    """The root of `ca`, empty without one."""
    certificates: Callable[[], dict[str, float]]
    """When those of the data port and of `ca` end, in seconds since the epoch."""
    webhooks: WebhookRuntime | None = None

    def read_limiters(self) -> dict[str, LimiterReading]:
        """Every concurrency limiter by `account/region/product`, with the account masked."""
        return {
            limiter_label(key): LimiterReading(
                limiter.adaptive_limit.limit, limiter.in_flight, limiter.waiting
            )
            for key, limiter in self.forwarder.limiters
        }


def limiter_label(key: LimiterKey) -> str:
    """A limiter's name as metrics and the page show it."""
    return f"{mask_sid(key.account)}/{key.region}/{key.product}"
