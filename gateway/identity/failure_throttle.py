"""How many failed authentications an address may have: a bucket of failures each, in a bounded table. Pure.

A good key is never refused here: only the answer to a wrong one changes, so that callers behind one address
do not suffer from each other, and a caller that goes on with a wrong key is seen.
"""

from collections import OrderedDict
from typing import Final

from gateway.errors import Refusal

BURST: Final = 50
"""So many failures in a row are answered 401."""
_PER_SECOND: Final = 1.0
"""So many more every second."""
_MOST_ADDRESSES: Final = 10_000
COUNTED: Final = frozenset({"unknown_consumer", "expired_key", "invalid_token", "expired_token"})
"""Slugs of refusals that count; who shows no key at all guesses none."""


class FailureThrottle:
    """Addresses are those of `listener.connections.name_address`: an IPv6 address counts as its /64."""

    def __init__(self, burst: int = BURST, most_addresses: int = _MOST_ADDRESSES) -> None:
        self._burst = burst
        self._most_addresses = most_addresses
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when the bucket is full again

    def check(self, refusal: Refusal, address: str, now: float) -> Refusal:
        """The refusal to answer with: the given one, or 429 after too many. `now`: seconds, monotonic."""
        if refusal.slug not in COUNTED:
            return refusal
        full_at = max(self._full_at.pop(address, now), now)
        wait = full_at + 1 / _PER_SECOND - (now + self._burst / _PER_SECOND)
        if wait <= 0:
            full_at += 1 / _PER_SECOND
        self._full_at[address] = full_at
        if len(self._full_at) > self._most_addresses:
            self._full_at.popitem(last=False)
        if wait <= 0:
            return refusal
        return Refusal(
            "too_many_failures",
            "Too many requests from this address had a wrong key; use the right one, or wait.",
            closes=True,
            headers=(("Retry-After", str(int(wait) + 1)),),
        )
