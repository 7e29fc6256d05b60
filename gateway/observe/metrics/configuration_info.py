"""The active configuration and when it was loaded, the results of reloads, and the age of each Twilio key.

Written by the code that loads configurations; read at a scrape, on the admin thread. Holds masked SIDs only.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

SUCCESS: Final = "success"
FAILURE: Final = "failure"


class KeyName(NamedTuple):
    """A key of Twilio's: the credential's name and the masked SID."""

    credential: str
    key: str


class ConfigurationRecord:
    """`clock` gives seconds since the epoch. Written by one thread, read by any."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.hash = ""
        self.loaded_at = 0.0
        self.last_reload_good = True
        self.reloads: dict[str, int] = {SUCCESS: 0, FAILURE: 0}
        self._clock = clock
        self._keys: dict[KeyName, float] = {}

    def apply(self, config_hash: str, keys: Iterable[KeyName]) -> None:
        """A configuration is active: the first one, or that of a reload."""
        now = self._clock()
        self.hash, self.loaded_at, self.last_reload_good = config_hash, now, True
        self._keys = {name: self._keys.get(name, now) for name in keys}

    def record_reload(self, *, ok: bool) -> None:
        """Count a reload. A failed one leaves the active configuration as it is."""
        self.reloads[SUCCESS if ok else FAILURE] += 1
        self.last_reload_good = ok

    def key_ages(self) -> dict[KeyName, float]:
        """Seconds since this process first saw each active key. Twilio does not tell when a key was made, and
        a
        restart begins again."""
        now = self._clock()
        return {name: max(0.0, now - since) for name, since in self._keys.items()}
