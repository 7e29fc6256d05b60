"""What finished exchanges tell of consumers' keys. Belongs to the admin thread; costs requests nothing.

Everything is bounded: by the configuration's keys, by `MOST_ADDRESSES` a key, and by `MOST_CALLERS` a shared
consumer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.exchange import Exchange
from gateway.key_usage.known_key import KnownKey, add_address

MOST_CALLERS: Final = 50
MOST_REFUSED: Final = 1000
OTHER: Final = "other"

KeyName = tuple[str, str]
"""A consumer's name and the beginning of its key's digest."""


class CallerName(NamedTuple):
    """What distinguishes the callers of a shared consumer: labels, never a reason for a decision."""

    user_agent: str
    address: str


@dataclass(slots=True)
class CallerUse:
    """Requests since the start, and the time of the last."""

    requests: int = 0
    last_at: float = 0.0


@dataclass(slots=True)
class RefusedUse:
    """Requests with a key that is no longer valid."""

    requests: int = 0
    last_at: float = 0.0
    addresses: dict[str, float] = field(default_factory=dict)


class KeyUsageTable:
    """`consumers` gives the configured ones: for those that are shared, callers are counted one by one."""

    def __init__(self, consumers: Callable[[], Mapping[str, Consumer]] = dict) -> None:
        self.consumers = consumers
        self.uses: dict[KeyName, KnownKey] = {}
        """Uses that were not taken yet."""
        self.refused: dict[KeyName, RefusedUse] = {}
        self.callers: dict[str, dict[CallerName, CallerUse]] = {}

    def add(self, exchanges: Iterable[Exchange]) -> None:
        """Take in exchanges, those of one key and address at once."""
        consumers = self.consumers()
        spans: dict[tuple[str, str, str], list[float]] = {}
        for exchange in exchanges:
            if exchange.former_consumer:
                self._add_refused(exchange)
            elif caller := exchange.consumer:
                if consumer_key := exchange.consumer_key:
                    name, at = (caller, consumer_key, exchange.address), exchange.ended_at_epoch
                    span = spans.get(name)
                    if span is None:
                        spans[name] = [at, at]
                    elif at >= span[1]:
                        span[1] = at
                    elif at < span[0]:
                        span[0] = at
                consumer = consumers.get(caller)
                if consumer is not None and consumer.shared:
                    self._add_caller(exchange)
        for (caller, consumer_key, address), (first, last) in spans.items():
            self._add_use((caller, consumer_key), address, first, last)

    def take(self) -> dict[KeyName, KnownKey]:
        """The uses since the last call."""
        uses, self.uses = self.uses, {}
        return uses

    def _add_use(self, name: KeyName, address: str, first: float, last: float) -> None:
        known = self.uses.get(name)
        if known is None:
            known = self.uses[name] = KnownKey(name[0], first, first)
        known.use(first, address)
        known.use(last, address)

    def _add_refused(self, exchange: Exchange) -> None:
        name = (exchange.former_consumer, exchange.consumer_key)
        use = self.refused.get(name)
        if use is None:
            if len(self.refused) >= MOST_REFUSED:
                del self.refused[next(iter(self.refused))]
            use = self.refused[name] = RefusedUse()
        use.requests += 1
        use.last_at = exchange.ended_at_epoch
        if exchange.address:
            add_address(use.addresses, exchange.address, use.last_at)

    def _add_caller(self, exchange: Exchange) -> None:
        callers = self.callers.setdefault(exchange.consumer, {})
        agent = exchange.sdk
        name = CallerName(agent, exchange.address)
        if name not in callers and len(callers) >= MOST_CALLERS:
            name = CallerName(OTHER, OTHER)
        use = callers.get(name)
        if use is None:
            use = callers[name] = CallerUse()
        use.requests += 1
        use.last_at = exchange.ended_at_epoch
