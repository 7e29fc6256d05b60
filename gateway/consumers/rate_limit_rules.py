"""Rate limits, compiled, and which of them apply to a call (`docs/design.md` 4.6). Pure.

They are spent in `rate_limits/`. Here is only what a limit is, to whom it applies, and the key of its state.
Keys outlive a reload and are stored in a shared store. They contain the consumer's name and a digest of its
identity, a digest of the limit's shape, and perhaps an AccountSid, but never a phone number.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.consumers.allow_rules import RuleSet, split_path

_MICROSECONDS: Final = 1_000_000
_MAX_DESTINATIONS: Final = 8
_MANY: Final = "many"
_PERIODS: Final = {1: "s", 60: "m", 3600: "h", 86_400: "d"}


class Per(StrEnum):
    """What a limit counts."""

    CONSUMER = "consumer"
    DESTINATION = "destination"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate of one consumer. Times are whole microseconds, the same in memory and in Redis.

    A unit of weight takes `unit_us` (rounded up, so that no rate is exceeded), a request `cost_us`; up to
    `tolerance_us` of them may be used at once. `name` is its place in the configuration, `key` the key of its
    state. `text` and `rate` are for people, in full and in short; `policy` is its item of a RateLimit-Policy
    field.
    """

    name: str
    key: str
    text: str
    rate: str
    per: Per
    unit_us: int
    cost_us: int
    tolerance_us: int
    max_wait_us: int
    reports: bool
    rules: RuleSet | None
    policy: bytes
    label: bytes
    secret: bytes = field(repr=False)


class LimitKey(NamedTuple):
    """A limit, and the key under which one consumer, destination or account is counted."""

    limit: Limit
    key: str


class LimitSet(NamedTuple):
    """A consumer's limits. `fixed` are its keys if they are the same for every call, else None.

    `fields` is the constant part of the answer's fields if the keys are fixed and every limit can refuse.
    """

    limits: tuple[Limit, ...] = ()
    fixed: tuple[LimitKey, ...] | None = ()
    by_destination: bool = False
    by_route: bool = False
    fields: bytes = b""


NO_LIMITS: Final = LimitSet()


def derive_secret(authorization: bytes) -> bytes:
    """Derive a secret from the credential's first `Authorization` value, to hash destinations with.

    There are few enough phone numbers to try them all, so a plain hash would hide nothing. This is the one
    secret that all replicas share. When that key is replaced, counting of destinations starts again.
    """
    return hmac.digest(authorization, b"twilio-gateway: destinations of rate limits", "sha256")


def make_limit(
    name: str,
    count: int,
    period_seconds: int,
    burst: int,
    *,
    per: Per = Per.CONSUMER,
    weight: int = 1,
    max_wait_seconds: float = 0,
    reports: bool = False,
    rules: RuleSet | None = None,
    secret: bytes = b"",
    owner: str = "",
    route: str = "",
    label: str = "",
) -> Limit:
    """Compile a rate of `count` per period. At 10,000/s up to 1 % is lost to whole microseconds.

    `owner` is the consumer in the key of the state, `route` the text of `rules`, `label` the name that the
    configuration gives it. The rest of the key is the name and the shape of the limit (rate, burst, per,
    route, weight): a limit that is moved keeps its state, and one with another shape starts with a full
    burst.
    """
    unit = -(-period_seconds * _MICROSECONDS // count)
    shape = f"{unit}:{burst}:{per}:{route}" + (f":{label}" if label else "")
    if weight != 1:  # else as replicas of earlier releases have it
        shape += f":weight {weight}"
    quoted = b'"%b"' % name.replace("/", "-").encode()
    return Limit(
        name=name,
        key=f"{owner}/{_digest(shape)}" if owner else name,
        text=f"{count} per {period_seconds} s, burst {burst}",
        rate=_write_rate(count, period_seconds, burst),
        per=per,
        unit_us=unit,
        cost_us=unit * weight,
        tolerance_us=unit * burst,
        max_wait_us=int(max_wait_seconds * _MICROSECONDS),
        reports=reports,
        rules=rules,
        policy=b"%b;q=%d;w=%d" % (quoted, *_quota(count, period_seconds, burst)),
        label=quoted,
        secret=secret,
    )


def _write_rate(count: int, period_seconds: int, burst: int) -> str:
    """As the configuration has it: '20/s', and the burst if it is another number."""
    period = _PERIODS.get(period_seconds, f"{period_seconds} s")
    return f"{count}/{period}" + (f", burst {burst}" if burst != count else "")


def _quota(count: int, period_seconds: int, burst: int) -> tuple[int, int]:
    """Quota and window of draft-ietf-httpapi-ratelimit-headers-10: the burst, and the whole seconds until it
    is available again. For a burst of less than a second's worth they are the rate itself."""
    window = -(-burst * period_seconds // count)
    return (burst, window) if burst * period_seconds >= count else (count, period_seconds)


def make_limit_set(limits: Iterable[Limit]) -> LimitSet:
    """Combine the limits of a consumer. Limits of the same shape are distinguished by their order."""
    limits = tuple(_separate(limits))
    is_fixed = all(limit.per is Per.CONSUMER and limit.rules is None for limit in limits)
    return LimitSet(
        limits,
        tuple(LimitKey(limit, limit.key) for limit in limits) if is_fixed else None,
        any(limit.per is Per.DESTINATION for limit in limits),
        any(limit.rules is not None for limit in limits),
        _constant_fields(limits) if is_fixed else b"",
    )


def _constant_fields(limits: tuple[Limit, ...]) -> bytes:
    if not limits or any(limit.reports for limit in limits):
        return b""
    return b"RateLimit-Policy: %b\r\nRateLimit: " % b", ".join(limit.policy for limit in limits)


def _separate(limits: Iterable[Limit]) -> Iterator[Limit]:
    seen: Counter[str] = Counter()
    for limit in limits:
        repeats = seen[limit.key]
        seen[limit.key] += 1
        yield replace(limit, key=f"{limit.key}.{repeats}") if repeats else limit


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def select_limits(
    limits: LimitSet, method: str, product: str, path: str, account_sid: str, destinations: tuple[str, ...]
) -> tuple[LimitKey, ...]:
    """The limits that apply to a call. `method` is the effective one, `path` the pinned one (without query).

    `destinations` are normalised and without repeats; only limits per destination use them.
    """
    if limits.fixed is not None:
        return limits.fixed
    method = "GET" if method == "HEAD" else method
    path_segments = split_path(path) if limits.by_route else ()
    selected: list[LimitKey] = []
    for limit in limits.limits:
        if limit.rules is not None and limit.rules.find(method, product, path_segments) is None:
            continue
        if limit.per is Per.CONSUMER:
            selected.append(LimitKey(limit, limit.key))
        elif limit.per is Per.ACCOUNT:
            selected.append(LimitKey(limit, f"{limit.key}:{account_sid}"))
        elif len(destinations) > _MAX_DESTINATIONS:
            # Twilio accepts one `To`: many are a mistake, or a way to create many keys.
            selected.append(LimitKey(limit, f"{limit.key}:{_MANY}"))
        else:
            selected.extend(LimitKey(limit, _destination_key(limit, each)) for each in destinations)
    return tuple(selected)


def _destination_key(limit: Limit, destination: str) -> str:
    digest = hashlib.blake2b(destination.encode(), key=limit.secret, digest_size=16)
    return f"{limit.key}:{digest.hexdigest()}"
