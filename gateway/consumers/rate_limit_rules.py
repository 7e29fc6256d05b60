"""Rate limits, compiled, and which of them a call falls under (design 4.6). Pure.

What they count is spent in `admission`; here is only what a limit is, whom it concerns, and under which key.
Keys outlive a reload and stand in a shared store: they hold a consumer's name and the limit's place in its
list, an AccountSid, but never a phone number.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway.consumers.allow_rules import RuleSet, split_path

_MICROSECONDS = 1_000_000
_MAX_DESTINATIONS = 8
_MANY = "many"
_PERIODS = {1: "s", 60: "m", 3600: "h", 86_400: "d"}


class Per(StrEnum):
    """What a limit counts."""

    CONSUMER = "consumer"
    DESTINATION = "destination"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate of one consumer. Times are whole microseconds, the same in memory and in Redis.

    A unit of weight takes `unit_us` (rounded up, so that no rate is exceeded), a request `cost_us`; up to
    `tolerance_us` of them may be used at once. `text` and `rate` are for people, at length and in short;
    `policy` is its item of a RateLimit-Policy field.
    """

    name: str
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
    """A limit, and the name under which one consumer, destination or account is counted."""

    limit: Limit
    key: str


class LimitSet(NamedTuple):
    """A consumer's limits. `fixed` are its keys if they are the same for every call, else None."""

    limits: tuple[Limit, ...] = ()
    fixed: tuple[LimitKey, ...] | None = ()
    by_destination: bool = False
    by_route: bool = False


NO_LIMITS = LimitSet()


def derive_secret(authorization: bytes) -> bytes:
    """A secret of our own out of the credential's first `Authorization` value, to hash destinations with.

    Phone numbers are few enough to try them all, so that a plain hash hides nothing; this is the one secret
    that all replicas share. When that key is replaced, destinations are counted anew.
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
) -> Limit:
    """Compile a rate of `count` per period. At 10,000/s up to 1 % is lost to whole microseconds."""
    unit = -(-period_seconds * _MICROSECONDS // count)
    label = b'"%b"' % name.replace("/", "-").encode()
    return Limit(
        name=name,
        text=f"{count} per {period_seconds} s, burst {burst}",
        rate=_write_rate(count, period_seconds, burst),
        per=per,
        unit_us=unit,
        cost_us=unit * weight,
        tolerance_us=unit * burst,
        max_wait_us=int(max_wait_seconds * _MICROSECONDS),
        reports=reports,
        rules=rules,
        policy=b"%b;q=%d;w=%d" % (label, *_quota(count, period_seconds, burst)),
        label=label,
        secret=secret,
    )


def _write_rate(count: int, period_seconds: int, burst: int) -> str:
    """As the configuration has it: '20/s', and the burst if it is another number."""
    period = _PERIODS.get(period_seconds, f"{period_seconds} s")
    return f"{count}/{period}" + (f", burst {burst}" if burst != count else "")


def _quota(count: int, period_seconds: int, burst: int) -> tuple[int, int]:
    """Quota and window as draft-ietf-httpapi-ratelimit-headers-10 has them: the burst, and the whole seconds
    in which it comes back. A burst of less than a second's worth is told by the rate itself."""
    window = -(-burst * period_seconds // count)
    return (burst, window) if burst * period_seconds >= count else (count, period_seconds)


def make_limit_set(limits: Iterable[Limit]) -> LimitSet:
    """What can be known before any call is known."""
    limits = tuple(limits)
    is_fixed = all(limit.per is Per.CONSUMER and limit.rules is None for limit in limits)
    return LimitSet(
        limits,
        tuple(LimitKey(limit, limit.name) for limit in limits) if is_fixed else None,
        any(limit.per is Per.DESTINATION for limit in limits),
        any(limit.rules is not None for limit in limits),
    )


def select_limits(
    limits: LimitSet, method: str, product: str, path: str, account_sid: str, destinations: tuple[str, ...]
) -> tuple[LimitKey, ...]:
    """The limits a call falls under. `method` is the effective one, `path` the pinned one (without query);
    `destinations` are normalised and without repeats, and looked at only by limits per destination."""
    if limits.fixed is not None:
        return limits.fixed
    method = "GET" if method == "HEAD" else method
    path_segments = split_path(path) if limits.by_route else ()
    selected: list[LimitKey] = []
    for limit in limits.limits:
        if limit.rules is not None and limit.rules.find(method, product, path_segments) is None:
            continue
        if limit.per is Per.CONSUMER:
            selected.append(LimitKey(limit, limit.name))
        elif limit.per is Per.ACCOUNT:
            selected.append(LimitKey(limit, f"{limit.name}:{account_sid}"))
        elif len(destinations) > _MAX_DESTINATIONS:
            # Twilio takes one `To`: many are a mistake, or a way to make many keys.
            selected.append(LimitKey(limit, f"{limit.name}:{_MANY}"))
        else:
            selected.extend(LimitKey(limit, _destination_key(limit, each)) for each in destinations)
    return tuple(selected)


def _destination_key(limit: Limit, destination: str) -> str:
    digest = hashlib.blake2b(destination.encode(), key=limit.secret, digest_size=16)
    return f"{limit.name}:{digest.hexdigest()}"
