"""What callers are told of their limits: `RateLimit-Policy` and `RateLimit`, structured fields (RFC 9651) of
draft-ietf-httpapi-ratelimit-headers-10. `r` is what remains, `t` the seconds until more does. Pure.
"""

from collections.abc import Sequence

from gateway.consumers.rate_limit_rules import Limit, LimitKey
from gateway.rate_limits.gcra import tell_remaining


def write_fields(keys: Sequence[LimitKey], tats: Sequence[int], now: int) -> bytes:
    """Both fields as CRLF-ended lines, or nothing if no limit can refuse."""
    policy, remaining = write_values(keys, tats, now)
    return b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (policy, remaining) if policy else b""


def write_values(keys: Sequence[LimitKey], tats: Sequence[int], now: int) -> tuple[bytes, bytes]:
    """The two values. A limit that counts several destinations of one request tells of the one it has least
    left for; they stand next to each other. Limits in report mode are not told of."""
    policies: list[bytes] = []
    items: list[bytes] = []
    last: Limit | None = None
    least = 0
    for (limit, _), tat in zip(keys, tats, strict=True):
        if limit.reports:
            continue
        remaining, wait_us = tell_remaining(limit, tat, now)
        if limit is last:
            if remaining >= least:
                continue
            items.pop()
        else:
            last = limit
            policies.append(limit.policy)
        least = remaining
        items.append(b"%b;r=%d;t=%d" % (limit.label, remaining, -(-wait_us // 1_000_000)))
    return b", ".join(policies), b", ".join(items)
