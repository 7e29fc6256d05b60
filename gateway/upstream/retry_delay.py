"""When the next attempt of an exchange may begin: at once, after a backoff, or at the head of the queue.

Knows deadline, budget and backoff (design 4.7), and that nobody waits for a caller who has gone. Whether
there is to be a next attempt at all is `policy/retries.decide_attempt`.
"""

import asyncio
import time

from gateway.exchange import Exchange
from gateway.retry.retry_policy import backoff_seconds
from gateway.upstream.attempt_options import CallerLink, Surroundings


class Pacing:
    """Of one exchange. `deadline` is the loop's clock; `delay_seconds` come before the next try."""

    __slots__ = ("_around", "_caller", "_deadline", "_exchange", "_retries", "delay_seconds", "in_front")

    def __init__(self, around: Surroundings, exchange: Exchange, caller: CallerLink, deadline: float) -> None:
        self.delay_seconds = 0.0
        self.in_front = False
        self._around = around
        self._exchange = exchange
        self._caller = caller
        self._deadline = deadline
        self._retries = 0

    def at_once(self) -> None:
        """Nothing is to be waited for: another key will do."""
        self.delay_seconds = 0.0

    def requeue(self, hold: float) -> bool:
        """Wait at the head of the queue; a Retry-After (`hold`, seconds) holds this attempt, never a slot."""
        self._exchange.signals += 1
        self.in_front = True
        return self._wait(hold)

    def plan_retry(self, hold: float) -> bool:
        """Wait a backoff, or as long as Twilio asks; False if attempts, budget or deadline are used up."""
        options = self._around.retry
        if self._retries + 1 >= options.attempts:
            return False
        backoff = backoff_seconds(
            self._retries, options.first_backoff_seconds, options.longest_backoff_seconds, self._around.chance
        )
        if not self._wait(max(hold, backoff)):
            return False
        if not self._around.budget.spend(time.monotonic()):
            return False
        self._retries += 1
        self._exchange.retries += 1
        self.in_front = False
        return True

    def _wait(self, seconds: float) -> bool:
        self.delay_seconds = seconds
        in_time = asyncio.get_running_loop().time() + seconds < self._deadline
        if in_time and not self._caller.gone:
            self._caller.cancel_on_disconnect(True)
            return True
        return False
