"""What callers are told of their limits: `RateLimit-Policy` and `RateLimit`, structured fields (RFC 9651) of
draft-ietf-httpapi-ratelimit-headers-10. `r` is what remains, `t` the seconds until more does. Pure.
"""

from collections.abc import Sequence

from gateway.admission.gcra import count_remaining, wait_for_more
from gateway.policy.limits import LimitKey

_SECOND_US = 1_000_000


def write_policy(keys: Sequence[LimitKey]) -> bytes:
    """The value of `RateLimit-Policy`: every limit that can refuse, once."""
    return b", ".join(dict.fromkeys([limit.policy for limit, _ in keys if not limit.reports]))


def write_remaining(keys: Sequence[LimitKey], tats: Sequence[int], now: int) -> bytes:
    """The value of `RateLimit`. Of several destinations under one limit, the one that has least left."""
    items: dict[bytes, tuple[int, int]] = {}
    for (limit, _), tat in zip(keys, tats, strict=True):
        if limit.reports:
            continue
        item = (count_remaining(limit, tat, now), -(-wait_for_more(limit, tat, now) // _SECOND_US))
        known = items.get(limit.label)
        if known is None or item[0] < known[0]:
            items[limit.label] = item
    return b", ".join([b"%b;r=%d;t=%d" % (label, *item) for label, item in items.items()])


def write_fields(keys: Sequence[LimitKey], tats: Sequence[int], now: int) -> bytes:
    """Both fields as CRLF-ended lines, or nothing if no limit can refuse."""
    policy = write_policy(keys)
    if not policy:
        return b""
    return b"RateLimit-Policy: %b\r\nRateLimit: %b\r\n" % (policy, write_remaining(keys, tats, now))
