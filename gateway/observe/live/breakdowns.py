"""Who called what, and how it went, over 15 minutes: by consumer, route, Twilio's code and slug. Pure.

Counted in slices of three minutes, of which the oldest is dropped; bounded by the configuration's
consumers, the catalogue's labels, our slugs, and a fixed number of codes.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from gateway.exchange import OWN_PRODUCT, UNKNOWN_SDK, Ending, Exchange
from gateway.observe.live.quantiles import Counts, bucket_of, read_quantiles

_SLICE_SECONDS = 180
_SLICES = 5
WINDOW_SECONDS = _SLICE_SECONDS * _SLICES
"""Tables reach back so far, less what is left of the slice that is open."""
RATE_SECONDS = 30
MAX_CODES = 100
MAX_SDKS = 10
OTHER_CODE = 0
"""Stands for Twilio codes beyond `MAX_CODES`."""
_OURS = ("upstream_", "internal_")
_ANSWERED = Ending.ANSWERED  # looked up once: an enumeration's members are slow to get at

Key = TypeVar("Key", bound=Hashable)


class RouteName(NamedTuple):
    """What tells routes apart: the catalogue's label, never a path."""

    product: str
    label: str
    method: str


@dataclass(slots=True)
class Breakdown:
    """`errors` are answers from 400 up and exchanges without one; `refusals` are those of the gateway.

    `last_at` is in seconds since the epoch.
    """

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    last_at: float = 0.0
    durations: Counts = field(default_factory=dict)
    sdks: dict[str, int] = field(default_factory=dict)
    """Of a consumer: requests by SDK, at most `MAX_SDKS` and `UNKNOWN_SDK`."""
    codes: dict[int, int] = field(default_factory=dict)
    """Of a consumer: answers by Twilio's code, at most `MAX_CODES` and `OTHER_CODE`."""
    slugs: dict[str, int] = field(default_factory=dict)
    """Of a consumer: answers by our slug."""

    def count(self, at: float, failed: bool, refused: bool, bucket: int) -> None:
        """Count one exchange."""
        self.requests += 1
        if failed:
            self.errors += 1
            self.refusals += refused
        self.last_at = at  # they come nearly in order
        durations = self.durations
        durations[bucket] = durations.get(bucket, 0) + 1

    def count_sdk(self, sdk: str, count: int = 1) -> None:
        """Requests of an SDK more."""
        sdks = self.sdks
        if sdk not in sdks and len(sdks) >= MAX_SDKS:
            sdk = UNKNOWN_SDK
        sdks[sdk] = sdks.get(sdk, 0) + count

    def count_code(self, code: int, count: int = 1) -> None:
        """Answers with a code of Twilio's more."""
        codes = self.codes
        if code not in codes and len(codes) >= MAX_CODES:
            code = OTHER_CODE
        codes[code] = codes.get(code, 0) + count

    def count_slug(self, slug: str, count: int = 1) -> None:
        """Answers with a slug of ours more."""
        self.slugs[slug] = self.slugs.get(slug, 0) + count

    def add(self, other: "Breakdown") -> None:
        """Add another breakdown."""
        self.requests += other.requests
        self.errors += other.errors
        self.refusals += other.refusals
        self.last_at = max(self.last_at, other.last_at)
        for bucket, count in other.durations.items():
            self.durations[bucket] = self.durations.get(bucket, 0) + count
        for sdk, count in other.sdks.items():
            self.count_sdk(sdk, count)
        for code, count in other.codes.items():
            self.count_code(code, count)
        for slug, count in other.slugs.items():
            self.count_slug(slug, count)

    def quantiles(self) -> dict[str, float | None]:
        """Medians and 95th percentiles of the durations, in seconds."""
        p50, p95 = read_quantiles(self.durations, (0.5, 0.95))
        return {"p50": p50, "p95": p95}


@dataclass(slots=True)
class _Slice:
    number: int
    consumers: dict[str, Breakdown] = field(default_factory=dict)
    routes: dict[tuple[str, str, str], Breakdown] = field(default_factory=dict)
    codes: dict[int, Breakdown] = field(default_factory=dict)
    slugs: dict[str, Breakdown] = field(default_factory=dict)


