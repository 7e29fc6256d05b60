"""The admin thread's view of recent traffic: latest exchanges, histories, breakdowns and the use of keys.

Everything in it belongs to that thread; the exchange queue is its only input. Knows neither HTTP nor who
reads it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from gateway.exchange import Exchange
from gateway.key_usage.usage_table import KeyUsageTable
from gateway.observe.live.breakdowns import Breakdowns
from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.live.history import History, LimiterReading
from gateway.observe.live.recent_exchanges import Recent
from gateway.observe.live.traffic_history import TrafficHistory

_REFUSED = 401
_TOO_MANY = 429


@dataclass(slots=True)
class KeyUse:
    """How attempts with a key went since the start. Times are seconds since the epoch."""

    first_used_at: float | None = None
    refused: int = 0
    last_401_at: float | None = None
    refused_in_a_row: int = 0
    """Since Twilio last took the key: answered anything else that it looks at the key for."""


class TrafficWindow:
    """`clock` gives seconds since the epoch; `shows_addresses` says whether callers' may be shown.

    `given_again` gives, once, the names of consumers that are others' since the last call."""

    def __init__(
        self,
        exchange_queue: ExchangeQueue,
        clock: Callable[[], float] = time.time,
        shows_addresses: Callable[[], bool] = lambda: True,
        given_again: Callable[[], Collection[str]] = lambda: (),
    ) -> None:
        now = clock()
        self._given_again = given_again
        self.shows_addresses = shows_addresses
        self._clock = clock
        self.exchange_queue = exchange_queue
        self.recent = Recent(now, shows_addresses=shows_addresses)
        self.history = History(now)
        self.long_history = TrafficHistory()
        self.tables = Breakdowns(self.long_history.add)
        self.consumer_keys = KeyUsageTable()
        self.keys: dict[str, KeyUse] = {}
        """By masked SID: as many as the configuration had keys."""

    def refresh(self) -> float:
        """Take in the exchanges finished since the last call. Returns the current time."""
        if exchanges := self.exchange_queue.take():
            self.recent.add(exchanges)
            self.history.add(exchanges, self.tables.add(exchanges))
            self.consumer_keys.add(exchanges)
            self._record_keys(exchanges)
        if names := self._given_again():
            self.tables.forget(names)
        return self._clock()

    def close_second(self, limiters: Mapping[str, LimiterReading]) -> None:
        """Close the seconds that are over; `limiters` are readings of this moment."""
        now = self.refresh()
        self.history.close(now, limiters)
        self.tables.close(now)
        self.long_history.read_limiters(now, limiters)

    def _record_keys(self, exchanges: Iterable[Exchange]) -> None:
        keys = self.keys
        for exchange in exchanges:
            for _, _, _, status, _, _, key, _, _ in exchange.steps:
                if not key:
                    continue
                use = keys.get(key)
                if use is None:
                    use = keys[key] = KeyUse(exchange.ended_at_epoch)
                if status == _REFUSED:
                    use.refused += 1
                    use.refused_in_a_row += 1
                    use.last_401_at = exchange.ended_at_epoch
                elif 200 <= status < _TOO_MANY:
                    use.refused_in_a_row = 0
