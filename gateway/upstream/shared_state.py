"""What the attempts of all exchanges share, and what they ask of a caller's connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.consumers.credentials import ApiKey
from gateway.policy.outbound import Outbound
from gateway.retry.circuit_breaker import Breakers
from gateway.retry.retry_budget import RetryBudget
from gateway.upstream.connection_pool import ConnectionPool


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """Times in seconds. `max_attempts` bounds tries after failures; signals and other keys do not count.

    The budget allows `budget_share` of recent requests, and at least `budget_floor` in ten seconds.
    """

    max_attempts: int = 4
    budget_share: float = 0.2
    budget_floor: int = 3
    initial_backoff_seconds: float = 0.1
    max_backoff_seconds: float = 5.0


@dataclass(slots=True)
class SharedState:
    """A reload replaces what the configuration says: each attempt looks here when it begins, so that one that
    waits is not tied to a pool that is being retired."""

    pool: ConnectionPool
    budget: RetryBudget
    breakers: Breakers
    retry: RetryOptions
    idle_seconds: float
    deadline_seconds: float
    chance: Callable[[float, float], float]
    on_failover: "FailoverObserver"


class CallerLink(Protocol):
    """The caller's connection, as far as attempts are concerned."""

    @property
    def gone(self) -> bool:
        """Whether the caller has stopped waiting for the answer."""
        ...

    @property
    def has_left(self) -> bool:
        """The same, as the kernel knows it: the event loop hears of it later, a busy one much later."""
        ...

    def cancel_on_disconnect(self, enabled: bool, /) -> None:
        """Whether the exchange is cancelled when the caller disconnects."""
        ...

    def require_known(self) -> None:
        """Called when a request's turn has come. Raises `Refusal` if its caller is no longer known."""
        ...


class CallerGoneError(ConnectionResetError):
    """The caller left before an attempt began: nothing is sent for it."""


class FailoverObserver(Protocol):
    """Called when a key is refused and the next one is tried."""

    def __call__(self, outbound: Outbound, key: ApiKey, /) -> None: ...
