"""Who is calling (design 4.2): the consumer behind an Authorization or Proxy-Authorization field.

Keys are known by the SHA-256 of their bytes only. The index is a dict over digests: what a look-up's timing
could tell is about the digest of a guess, never about a key; the name is then compared in constant time.
"""

import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.errors import Refusal
from gateway.policy.credentials import Credential
from gateway.policy.forms import FormRules
from gateway.policy.head import Inbound
from gateway.policy.limits import NO_LIMITS, LimitSet
from gateway.policy.rules import RuleSet

# A shorter "key" (a legacy one, typed by hand) would be found by chance in innocent fields.
_SHORTEST_SECRET = 8
_CHALLENGE = (("WWW-Authenticate", 'Basic realm="twilio-gateway"'),)


class Mode(StrEnum):
    """Whether policy refuses, or only reports what it would have refused."""

    ENFORCE = "enforce"
    REPORT = "report"


class Emit(StrEnum):
    """How PUT and DELETE go upstream: as they are, or as POST with `_method` (design 4.3)."""

    NATIVE = "native"
    POST = "post"


class Priority(IntEnum):
    """A consumer's class where requests wait for Twilio; the first goes first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Consumer:
    """An internal service, compiled. `usernames` holds its name and the further Basic user names."""

    name: str
    usernames: frozenset[str]
    credential: Credential
    rules: RuleSet
    forms: FormRules | None = None
    mode: Mode = Mode.ENFORCE
    emit: Emit = Emit.NATIVE
    legacy: bool = False
    convert: bool = False
    priority: Priority = Priority.NORMAL
    limits: LimitSet = NO_LIMITS


class KeyEntry(NamedTuple):
    """What a key's digest stands for. `expires` is in seconds since the epoch, None for never."""

    consumer: Consumer
    expires: float | None


class Caller(NamedTuple):
    """A consumer, and the secrets it showed (key and Basic token), which must not travel on in other fields.

    They live as long as the request; `repr` shows none of them.
    """

    consumer: Consumer
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Caller({self.consumer.name!r})"


def digest_of(key: bytes) -> str:
    """The hex SHA-256 by which a key is known in the configuration (after 'sha256:')."""
    return hashlib.sha256(key).hexdigest()


def authenticate(index: Mapping[str, KeyEntry], inbound: Inbound, now: float) -> Caller:
    """Find the caller. `index` maps hex digests to entries, `now` is in seconds since the epoch.

    Raises `Refusal` (401) with a challenge.
    """
    username, key, token = _read_key(inbound)
    entry = index.get(digest_of(key))
    if entry is None:
        raise Refusal("unknown_consumer", "The consumer key is not known here.", headers=_CHALLENGE)
    if username is not None and not _matches_any(username, entry.consumer.usernames):
        raise Refusal("unknown_consumer", "The user name does not belong to this key.", headers=_CHALLENGE)
    if entry.expires is not None and now >= entry.expires:
        raise Refusal(
            "expired_key",
            f"This key of consumer {entry.consumer.name} has expired; "
            "ask the gateway's operators for a new one.",
            headers=_CHALLENGE,
        )
    secrets = tuple([secret for secret in (key, token) if len(secret) >= _SHORTEST_SECRET])
    url = f"{inbound.path}?{inbound.query}".encode("ascii")
    if b"%" in url:
        url += unquote_to_bytes(url)
    for secret in secrets:
        if secret in url:
            raise Refusal("bad_target", "The consumer key must not stand in the URL; URLs end up in logs.")
    return Caller(entry.consumer, secrets)


def _read_key(inbound: Inbound) -> tuple[bytes | None, bytes, bytes]:
    """(Basic user name or None for Bearer, key, the token as sent)."""
    value = inbound.singles.get(b"authorization")
    proxy = inbound.singles.get(b"proxy-authorization")
    if proxy is not None and (inbound.authority or value is None):
        value = proxy  # forward-proxy use: Authorization is then meant for Twilio, and replaced
    if value is None:
        raise Refusal(
            "missing_key",
            "Send your consumer key: HTTP Basic with the consumer's name, or Authorization: Bearer.",
            headers=_CHALLENGE,
        )
    scheme, _, rest = value.partition(b" ")
    rest = rest.strip()
    if scheme.lower() == b"bearer" and rest:
        return None, rest, rest
    if scheme.lower() == b"basic":
        try:
            username, colon, password = binascii.a2b_base64(rest, strict_mode=True).partition(b":")
        except binascii.Error:
            colon = b""
        if colon and password:
            return username, password, rest
    raise Refusal("missing_key", "Authorization must be Basic or Bearer, well formed.", headers=_CHALLENGE)


def _matches_any(username: bytes, accepted: frozenset[str]) -> bool:
    # No early exit: how long this takes does not depend on which name matches.
    found = [hmac.compare_digest(username, name.encode()) for name in accepted]
    return any(found)
