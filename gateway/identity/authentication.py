"""Who is calling (design 4.2): the consumer behind an Authorization or Proxy-Authorization field, or behind
the client certificate of the connection.

Keys are known by the SHA-256 of their bytes only. The index is a dict over digests: what a look-up's timing
could tell is about the digest of a guess, never about a key; the name is then compared in constant time.
"""

import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.identity.client_certificates import PeerCertificate, find_certificate_consumer
from gateway.identity.jwt_claims import Issuer, is_token

# A shorter "key" (a legacy one, typed by hand) would be found by chance in innocent fields.
_SHORTEST_SECRET = 8
_CHALLENGE = (("WWW-Authenticate", 'Basic realm="twilio-gateway"'),)


class KeyEntry(NamedTuple):
    """What a key's digest stands for. `expires` is in seconds since the epoch, None for never."""

    consumer: Consumer
    expires: float | None


@dataclass(frozen=True, slots=True)
class Identities:
    """By what consumers are known: keys by the hex digest, certificates by a name, issuers by their `iss`."""

    keys: Mapping[str, KeyEntry] = field(repr=False)
    certificates: Mapping[str, Consumer] = field(default_factory=dict)
    issuers: Mapping[str, Issuer[Consumer]] = field(default_factory=dict)


class Caller(NamedTuple):
    """A consumer, and the secrets it showed (key, JWT, Basic token), which must not travel in other fields.

    They live as long as the request; `repr` shows none of them.
    """

    consumer: Consumer
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Caller({self.consumer.name!r})"


def digest_of(key: bytes) -> str:
    """The hex SHA-256 by which a key is known in the configuration (after 'sha256:')."""
    return hashlib.sha256(key).hexdigest()


class UnverifiedCaller(NamedTuple):
    """Somebody who shows a JWT. Who that is, is known once it was verified: then `admit` is called.

    `digest` is the token's hex SHA-256, `sent` the token as sent, `holder` whom the certificate stands for.
    """

    username: bytes | None
    token: bytes
    sent: bytes
    digest: str
    certificate_consumer: Consumer | None

    def __repr__(self) -> str:
        return "Claimant()"


def authenticate(
    identities: Identities, inbound: Inbound, now: float, certificate: PeerCertificate | None = None
) -> Caller | UnverifiedCaller:
    """Find the caller. `now` is in seconds since the epoch; `certificate` is the connection's.

    Raises `Refusal` (401) with a challenge.
    """
    certificate_consumer = (
        None if certificate is None else find_certificate_consumer(identities.certificates, certificate, now)
    )
    shown = _read_key(inbound)
    if shown is None:
        return _require_certificate_consumer(certificate_consumer, certificate, now)
    username, key, sent = shown
    digest = digest_of(key)
    entry = identities.keys.get(digest)
    if entry is None:
        if identities.issuers and is_token(key):
            return UnverifiedCaller(username, key, sent, digest, certificate_consumer)
        raise Refusal("unknown_consumer", "The consumer key is not known here.", headers=_CHALLENGE)
    consumer = entry.consumer
    if entry.expires is not None and now >= entry.expires and _is_named(username, consumer):
        raise Refusal(
            "expired_key",
            f"This key of consumer {consumer.name} has expired; ask the gateway's operators for a new one.",
            headers=_CHALLENGE,
        )
    return admit(inbound, consumer, username, (key, sent), certificate_consumer)


def admit(
    inbound: Inbound,
    consumer: Consumer,
    username: bytes | None,
    shown: tuple[bytes, bytes],
    certificate_consumer: Consumer | None,
) -> Caller:
    """A consumer that is known by a secret: what else the request says of the caller must agree with it.

    `shown` is the secret, alone and as it was sent. Raises `Refusal` (401, or 400 if it stands in the URL).
    """
    if not _is_named(username, consumer):
        raise Refusal("unknown_consumer", "The user name does not belong to this key.", headers=_CHALLENGE)
    if certificate_consumer is not None and certificate_consumer is not consumer:
        raise Refusal(
            "unknown_consumer",
            "The key and the client certificate are not one consumer's.",
            headers=_CHALLENGE,
        )
    secrets: tuple[bytes, ...] = shown
    if len(shown[0]) < _SHORTEST_SECRET:
        secrets = tuple(secret for secret in shown if len(secret) >= _SHORTEST_SECRET)
    url = f"{inbound.path}?{inbound.query}".encode("ascii")
    if b"%" in url:
        url += unquote_to_bytes(url)
    for secret in secrets:
        if secret in url:
            raise Refusal("bad_target", "The consumer key must not stand in the URL; URLs end up in logs.")
    return Caller(consumer, secrets)


def _require_certificate_consumer(
    certificate_consumer: Consumer | None, certificate: PeerCertificate | None, now: float
) -> Caller:
    """Who shows no key must be known by a certificate."""
    if certificate_consumer is not None:
        return Caller(certificate_consumer, ())
    if certificate is None:
        raise Refusal(
            "missing_key",
            "Send your consumer key: HTTP Basic with the consumer's name, or Authorization: Bearer.",
            headers=_CHALLENGE,
        )
    if now >= certificate.expires:
        raise Refusal(
            "expired_certificate",
            "The client certificate has expired; connect anew with its successor.",
            headers=_CHALLENGE,
        )
    raise Refusal(
        "unknown_consumer",
        "The client certificate is no consumer's, and no key was sent.",
        headers=_CHALLENGE,
    )


def _read_key(inbound: Inbound) -> tuple[bytes | None, bytes, bytes] | None:
    """(Basic user name or None for Bearer, key, the token as sent); None if no field was sent."""
    value = inbound.single_fields.get(b"authorization")
    proxy = inbound.single_fields.get(b"proxy-authorization")
    if proxy is not None and (inbound.authority or value is None):
        value = proxy  # forward-proxy use: Authorization is then meant for Twilio, and replaced
    if value is None:
        return None
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


def _is_named(username: bytes | None, consumer: Consumer) -> bool:
    """Whether a Basic user name (None: there was none) is one of the consumer's."""
    if username is None:
        return True
    # No early exit: how long this takes does not depend on which name matches.
    found = False
    for name in consumer.usernames:
        found |= hmac.compare_digest(username, name.encode())
    return found
