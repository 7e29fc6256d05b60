"""What finished exchanges add up to: plain numbers in dicts, fed on the data loop, read at a scrape.

Knows nothing of Prometheus. Its keys come from the catalogue, the configuration and fixed sets only, so that
whatever callers send, the number of entries is bounded.
"""

from bisect import bisect_left
from operator import add
from typing import Final, NamedTuple, TypeVar

from gateway.exchange import Ending, Exchange, PhaseKind
from gateway.idempotency.claim_rules import IdempotencyEvent
from gateway.observe.metrics.cooperative import yielding
from gateway.repeat_guard.repeat_rules import RepeatEvent
from gateway.twilio.request_fields import label_dropped
from gateway.upstream.key_health import KeyEvent

NONE: Final = "{none}"
"""Where an exchange ended before it was known: whose it is, or what it wants."""
OTHER: Final = "{other}"
MAX_CONSUMERS: Final = 2_000
"""Consumers stay after their removal from the configuration, because counters must not disappear."""

MAX_SDKS: Final = 10
"""SDKs and versions that are counted apart for each consumer; more are counted as `OTHER`."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
TWILIO_CODES: Final = frozenset(
    {
        *(20001, 20002, 20003, 20004, 20005, 20006, 20007, 20008, 20010, 20012, 20101, 20104, 20107),
        *(20400, 20401, 20403, 20404, 20409, 20410, 20412, 20413, 20422, 20423, 20426, 20429),
        *(20500, 20502, 20503, 20504),
        *(21201, 21203, 21205, 21206, 21210, 21211, 21212, 21213, 21214, 21215, 21216, 21217, 21218, 21219),
        *(21220, 21401, 21402, 21403, 21404, 21405, 21408, 21421, 21422, 21450, 21452, 21470, 21471),
        *(21601, 21602, 21603, 21604, 21605, 21606, 21608, 21609, 21610, 21611, 21612, 21613, 21614, 21615),
        *(21617, 21619, 21620, 21621, 21622, 21623, 21627, 21635, 21654, 21655, 21656, 21660),
        *(21701, 21703, 21704, 21705, 21710, 21711, 21712),
        *(30001, 30002, 30003, 30004, 30005, 30006, 30007, 30008, 30022, 30032, 30034, 45780),
        *(50050, 50200, 50300, 50350, 50353, 50404, 50416, 50430, 50433, 50435, 50438),
        *(60200, 60202, 60203, 60205, 60207, 60210, 60212, 60220, 60223, 60238, 60410, 60600, 60605, 60616),
        *(63003, 63007, 63016, 63018, 63024, 63030, 70002, 70051),
    }
)
"""Codes of Twilio's that are counted one by one: of its API as a whole, calls, messages, services, Verify,
channels, keys (twilio.com/docs/api/errors). All others are counted together."""


K = TypeVar("K")


class Duration(NamedTuple):
    """One of the four durations: its upper bounds in seconds, +Inf left out, and where its counts begin."""

    name: str
    bounds: tuple[float, ...]
    at: int


# Each is written out, because compiled code knows only literals without looking them up.
_UPSTREAM_AT: Final = 7
_QUEUE_AT: Final = 12
_OVERHEAD_AT: Final = 16
_SUMS_AT: Final = 20
_TOTAL_SUM: Final = 20
_UPSTREAM_SUM: Final = 21
_QUEUE_SUM: Final = 22
_OVERHEAD_SUM: Final = 23
TOTAL: Final = Duration("request", (0.1, 0.25, 0.5, 1.0, 2.5, 10.0), 0)
UPSTREAM: Final = Duration("upstream", (0.1, 0.25, 1.0, 5.0), _UPSTREAM_AT)
QUEUE: Final = Duration("queue", (0.1, 1.0, 5.0), _QUEUE_AT)
OVERHEAD: Final = Duration("overhead", (0.002, 0.01, 0.1), _OVERHEAD_AT)
DURATIONS: Final = (TOTAL, UPSTREAM, QUEUE, OVERHEAD)
"""Few buckets, for there are four durations of each consumer: 200 of them fill half of a megabyte."""
_TOTAL: Final = TOTAL.bounds
_UPSTREAM: Final = UPSTREAM.bounds
_QUEUE: Final = QUEUE.bounds
_OVERHEAD: Final = OVERHEAD.bounds
_LEAST_QUEUE: Final = 0.1  # of their bounds; nearly all are below, and need no look
_LEAST_OVERHEAD: Final = 0.002
_EMPTY: Final = [0] * _SUMS_AT + [0.0] * len(DURATIONS)
_REASONS: Final = {"requeue": "signal", "next_key": "key_refused"}
"""Why another attempt followed; of a plain retry the status or the phase says it."""
_RATE_LIMITED: Final = "rate_limited"
OTHER_CODE: Final = -1
# An enumeration's member costs 0.2 µs each time it is asked for by name.
_ANSWERED: Final = Ending.ANSWERED
_ATTEMPT: Final = PhaseKind.ATTEMPT

Requests = tuple[str, str, str, int]
"""(product, route or consumer …, method, status class)"""


class Distribution(NamedTuple):
    """A duration's counts, one for each bucket and the last for +Inf, not accumulated; and its sum."""

    counts: tuple[float, ...]
    seconds: float


