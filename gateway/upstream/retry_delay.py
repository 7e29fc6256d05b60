"""When the next attempt of an exchange may begin: at once, after a backoff, or at the head of the queue.

Knows deadline, budget and backoff (docs/design.md 4.7), and that no delay is spent on a caller that has gone.
Whether there is to be a next attempt at all is decided by `retry/retry_policy.decide_attempt`.
"""

import asyncio
import time

from gateway.exchange import Exchange
from gateway.retry.retry_policy import backoff_seconds
from gateway.upstream.shared_state import CallerLink, SharedState


class RetryDelay:
    """Of one exchange. `deadline` is the loop's clock; `seconds` come before the next attempt.

    `in_front`: it has been at Twilio, was never processed, and waits before all others.
    """

    __slots__ = ("_caller", "_deadline", "_exchange", "_retries", "_shared", "in_front", "seconds")

    def __init__(self, shared: SharedState, exchange: Exchange, caller: CallerLink, deadline: float) -> None:
        self.seconds = 0.0
        self.in_front = False
        self._shared = shared
        self._caller = caller
        self._deadline = deadline
        self._exchange = exchange
        self._retries = 0

    def none(self) -> None:
        """The next attempt begins at once: another key will do."""
        self.seconds = 0.0

    def plan_requeue(self, retry_after: float) -> bool:
        """Wait at the head of the queue; `retry_after` (seconds) holds this attempt, never a permit."""
        self._exchange.signals += 1
        self.in_front = True
        return self._fits(retry_after)

    def plan_retry(self, retry_after: float) -> bool:
        """Wait a backoff, or as long as Twilio asks; False if attempts, budget or deadline are used up."""
        options = self._shared.retry
        if self._retries + 1 >= options.max_attempts:
            return False
        backoff = backoff_seconds(
            self._retries, options.initial_backoff_seconds, options.max_backoff_seconds, self._shared.chance
        )
        if not self._fits(max(retry_after, backoff)):
            return False
        if not self._shared.budget.spend(time.monotonic()):
            return False
        self._retries += 1
        self._exchange.retries += 1
        self.in_front = False
        return True

    def _fits(self, seconds: float) -> bool:
        self.seconds = seconds
        in_time = asyncio.get_running_loop().time() + seconds < self._deadline
        if in_time and not self._caller.gone:
            self._caller.cancel_on_disconnect(True)
            return True
        return False
