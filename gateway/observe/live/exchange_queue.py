"""A queue of finished exchanges from the data loop to the admin thread.

The data loop only appends, which never blocks. If the admin thread does not take them in time, the oldest are
dropped and counted.
"""

from collections import deque

from gateway.exchange import Exchange

MAX_WAITING = 20_000
"""Some seconds at full load."""


class ExchangeQueue:
    """One thread puts, one takes: a deque's ends are safe for that."""

    def __init__(self, most: int = MAX_WAITING) -> None:
        self.dropped = 0
        self._most = most
        self._waiting: deque[Exchange] = deque(maxlen=most)

    def put(self, exchange: Exchange) -> None:
        """Hand over a finished exchange, which must not change any more."""
        waiting = self._waiting
        if len(waiting) == self._most:
            self.dropped += 1
        waiting.append(exchange)

    def take(self) -> list[Exchange]:
        """All that wait, oldest first."""
        waiting = self._waiting
        taken: list[Exchange] = []
        try:
            for _ in range(self._most):  # bounded, though the other thread goes on putting
                taken.append(waiting.popleft())
        except IndexError:
            pass
        return taken
