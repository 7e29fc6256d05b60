"""Which of an account's keys to try, and which of them are disabled (docs/design.md 4.7).

A 401 moves one exchange on to the next key. A key is disabled for all exchanges only after it also failed a
read that it is known to be allowed: a Standard key refused on /Accounts is healthy. State lives here, outside
the snapshot, keyed by the key's value, so that a reload forgets nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.consumers.credentials import Account, ApiKey

_DOMAIN: Final = ".twilio.com"
_REPROBE_SECONDS: Final = 60.0


class KeyEvent(StrEnum):
    """What happened to a Twilio key."""

    REFUSED = "refused"
    DISABLED = "put_aside"  # a label of metrics
    RESTORED = "restored"


@dataclass(slots=True)
class _Health:
    good_read: tuple[str, str] | None = field(default=None, repr=False)  # its query may hold a phone number
    disabled_since: float | None = None
    probed_at: float = float("-inf")


class KeyHealth:
    """Health of all keys. Times are seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._health: dict[bytes, _Health] = {}

    def keep_only(self, known: Iterable[ApiKey]) -> None:
        """Forget keys that are no longer configured: one that comes back starts afresh."""
        values = {key.authorization for key in known}
        self._health = {value: health for value, health in self._health.items() if value in values}

    def order(self, account: Account) -> tuple[ApiKey, ...]:
        """The account's keys in the order to be tried: healthy ones first, as configured."""
        if len(account.keys) == 1 or not self._health:
            return account.keys
        return tuple(sorted(account.keys, key=self.is_disabled))

    def is_disabled(self, key: ApiKey) -> bool:
        """Whether the key was found refused and has not been found good since."""
        health = self._health.get(key.authorization)
        return health is not None and health.disabled_since is not None

    def note_success(self, key: ApiKey, method: str, host: str, target: str) -> None:
        """Remember a read that this key may make, for a later test."""
        health = self._health.get(key.authorization)
        if health is None:
            health = self._health[key.authorization] = _Health()
        if method == "GET" and health.good_read is None:
            health.good_read = (host, target)
        health.disabled_since = None

    def due_probe(self, account: Account, key: ApiKey, host: str, now: float) -> tuple[str, str] | None:
        """(host, target) of a read to test a suspect key with, or None if it was tested a moment ago.

        Without a read that this key has made before, the account's own messages serve: Main and Standard
        keys may list them, and a Restricted key that may not gets another code than 20003.
        """
        health = self._health.setdefault(key.authorization, _Health())
        if now - health.probed_at < _REPROBE_SECONDS:
            return None
        health.probed_at = now
        if health.good_read is not None:
            return health.good_read
        if not host.endswith(_DOMAIN):
            return None  # one of `upstream.extra_hosts`: an "api" beside it was never named to us
        return (
            host if host.startswith("api.") else "api" + host[host.index(".") :],
            f"/2010-04-01/Accounts/{account.sid}/Messages.json?PageSize=1",
        )

    def disable(self, key: ApiKey, now: float) -> None:
        """The key failed its test."""
        health = self._health.setdefault(key.authorization, _Health())
        if health.disabled_since is None:
            health.disabled_since = now

    def restore(self, key: ApiKey) -> None:
        """The key passed its test."""
        health = self._health.get(key.authorization)
        if health is not None:
            health.disabled_since = None
