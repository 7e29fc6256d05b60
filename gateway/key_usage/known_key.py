"""What is remembered of one consumer key, and how what two replicas remember is merged. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MOST_ADDRESSES: Final = 8
"""Of a key: those that used it last. More would tell no more, and memory stays bounded."""
FORMER_SECONDS: Final = 30 * 86_400
"""How long a key is recognised after it was last configured."""
IDLE_SECONDS: Final = 90 * 86_400
VERSION: Final = 1


@dataclass(slots=True)
class KnownKey:
    """Times are seconds since the epoch, 0 for never.

    `seen_at` is when a gateway first had it in its configuration, `configured_at` when one last had.
    `addresses` says when each was last used from.
    """

    consumer: str
    seen_at: float
    configured_at: float
    first_used: float = 0.0
    last_used: float = 0.0
    addresses: dict[str, float] = field(default_factory=dict)

    def use(self, at: float, address: str) -> None:
        """It was used."""
        if not self.first_used or at < self.first_used:
            self.first_used = at
        self.last_used = max(self.last_used, at)
        if address:
            add_address(self.addresses, address, at)

    def merge(self, other: "KnownKey") -> None:
        """Take in what another replica, or an earlier run, knows of the same key."""
        self.seen_at = min(self.seen_at, other.seen_at)
        self.configured_at = max(self.configured_at, other.configured_at)
        self.first_used = min(filter(None, (self.first_used, other.first_used)), default=0.0)
        self.last_used = max(self.last_used, other.last_used)
        for address, at in other.addresses.items():
            add_address(self.addresses, address, at)

    def is_idle(self, now: float) -> bool:
        """Whether it was not used for 90 days, nor is younger than that."""
        return now - max(self.last_used, self.seen_at) >= IDLE_SECONDS

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "v": VERSION,
            "consumer": self.consumer,
            "seen_at": round(self.seen_at, 3),
            "configured_at": round(self.configured_at, 3),
            "first_used": round(self.first_used, 3),
            "last_used": round(self.last_used, 3),
            "addresses": {address: round(at, 3) for address, at in self.addresses.items()},
        }


def add_address(addresses: dict[str, float], address: str, at: float) -> None:
    """Remember an address; beyond `MOST_ADDRESSES` the one used longest ago is forgotten."""
    known = addresses.get(address)
    if known is None or at > known:
        addresses[address] = at
    if len(addresses) > MOST_ADDRESSES:
        del addresses[min(addresses, key=addresses.__getitem__)]


def parse_known(content: object) -> KnownKey | None:
    """What was stored, by this release or another; None for what cannot be read."""
    if not isinstance(content, Mapping) or not isinstance(content.get("consumer"), str):
        return None
    addresses = content.get("addresses")
    try:
        found = KnownKey(
            content["consumer"],
            float(content["seen_at"]),
            float(content["configured_at"]),
            float(content.get("first_used", 0)),
            float(content.get("last_used", 0)),
        )
        for address, at in addresses.items() if isinstance(addresses, Mapping) else ():
            add_address(found.addresses, str(address), float(at))
    except (KeyError, TypeError, ValueError):
        return None
    return found
