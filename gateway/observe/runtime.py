"""What the admin port reads of the running gateway: the parts themselves, handed in by `app.py`.

They belong to the data loop. From here they are only read, in ways that a change at the same moment cannot
break: one number at a time, or a copy made in one step.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.concurrency.limiter_registry import LimiterKey
from gateway.consumers.credentials import mask_sid
from gateway.idempotency.keyed_requests import Idempotency
from gateway.listener.connections import ConnectionTracker
from gateway.observe.live.history import GateReading
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.status.heartbeat import Heartbeat
from gateway.observe.status.process_status import ProcessStatus
from gateway.policy.snapshot import Snapshot
from gateway.rate_limits.rate_limiter import RateLimiter
from gateway.redis.redis_store import RedisStore
from gateway.upstream.forwarder import Forwarder


@dataclass(frozen=True, slots=True)
class Runtime:
    """`connections` and `in_flight` are of the data port, `tasks` of its loop.

    `log_dropped` counts lines, `traces_dropped` exchanges.
    """

    condition: ProcessStatus
    board: TrafficWindow
    snapshot: Callable[[], Snapshot]
    forwarder: Forwarder
    limiter: RateLimiter
    store: RedisStore | None
    idempotency: Idempotency
    guests: ConnectionTracker
    connections: Callable[[], int]
    in_flight: Callable[[], int]
    tasks: Callable[[], int]
    pulse: Heartbeat
    log_dropped: Callable[[], int]
    traces_dropped: Callable[[], int]

    def read_gates(self) -> dict[str, GateReading]:
        """The gates by `account/region/product`, the account masked."""
        return {
            gate_label(name): GateReading(gate.governor.limit, gate.in_flight, gate.waiting)
            for name, gate in self.forwarder.gates
        }


def gate_label(name: LimiterKey) -> str:
    """A gate's name, fit to be shown."""
    return f"{mask_sid(name.account)}/{name.region}/{name.product}"