class Refused(NamedTuple):
    """Attempts with one key that Twilio answered 401, and when it last did (seconds since the epoch)."""

    times: int
    last: float


class ExchangeCounts:
    """Written by one thread, read by any. The public dicts may be copied (`.copy()`), never iterated over."""

    def __init__(self, consumers_max: int = MAX_CONSUMERS) -> None:
        self.attempts: dict[int | str, int] = {}
        """By status of the answer, else by the phase it failed in, '' for given up under way."""
        self.retries: dict[str, int] = {}
        """By what made another attempt necessary."""
        self.refusals: dict[str, int] = {}
        self.reported: dict[str, int] = {}
        self.dropped_fields: dict[str, int] = {}
        """Header fields that were not sent on, by a name of a fixed set."""
        self.twilio_codes: dict[int, int] = {}
        """Of answers that callers got; 0 for failures without a code. Only codes of `TWILIO_CODES`, or -1."""
        self.unfinished: dict[str, int] = {}
        self.limited: dict[tuple[str, str], int] = {}
        """By (consumer, what its rate limits did: refused, waited, reported)."""
        self.segments: dict[tuple[str, str], int] = {}
        """Of messages sent, by (consumer, country)."""
        self.refused_keys: dict[tuple[str, str], Refused] = {}
        """By (credential, masked SID)."""
        self.key_events: dict[tuple[KeyEvent, str], int] = {}
        """By (event, masked SID)."""
        self.idempotency_events: dict[str, int] = {}
        self.repeats: dict[tuple[str, str, str], int] = {}
        """Repeats of creates, by (consumer, route, event)."""
        self.ignored_fields: dict[str, int] = {}
        """Of requests, by why they were ignored."""
        self._consumers_max = consumers_max
        self._names: set[str] = set()
        self._sdks: dict[tuple[str, str], list[int]] = {}
        self._sdks_apart: dict[str, int] = {}
        self._routes: dict[Requests, list[int]] = {}
        self._consumers: dict[Requests, list[int]] = {}
        self._durations: dict[tuple[str, str], list[float]] = {}

    def add(self, exchange: Exchange) -> None:
        """Count one finished exchange; about a microsecond and a half (docs/performance.md)."""
        status = exchange.status // 100 or exchange.status_class
        product, method, consumer = exchange.product, exchange.method, exchange.consumer
        try:
            route = self._routes[product, exchange.label, method, status]
            called = self._consumers[consumer, product, method, status]
            cell = self._durations[consumer, product]
        except KeyError:
            method = method if method in METHODS or not method else OTHER
            consumer = self._admit(consumer)
            route = self._routes.setdefault((product, exchange.label, method, status), [0])
            called = self._consumers.setdefault((consumer, product, method, status), [0])
            cell = self._durations.setdefault((consumer, product), _EMPTY.copy())
        route[0] += 1
        called[0] += 1
        seconds = exchange.ended_at - exchange.started_at
        upstream, queued = exchange.upstream_seconds, exchange.queued_seconds
        # What `overhead_seconds` says, without the cost of asking.
        own = seconds - upstream - queued - exchange.backoff_seconds - exchange.caller_seconds
        cell[bisect_left(_TOTAL, seconds)] += 1
        cell[_OVERHEAD_AT + (bisect_left(_OVERHEAD, own) if own > _LEAST_OVERHEAD else 0)] += 1
        cell[_TOTAL_SUM] += seconds
        cell[_OVERHEAD_SUM] += own if own > 0 else 0.0
        if exchange.steps:  # it came as far as waiting or being sent
            cell[_QUEUE_AT + (bisect_left(_QUEUE, queued) if queued > _LEAST_QUEUE else 0)] += 1
            cell[_QUEUE_SUM] += queued
            if exchange.attempts:
                cell[_UPSTREAM_AT + bisect_left(_UPSTREAM, upstream)] += 1
                cell[_UPSTREAM_SUM] += upstream
            self._add_steps(exchange, consumer)
        if consumer:
            used = self._sdks.get((consumer, exchange.sdk)) or self._add_sdk(consumer, exchange.sdk)
            used[0] += 1
        for name in exchange.dropped:
            _add(self.dropped_fields, label_dropped(name))
        if exchange.ignored:
            for reason in exchange.ignored:
                _add(self.ignored_fields, reason)
        if exchange.segments:
            _add(self.segments, (consumer, exchange.country), exchange.segments)
        if exchange.status >= 400 or exchange.reported or exchange.ending is not _ANSWERED:
            self._add_trouble(exchange, consumer)

    def count_key_event(self, event: KeyEvent, key_label: str) -> None:
        """Count an event of a Twilio key."""
        _add(self.key_events, (event, key_label))

    def count_idempotency_event(self, event: IdempotencyEvent) -> None:
        """Count an event of a request with an Idempotency-Key."""
        _add(self.idempotency_events, event)

    def count_repeat(self, consumer: str, route: str, event: RepeatEvent) -> None:
        """Count what was done with a create that came again."""
        _add(self.repeats, (self._admit(consumer), route, event))

    def _add_steps(self, exchange: Exchange, consumer: str) -> None:
        attempts = self.attempts
        for kind, _, _, status, _, failed, key, then, _ in exchange.steps:
            if kind is _ATTEMPT:
                outcome = status or failed
                attempts[outcome] = attempts.get(outcome, 0) + 1
                if then:
                    _add(self.retries, _REASONS.get(then) or str(outcome))
                if status == 401:
                    name = (exchange.credential, key)
                    before = self.refused_keys.get(name)
                    self.refused_keys[name] = Refused(
                        (before.times if before else 0) + 1, exchange.ended_at_epoch
                    )
            elif kind is PhaseKind.LIMIT:
                _add(self.limited, (consumer, "waited"))

    def _add_trouble(self, exchange: Exchange, consumer: str) -> None:
        if exchange.ending is not _ANSWERED:
            _add(self.unfinished, exchange.ending.value)
        if exchange.slug:
            _add(self.refusals, exchange.slug)
            if exchange.slug == _RATE_LIMITED:
                _add(self.limited, (consumer, "refused"))
        elif exchange.status >= 400:
            code = exchange.twilio_code
            _add(self.twilio_codes, code if code in TWILIO_CODES or not code else OTHER_CODE)
        if exchange.reported:
            _add(self.reported, exchange.reported)
            if exchange.reported == _RATE_LIMITED:
                _add(self.limited, (consumer, "reported"))

    def _add_sdk(self, consumer: str, sdk: str) -> list[int]:
        """The count of an SDK that is new to this consumer, or the one for all beyond the bound."""
        apart = self._sdks_apart.get(consumer, 0)
        if apart < MAX_SDKS:
            self._sdks_apart[consumer] = apart + 1
        else:
            sdk = OTHER
        return self._sdks.setdefault((consumer, sdk), [0])

    def _admit(self, consumer: str) -> str:
        """The name that a consumer is counted under."""
        if not consumer or consumer in self._names:
            return consumer
        if len(self._names) >= self._consumers_max:
            return OTHER
        self._names.add(consumer)
        return consumer

    def routes(self) -> dict[Requests, int]:
        """Exchanges by (product, route label, method, status class)."""
        return {name: count[0] for name, count in yielding(self._routes.copy().items())}

    def consumers(self) -> dict[Requests, int]:
        """Exchanges by (consumer, product, method, status class)."""
        return {name: count[0] for name, count in yielding(self._consumers.copy().items())}

    def sdks(self) -> dict[tuple[str, str], int]:
        """Exchanges by (consumer, SDK) of known callers; of each at most `MAX_SDKS`, and `OTHER`."""
        return {name: count[0] for name, count in yielding(self._sdks.copy().items())}

    def durations(self) -> tuple["Durations", "Durations"]:
        """By product, and by consumer; both of the same moment."""
        by_product: dict[str, list[float]] = {}
        by_consumer: dict[str, list[float]] = {}
        for (consumer, product), cell in yielding(self._durations.copy().items()):
            numbers = cell.copy()
            for sums, name in ((by_product, product), (by_consumer, consumer)):
                before = sums.get(name)
                sums[name] = numbers if before is None else list(map(add, before, numbers))
        return by_product, by_consumer


Durations = dict[str, list[float]]
"""The numbers of all four durations, by name; `distribution` reads them."""


def distribution(numbers: list[float], duration: Duration) -> Distribution:
    """One duration out of them."""
    counts = tuple(numbers[duration.at : duration.at + len(duration.bounds) + 1])
    return Distribution(counts, numbers[_SUMS_AT + DURATIONS.index(duration)])


def _add(sums: dict[K, int], name: K, count: int = 1) -> None:
    sums[name] = sums.get(name, 0) + count
