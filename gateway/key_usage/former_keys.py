"""Keys that were removed in the last 30 days, and whose they were.

The data loop asks when it refuses an unknown key; what the caller is answered does not depend on it.
"""

from collections.abc import Collection, Mapping
from threading import Lock
from typing import NamedTuple

from gateway.background.breathing import breathe, short_turns
from gateway.identity.authentication import KeyEntry
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
        self._lock = Lock()

    def configure(self, keys: Mapping[str, KeyEntry], now: float) -> None:
        """Compare with the active configuration. Not on an event loop: many keys take some time."""
        owners: dict[str, str] = {}
        removed: dict[str, FormerKey] = {}
        with self._lock, short_turns():
            for digest, entry in keys.items():
                owners[digest] = entry.consumer.name
                breathe()
            for digest, consumer in self._owners.items():
                if digest not in owners:
                    removed[digest] = FormerKey(consumer, now)
                breathe()
            self._owners = owners
            self._keep(removed, owners, now)

    def add(self, known: Mapping[str, FormerKey], configured: Collection[str], now: float) -> None:
        """Take these in as well; what is configured or too old is forgotten."""
        with self._lock, short_turns():
            self._keep(known, configured, now)

    def _keep(self, known: Mapping[str, FormerKey], configured: Collection[str], now: float) -> None:
        kept: dict[str, FormerKey] = {}
        for each in (self.by_digest, known):
            for digest, former in each.items():
                if digest not in configured and now - former.configured_at < FORMER_SECONDS:
                    kept[digest] = former
                breathe()
        self.by_digest = kept

    def find(self, digest: str) -> str:
        """The consumer of a former key, '' for an unknown one."""
        former = self.by_digest.get(digest)
        return "" if former is None else former.consumer
