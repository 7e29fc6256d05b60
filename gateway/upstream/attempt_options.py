"""What the attempts of all exchanges share, and how aiohttp-retry is told to leave every decision to them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import ClientResponse, ClientSession
from aiohttp_retry import RetryOptionsBase

from gateway.consumers.credentials import ApiKey
from gateway.policy.outbound import Outbound
from gateway.retry.circuit_breaker import Breakers
from gateway.retry.retry_budget import RetryBudget
from gateway.upstream.upstream_response import AnyReply

_UNBOUNDED = 1 << 30

# aiohttp-retry writes repr() of exceptions at debug level; ours go through the exchange's record instead.
SILENT = logging.getLogger("gateway.upstream.silent")
SILENT.disabled = True


class TryAgain(Exception):
    """An attempt failed in a way that permits another; what to wait is known by then."""


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """Times in seconds. `attempts` bounds tries after failures; signals and other keys do not count.

    The budget allows `budget_share` of recent requests, and at least `budget_floor` in ten seconds.
    """

    attempts: int = 4
    budget_share: float = 0.2
    budget_floor: int = 3
    first_backoff_seconds: float = 0.1
    longest_backoff_seconds: float = 5.0
    post_on_503: bool = False


@dataclass(slots=True)
class Surroundings:
    """What attempts of all exchanges share. A reload replaces what the configuration says: each attempt looks
    here when it begins, so that one which waits is not tied to a session that is being retired."""

    session: ClientSession
    budget: RetryBudget
    breakers: Breakers
    retry: RetryOptions
    idle_seconds: float
    chance: Callable[[float, float], float]
    on_failover: "FailoverObserver"


class CallerLink(Protocol):
    """The caller's connection, as far as attempts are concerned."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        ...

    def cancel_on_disconnect(self, enabled: bool, /) -> None:
        """Whether the exchange is cancelled when the caller disconnects."""
        ...


class CallerGoneError(ConnectionResetError):
    """The caller left before an attempt began: nothing is sent for it."""


class _Driven(Protocol):
    """What aiohttp-retry drives."""

    outbound: Outbound
    delay_seconds: float

    async def evaluate(self, response: AnyReply) -> bool: ...


class FailoverObserver(Protocol):
    """Told when a key is refused and the next one is tried."""

    def __call__(self, outbound: Outbound, key: ApiKey, /) -> None: ...


class AttemptOptions(RetryOptionsBase):
    """Leaves every decision to `Attempts`: no status, count or exception is judged by the library."""

    def __init__(self, attempts: _Driven) -> None:
        # Not super().__init__(): it would build sets per request that are never looked at.
        self.attempts = _UNBOUNDED
        self.statuses = ()
        self.exceptions = (TryAgain,)
        self.methods = (attempts.outbound.method,)
        self.retry_all_server_errors = False
        self.evaluate_response_callback = attempts.evaluate
        self._attempts = attempts

    def get_timeout(self, attempt: int, response: ClientResponse | None = None) -> float:
        """Seconds to wait before the next attempt."""
        return self._attempts.delay_seconds
