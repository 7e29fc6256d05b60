"""Sessions of the page, and the throttle on wrong tokens. Pure: `now` is monotonic, in seconds.

Nothing survives a restart. Session ids are kept as digests, so that no dump of memory opens the page.
"""

import hashlib
import ipaddress
import secrets
from collections import OrderedDict
from typing import NamedTuple

from gateway.rate_limits.expiry_table import ExpiryTable

SESSION_SECONDS = 12 * 3600
_MAX_SESSIONS = 1000
_MAX_ADDRESSES = 1000
_GUESSES = 10
_SECONDS_PER_GUESS = 6
_OVERFLOW = "overflow"
_MICROSECONDS = 1_000_000


class _Session(NamedTuple):
    token: bytes
    expires: float


class Sessions:
    """At most 1,000; the oldest is dropped first. A session ends with the token that opened it."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, token: bytes, now: float) -> str:
        """A new session's id, for the digest of the token that was shown."""
        identifier = secrets.token_urlsafe(32)
        self._sessions[digest(identifier)] = _Session(token, now + SESSION_SECONDS)
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return identifier

    def holds(self, identifier: str, token: bytes, now: float) -> bool:
        """Whether this session is open and was opened by this token."""
        session = self._sessions.get(digest(identifier))
        return session is not None and session.token == token and now < session.expires

    def end(self, identifier: str) -> bool:
        """Log out; False if there was no such session."""
        return self._sessions.pop(digest(identifier), None) is not None


class LoginThrottle:
    """Ten wrong tokens at once from an address, then one every six seconds."""

    def __init__(self) -> None:
        self._moments = ExpiryTable(_MAX_ADDRESSES)

    def wait_seconds(self, address: str, now: float) -> float:
        """How long this address must not try; 0 if it may."""
        ahead = self._moments.find(self._key(address, now)) / _MICROSECONDS - now
        return max(0.0, ahead - (_GUESSES - 1) * _SECONDS_PER_GUESS)

    def failed(self, address: str, now: float) -> None:
        """A token from this address was wrong."""
        key = self._key(address, now)
        moment = max(self._moments.find(key), int(now * _MICROSECONDS))
        self._moments.put(key, moment + _SECONDS_PER_GUESS * _MICROSECONDS)

    def _key(self, address: str, now: float) -> str:
        """Where too many addresses guess at once, newcomers share one count."""
        network = _network(address)
        return network if self._moments.has_room(network, int(now * _MICROSECONDS)) else _OVERFLOW


def digest(text: str) -> bytes:
    """SHA-256 of the text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _network(address: str) -> str:
    """The /64 of an IPv6 address: a client that has one of its addresses has them all."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address
