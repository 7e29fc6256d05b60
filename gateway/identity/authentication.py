"""Who calls (`docs/design.md` 4.2): the consumer behind an Authorization or Proxy-Authorization field, or
behind the client certificate of the connection.

Keys are stored only as the SHA-256 of their bytes. The index is a dict over digests: the timing of a look-up
depends on the digest of a guess, never on a key. User names are then compared in constant time.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.http.tunnel import Tunnel
from gateway.identity.client_certificates import PeerCertificate, find_certificate_consumer
from gateway.identity.credential_fields import CHALLENGE, read_key, split_credentials
from gateway.identity.credential_hints import hint_at_key, hint_at_other_fields, hint_at_user_name
from gateway.identity.jwt_claims import Issuer, is_token

# A shorter "key" (a legacy one, typed by hand) could occur by chance in other fields.
_MIN_SECRET_BYTES: Final = 8
SHOWN_DIGITS: Final = 8  # of a digest: they tell keys apart, and no key can be derived from them
_CREDENTIAL_FIELDS: Final = (b"authorization", b"proxy-authorization")


class KeyEntry(NamedTuple):
    """The consumer of a key. `expires` is in seconds since the epoch, or None."""

    consumer: Consumer
    expires: float | None


@dataclass(frozen=True, slots=True)
class Identities:
    """How consumers are identified: keys by hex digest, certificates by a name, issuers by their `iss`."""

    keys: Mapping[str, KeyEntry] = field(repr=False)
    certificates: Mapping[str, Consumer] = field(default_factory=dict)
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    via: bytes = b""
    """What this deployment's own requests carry in Via: if one of them comes back, there is a loop."""


class Caller(NamedTuple):
    """A consumer and the secrets it presented (key, JWT, Basic token), which must not appear in other fields.

    `expires`: when the key does, in seconds since the epoch. `key` is the beginning of its digest, '' for a
    certificate or a JWT. `repr` shows no secret.
    """

    consumer: Consumer
    secrets: tuple[bytes, ...]
    expires: float = float("inf")
    key: str = ""

    def __repr__(self) -> str:
        return f"Caller({self.consumer.name!r})"


def digest_of(key: bytes) -> str:
    """The hex SHA-256 of a key, as in the configuration after 'sha256:'."""
    return hashlib.sha256(key).hexdigest()


class UnverifiedCaller(NamedTuple):
    """A caller that presented a JWT. It is identified once the token is verified; then `admit` is called.

    `digest` is the token's hex SHA-256, `sent` the token as sent, `certificate_consumer` the consumer of the
    connection's client certificate. `inner_consumer` is the one whose key came inside the tunnel that the
    token opened. `decided`: the caller is known already, by CONNECT, and the token came inside its tunnel.
    """

    username: bytes | None
    token: bytes
    sent: bytes
    digest: str
    certificate_consumer: Consumer | None
    inner_consumer: Consumer | None = None
    decided: Caller | None = None

    def __repr__(self) -> str:
        return "UnverifiedCaller()"


def authenticate(
    identities: Identities,
    inbound: Inbound,
    now: float,
    certificate: PeerCertificate | None = None,
    tunnel: Tunnel | None = None,
) -> Caller | UnverifiedCaller:
    """Find the caller. `now` is in seconds since the epoch; `certificate` is the connection's, `tunnel` the
    tunnel that the request came in. A key that CONNECT carried decides; the request's may not contradict it.

    Raises `Refusal` (401) with a challenge, and 508 for a request of this deployment's own.
    """
    passed = inbound.single_fields.get(b"via")
    if passed is not None and identities.via and identities.via in passed:
        raise Refusal(
            "loop_detected",
            "The gateway's own request came back to it: Twilio's names lead to the gateway where it runs. "
            "Set `upstream.nameservers` to resolvers that know Twilio's own addresses.",
            closes=True,
        )
    certificate_consumer = None
    if certificate is not None:
        certificate_consumer = find_certificate_consumer(identities.certificates, certificate, now)
    if tunnel is not None and tunnel.proxy_authorization is not None:
        return _authenticate_tunnel(
            identities, inbound, now, certificate_consumer, tunnel.proxy_authorization
        )
    shown = read_key(inbound)
    if shown is None:
        return _require_certificate_consumer(inbound, certificate_consumer, certificate, now)
    return _authenticate_key(identities, inbound, now, certificate_consumer, shown)


def identified_until(
    identities: Identities, tunnel: Tunnel, certificate: PeerCertificate | None, now: float
) -> float:
    """Until when it is known who opens a tunnel, in seconds since the epoch; 0 if it is not known now.

    A JWT is not verified for that: it counts as unknown.
    """
    if certificate is not None and find_certificate_consumer(identities.certificates, certificate, now):
        return certificate.expires
    if tunnel.proxy_authorization is None:
        return 0.0
    try:
        username, key, _ = split_credentials(tunnel.proxy_authorization)
    except Refusal:
        return 0.0
    entry = identities.keys.get(digest_of(key))
    if entry is None or not _is_named(username, entry.consumer):
        return 0.0
    expires = float("inf") if entry.expires is None else entry.expires
    return expires if now < expires else 0.0


