"""Verifies JWTs: each once, then cached by digest until it expires, its keys change or a reload comes.

Decides nothing itself: `jwt_claims.py` has the rules for claims, `jwks.py` verifies signatures.
"""

from collections import OrderedDict
from typing import NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.identity.authentication import Caller, Identities, UnverifiedCaller, admit, require_one_consumer
from gateway.identity.jwks import JwkSet
from gateway.identity.jwks_cache import IssuerJwks, JwksCache, Lookup
from gateway.identity.jwt_claims import Issuer, TokenHead, check_claims, read_head, refuse_token

_MAX_REMEMBERED = 10_000


class _Verified(NamedTuple):
    """The consumer of a token, valid while issuer and keys are the current ones."""

    issuer: Issuer
    jwks: JwkSet
    consumer: Consumer
    expires: float


class TokenVerifier:
    """Called for every request with a JWT. Stores digests and consumers, never a token."""

    def __init__(self, keys: JwksCache) -> None:
        self._keys = keys
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    async def admit(
        self, unverified: UnverifiedCaller, identities: Identities, inbound: Inbound, now: float
    ) -> Caller:
        """Identify the caller by its token. `now`: seconds since the epoch. Raises `Refusal` (401, 503)."""
        decided = unverified.decided
        try:
            consumer = self._recall(unverified.digest, identities, now)
            if consumer is None:
                consumer = await self._verify(unverified, identities, now)
        except Refusal:
            if decided is not None:  # no consumer's token: meant for Twilio
                return decided
            raise
        if decided is not None:
            require_one_consumer(decided.consumer, consumer)
            return decided
        require_one_consumer(consumer, unverified.inner_consumer)
        shown = (unverified.token, unverified.sent)
        return admit(inbound, consumer, unverified.username, shown, unverified.certificate_consumer)

    def _recall(self, digest: str, identities: Identities, now: float) -> Consumer | None:
        known = self._verified.get(digest)
        if known is None:
            return None
        issuer, jwks, consumer, expires = known
        keys = self._keys.issuers.get(issuer.name)
        is_current = identities.issuers.get(issuer.url) is issuer and keys is not None and keys.jwks is jwks
        if now >= expires or not is_current:
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return consumer

    async def _verify(self, unverified: UnverifiedCaller, identities: Identities, now: float) -> Consumer:
        head = read_head(unverified.token, identities.issuers)
        issuer = head.issuer
        keys = self._keys.issuers.get(issuer.name)
        if keys is None:
            raise _unavailable(issuer, 5)
        found = await keys.find(head.key_id)
        jwks = keys.jwks
        if found is Lookup.UNDECIDED or jwks is None:
            raise _unavailable(issuer, keys.retry_after_seconds)
        payload = jwks.verify(unverified.token, head.algorithm, head.key_id)
        if payload is None and found is Lookup.FOUND:
            jwks = await self._find_other(keys, jwks, head)
            payload = jwks.verify(unverified.token, head.algorithm, head.key_id)
        if payload is None:
            refuse_token(f"The token is not signed by a key of issuer {issuer.name}.")
        consumer, expires = check_claims(issuer, payload, now)
        self._verified[unverified.digest] = _Verified(issuer, jwks, consumer, expires)
        if len(self._verified) > _MAX_REMEMBERED:
            self._verified.popitem(last=False)
        return consumer

    async def _find_other(self, keys: IssuerJwks, tried: JwkSet, head: TokenHead) -> JwkSet:
        """The issuer may have replaced its keys: those that it has now, or `tried` if they are the same.

        A token without a key id may be signed with any of them: while that is unknown, it is not refused for
        good. One that names a key is, because an issuer gives a new key a new id (RFC 7517 4.5).
        """
        found = await keys.find_other(tried)
        if found is Lookup.UNDECIDED and head.key_id is None:
            raise _unavailable(head.issuer, keys.retry_after_seconds)
        return tried if keys.jwks is None else keys.jwks


def _unavailable(issuer: Issuer, retry_after_seconds: int) -> Refusal:
    return Refusal(
        "issuer_unavailable",
        f"The current keys of issuer {issuer.name} could not be fetched, so the token cannot be verified.",
        headers=(("Retry-After", str(retry_after_seconds)),),
    )