class Breakdowns:
    """`now` and all moments are seconds since the epoch."""

    def __init__(self) -> None:
        self._slices: deque[_Slice] = deque(maxlen=_SLICES)
        self._seconds: deque[tuple[int, dict[str, int]]] = deque(maxlen=RATE_SECONDS + 1)

    def add(self, exchanges: Iterable[Exchange]) -> None:
        """Count exchanges; those of a slice that is over, in the newest."""
        second, current, counts = -1, _Slice(0), dict[str, int]()
        for exchange in exchanges:
            if exchange.product == OWN_PRODUCT:
                continue
            at, slug, consumer = exchange.ended_at_epoch, exchange.slug, exchange.consumer
            if int(at) != second:
                second = int(at)
                current = self._slice(second // _SLICE_SECONDS)
                counts = self._second(second)
            failed = exchange.status >= 400 or exchange.ending is not _ANSWERED
            refused = failed and is_refusal(slug)
            bucket = bucket_of(exchange.ended_at - exchange.started_at)
            caller = current.consumers.get(consumer) or _of(current.consumers, consumer)
            caller.count(at, failed, refused, bucket)
            if (sdk := exchange.sdk) in caller.sdks:
                caller.sdks[sdk] += 1
            else:
                caller.count_sdk(sdk)
            counts[consumer] = counts.get(consumer, 0) + 1
            if exchange.label:
                name = (exchange.product, exchange.label, exchange.method)
                route = current.routes.get(name) or _of(current.routes, name)
                route.count(at, failed, refused, bucket)
            if slug:
                caller.count_slug(slug)
                _of(current.slugs, slug).count(at, failed, refused, bucket)
            if code := exchange.twilio_code:
                caller.count_code(code)
                if code not in current.codes and len(current.codes) >= MAX_CODES:
                    code = OTHER_CODE
                _of(current.codes, code).count(at, failed, refused, bucket)

    def consumers(self, now: float) -> dict[str, Breakdown]:
        """By name; '' stands for unknown callers."""
        return _merged(each.consumers for each in self._recent(now))

    def routes(self, now: float) -> dict[RouteName, Breakdown]:
        """By route."""
        merged = _merged(each.routes for each in self._recent(now))
        return {RouteName(*name): breakdown for name, breakdown in merged.items()}

    def codes(self, now: float) -> dict[int, Breakdown]:
        """By Twilio's code."""
        return _merged(each.codes for each in self._recent(now))

    def slugs(self, now: float) -> dict[str, Breakdown]:
        """By our slug."""
        return _merged(each.slugs for each in self._recent(now))

    def rates(self, now: float) -> dict[str, float]:
        """Requests per second of each consumer over the last `RATE_SECONDS` whole seconds."""
        first = int(now) - RATE_SECONDS
        found: dict[str, int] = {}
        for second, counts in self._seconds:
            if first <= second < int(now):
                for name, count in counts.items():
                    found[name] = found.get(name, 0) + count
        return {name: round(count / RATE_SECONDS, 3) for name, count in found.items()}

    def _slice(self, number: int) -> _Slice:
        slices = self._slices
        if slices and slices[-1].number - number > _SLICES:
            slices.clear()  # the clock was set back
        if not slices or slices[-1].number < number:
            slices.append(_Slice(number))
        return slices[-1]

    def _recent(self, now: float) -> list[_Slice]:
        first = int(now) // _SLICE_SECONDS - _SLICES
        return [each for each in self._slices if each.number > first]

    def _second(self, second: int) -> dict[str, int]:
        seconds = self._seconds
        if not seconds or seconds[-1][0] != second:
            seconds.append((second, {}))
        return seconds[-1][1]


def is_refusal(slug: str) -> bool:
    """Whether a slug is a refusal, not a failure of Twilio's or the gateway's."""
    return bool(slug) and not slug.startswith(_OURS)


def _of(breakdowns: dict[Key, Breakdown], key: Key) -> Breakdown:
    breakdown = breakdowns.get(key)
    if breakdown is None:
        breakdown = breakdowns[key] = Breakdown()
    return breakdown


def _merged(slices: Iterable[dict[Key, Breakdown]]) -> dict[Key, Breakdown]:
    merged: dict[Key, Breakdown] = {}
    for breakdowns in slices:
        for key, breakdown in breakdowns.items():
            _of(merged, key).add(breakdown)
    return merged