def _authenticate_tunnel(
    identities: Identities,
    inbound: Inbound,
    now: float,
    certificate_consumer: Consumer | None,
    proxy_authorization: bytes,
) -> Caller | UnverifiedCaller:
    """By the key of CONNECT. What came inside is meant for Twilio, unless it is another consumer's."""
    shown = split_credentials(proxy_authorization)
    found = _authenticate_key(identities, inbound, now, certificate_consumer, shown)
    inner = [_find_inner(identities, inbound.single_fields.get(name)) for name in _CREDENTIAL_FIELDS]
    consumers = [each for each in inner if isinstance(each, Consumer)]
    if isinstance(found, UnverifiedCaller):
        return found._replace(inner_consumer=consumers[0] if consumers else None)
    for consumer in consumers:
        require_one_consumer(found.consumer, consumer)
    for token in inner:
        if isinstance(token, bytes):
            return UnverifiedCaller(None, token, token, digest_of(token), certificate_consumer, decided=found)
    return found


def _find_inner(identities: Identities, value: bytes | None) -> Consumer | bytes | None:
    """The consumer of a key, a JWT that may be one's, or None for what is Twilio's, or no consumer's."""
    if value is None:
        return None
    try:
        _, key, _ = split_credentials(value)
    except Refusal:
        return None
    entry = identities.keys.get(digest_of(key))
    if entry is not None:
        return entry.consumer
    return key if identities.issuers and is_token(key) else None


def require_one_consumer(consumer: Consumer, inner: Consumer | None) -> None:
    """Raises `Refusal("two_identities")` if another consumer's key came inside a tunnel."""
    if inner is not None and inner is not consumer:
        raise Refusal(
            "two_identities",
            "The tunnel was opened with the key of one consumer, and the request inside carries that of "
            "another: send one of the two.",
            headers=CHALLENGE,
        )


def _authenticate_key(
    identities: Identities,
    inbound: Inbound,
    now: float,
    certificate_consumer: Consumer | None,
    shown: tuple[bytes | None, bytes, bytes],
) -> Caller | UnverifiedCaller:
    username, key, sent = shown
    digest = digest_of(key)
    entry = identities.keys.get(digest)
    if entry is None:
        if identities.issuers and is_token(key):
            return UnverifiedCaller(username, key, sent, digest, certificate_consumer)
        raise Refusal("unknown_consumer", _explain_unknown(identities, username, key), headers=CHALLENGE)
    consumer = entry.consumer
    if entry.expires is not None and now >= entry.expires and _is_named(username, consumer):
        raise Refusal(
            "expired_key",
            f"This key of consumer {consumer.name} has expired; ask the gateway's operators for a new one.",
            headers=CHALLENGE,
        )
    caller = admit(inbound, consumer, username, (key, sent), certificate_consumer)
    expires = caller.expires if entry.expires is None else entry.expires
    return Caller(caller.consumer, caller.secrets, expires, digest[:SHOWN_DIGITS])


def admit(
    inbound: Inbound,
    consumer: Consumer,
    username: bytes | None,
    shown: tuple[bytes, bytes],
    certificate_consumer: Consumer | None,
) -> Caller:
    """Accept a consumer identified by a secret, if everything else the request says about the caller agrees.

    `shown` is the secret, alone and as it was sent. Raises `Refusal` (401, or 400 if the URL contains it).
    """
    if not _is_named(username, consumer):
        raise Refusal("unknown_consumer", hint_at_user_name(username), headers=CHALLENGE)
    if certificate_consumer is not None and certificate_consumer is not consumer:
        raise Refusal(
            "unknown_consumer",
            "The key and the client certificate belong to different consumers.",
            headers=CHALLENGE,
        )
    secrets: tuple[bytes, ...] = shown
    if len(shown[0]) < _MIN_SECRET_BYTES:
        secrets = tuple(secret for secret in shown if len(secret) >= _MIN_SECRET_BYTES)
    url = f"{inbound.path}?{inbound.query}".encode("ascii")
    if b"%" in url:
        url += unquote_to_bytes(url)
    for secret in secrets:
        if secret in url:
            raise Refusal("bad_target", "The consumer key must not be in the URL; URLs end up in logs.")
    return Caller(consumer, secrets)


def _require_certificate_consumer(
    inbound: Inbound, consumer: Consumer | None, certificate: PeerCertificate | None, now: float
) -> Caller:
    """A caller without a key must be identified by its certificate."""
    if consumer is not None:
        return Caller(consumer, ())
    if certificate is None:
        raise Refusal(
            "missing_key",
            "Send your consumer key: HTTP Basic with the consumer's name, or Authorization: Bearer."
            + hint_at_other_fields(inbound.fields),
            headers=CHALLENGE,
        )
    if now >= certificate.expires:
        raise Refusal(
            "expired_certificate",
            "The client certificate has expired; reconnect with its successor.",
            headers=CHALLENGE,
        )
    raise Refusal(
        "unknown_consumer",
        "The client certificate does not belong to a consumer, and no key was sent.",
        headers=CHALLENGE,
    )


def _explain_unknown(identities: Identities, username: bytes | None, key: bytes) -> str:
    """Say more of the common mistakes; none of it is quoted."""
    if username is not None and digest_of(username) in identities.keys:
        return "The key stands where the user name belongs: the consumer's name comes first, then its key."
    return hint_at_key(username, key)


def _is_named(username: bytes | None, consumer: Consumer) -> bool:
    """Whether a Basic user name (None if there was none) belongs to the consumer."""
    if username is None:
        return True
    # No early exit: the duration does not depend on which name matches.
    found = False
    for name in consumer.usernames:
        found |= hmac.compare_digest(username, name.encode())
    return found
