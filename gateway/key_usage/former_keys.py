"""Keys that were configured in the last 30 days and are no more: whose they were.

The data loop asks when it refuses an unknown key; what the caller is answered does not depend on it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.key_usage.known_key import FORMER_SECONDS


class FormerKey(NamedTuple):
    """Whose a key was, and when it was last configured (seconds since the epoch)."""

    consumer: str
    configured_at: float


class FormerKeys:
    """One per process. Any thread may read `by_digest`, which is replaced as a whole."""

    def __init__(self) -> None:
        self.by_digest: Mapping[str, FormerKey] = {}
        self._owners: Mapping[str, str] = {}

    def configure(self, owners: Mapping[str, str], now: float) -> None:
        """A configuration is in force. `owners` has the consumers' names by digest."""
        removed = {digest: FormerKey(consumer, now) for digest, consumer in self._owners.items()}
        self._owners = owners
        self.replace({**self.by_digest, **removed}, owners, now)

    def replace(self, known: Mapping[str, FormerKey], configured: Iterable[str], now: float) -> None:
        """Keep of these what is not configured and not too old."""
        valid = frozenset(configured)
        self.by_digest = {
            digest: former
            for digest, former in known.items()
            if digest not in valid and now - former.configured_at < FORMER_SECONDS
        }

    def find(self, digest: str) -> str:
        """The consumer of a former key, '' for an unknown one."""
        former = self.by_digest.get(digest)
        return "" if former is None else former.consumer
