"""All gates of the process, one per account, region and product, made when first asked for.

They live outside the snapshot under stable names, so that a reload forgets nothing that was learned.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from gateway.concurrency.adaptive_limit import AdaptiveLimit, AdaptiveLimitOptions
from gateway.concurrency.concurrency_limiter import ConcurrencyLimiter


class LimiterKey(NamedTuple):
    """What Twilio limits: the account's SID, the credential's region, the product."""

    account: str
    region: str
    product: str


class ConcurrencyLimiters:
    """Bounded by the configuration: accounts times products."""

    def __init__(self, options: AdaptiveLimitOptions, queue_size: int) -> None:
        self._options = options
        self._queue_size = queue_size
        self._gates: dict[LimiterKey, ConcurrencyLimiter] = {}

    def gate(self, name: LimiterKey) -> ConcurrencyLimiter:
        """The gate of that name."""
        gate = self._gates.get(name)
        if gate is None:
            gate = ConcurrencyLimiter(AdaptiveLimit(self._options, random.uniform), self._queue_size)
            self._gates[name] = gate
        return gate

    def adopt(self, options: AdaptiveLimitOptions, queue_size: int) -> None:
        """Other bounds from now on; what was learned stays, as far as they permit it."""
        self._options = options
        self._queue_size = queue_size
        for gate in self._gates.values():
            gate.adopt(options, queue_size)

    def __iter__(self) -> Iterator[tuple[LimiterKey, ConcurrencyLimiter]]:
        return iter(self._gates.copy().items())  # in one step: other threads ask, too
