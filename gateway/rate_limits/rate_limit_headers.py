"""The fields that report rate limits to callers: `RateLimit-Policy` and `RateLimit`. Pure.

They are structured fields (RFC 9651) of draft-ietf-httpapi-ratelimit-headers-10: `r` is what remains, `t` the
seconds until more does.
"""

from collections.abc import Sequence

from gateway.consumers.rate_limit_rules import Limit, LimitKey
from gateway.rate_limits.gcra import remaining_units


def write_fields(keys: Sequence[LimitKey], tats: Sequence[int], now: int) -> bytes:
    """Both fields as lines that end with CRLF, or nothing if no limit can refuse."""
    policy, remaining = write_values(keys, tats, now)
    return b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (policy, remaining) if policy else b""


def write_values(keys: Sequence[LimitKey], tats: Sequence[int], now: int) -> tuple[bytes, bytes]:
    """The values of both fields.

    Of a limit that counts several destinations of one request, which are adjacent, the one with the least
    remaining is reported. Limits in report mode are left out.
    """
    policies: list[bytes] = []
    items: list[bytes] = []
    last: Limit | None = None
    least = 0
    for (limit, _), tat in zip(keys, tats, strict=True):
        if limit.reports:
            continue
        remaining, wait_us = remaining_units(limit, tat, now)
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
