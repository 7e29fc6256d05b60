"""JWTs, verified: each once, then remembered by digest until it expires, its keys change or a reload comes.

Decides nothing itself: `jwt_claims.py` says what a token must hold, `jwks.py` checks signatures.
"""

from collections import OrderedDict
from typing import NamedTuple

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.identity.authentication import Caller, Identities, UnverifiedCaller, admit
from gateway.identity.jwks import JwkSet
from gateway.identity.jwks_cache import IssuerJwks, JwksCache
from gateway.identity.jwt_claims import Issuer, judge_claims, read_head, refuse_token

_MOST_REMEMBERED = 10_000


class _Verified(NamedTuple):
    """What a token stands for, as long as issuer and ring are the ones in force."""

    issuer: Issuer[Consumer]
    ring: JwkSet
    consumer: Consumer
    expires: float


class TokenVerifier:
    """Called for every request with a JWT. Remembers digests and consumers, never a token."""

    def __init__(self, keys: JwksCache) -> None:
        self._keys = keys
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    async def admit(
        self, claimant: UnverifiedCaller, identities: Identities, inbound: Inbound, now: float
    ) -> Caller:
        """The caller who shows a token. `now` is in seconds since the epoch. Raises `Refusal` (401, 503)."""
        consumer = self._recall(claimant.digest, identities, now)
        if consumer is None:
            consumer = await self._verify(claimant, identities, now)
        shown = (claimant.token, claimant.sent)
        return admit(inbound, consumer, claimant.username, shown, claimant.certificate_consumer)

    def _recall(self, digest: str, identities: Identities, now: float) -> Consumer | None:
        known = self._verified.get(digest)
        if known is None:
            return None
        issuer, ring, consumer, expires = known
        keys = self._keys.issuers.get(issuer.name)
        in_force = identities.issuers.get(issuer.url) is issuer and keys is not None and keys.ring is ring
        if now >= expires or not in_force:
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return consumer

    async def _verify(self, claimant: UnverifiedCaller, identities: Identities, now: float) -> Consumer:
        head = read_head(claimant.token, identities.issuers)
        issuer = head.issuer
        keys = self._keys.issuers.get(issuer.name)
        if keys is not None and not _knows(keys, head.key_id):
            await keys.ask_anew()
        ring = None if keys is None else keys.ring
        if keys is None or ring is None or (keys.failure and not ring.knows(head.key_id)):
            raise Refusal(
                "issuer_unavailable",
                f"The keys of issuer {issuer.name} could not be fetched; nothing can be said of the token.",
                headers=(("Retry-After", "5"),),
            )
        payload = ring.verify(claimant.token, head.algorithm, head.key_id)
        if payload is None:
            refuse_token(f"The token is not signed by a key of issuer {issuer.name}.")
        consumer, expires = judge_claims(issuer, payload, now)
        self._verified[claimant.digest] = _Verified(issuer, ring, consumer, expires)
        if len(self._verified) > _MOST_REMEMBERED:
            self._verified.popitem(last=False)
        return consumer


def _knows(keys: IssuerJwks, key_id: str | None) -> bool:
    return keys.ring is not None and keys.ring.knows(key_id)
