"""Verified tokens: remembered until they expire, their keys change, or a reload comes, and not too many."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal
from gateway.identity import jwt_verifier as tokens
from gateway.identity.authentication import Identities, UnverifiedCaller, digest_of
from gateway.identity.jwks import JwkSet, parse_jwks
from gateway.identity.jwks_cache import JwksCache, KeySource
from gateway.identity.jwt_claims import ClaimRule, ClaimTable, Issuer
from gateway.identity.jwt_verifier import TokenVerifier
from tests.support.judging import consumer, head
from tests.support.jwt import AUDIENCE, ISSUER, SUBJECT, claims, jwks, rsa_key, sign

NOW = 1_000_000.0
BILLING = consumer()


def identities(expected: Consumer = BILLING) -> Identities:
    """One issuer, one consumer; new objects each time, as a reload makes them."""
    rule = ClaimRule(((("sub",), SUBJECT),), expected)
    issuer = Issuer("cluster", ISSUER, AUDIENCE, frozenset({"RS256"}), 10.0, ClaimTable([rule]))
    return Identities({}, {}, {ISSUER: issuer})


@pytest.fixture
async def box() -> AsyncIterator[JwksCache]:
    """The issuer's keys, from a file."""
    box = JwksCache(lambda name, failure: None, lambda: 0.0, lambda low, high: 0.0)
    await configure(box)
    yield box
    await box.close()


async def configure(box: JwksCache, *kids: str) -> None:
    """Give the issuer other keys."""
    keys = jwks(*(rsa_key(kid) for kid in kids or ("rsa-1",)))
    await box.configure({"cluster": KeySource(None, 1.0, parse_jwks(keys))})


def unverified(**changes: Any) -> UnverifiedCaller:
    """A caller with a token."""
    token = sign(claims(**{"exp": NOW + 100, **changes})).encode()
    return UnverifiedCaller(None, token, token, digest_of(token), None)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Tokens whose signature was checked."""
    checked: list[bytes] = []
    verify = JwkSet.verify

    def count(keys: JwkSet, token: bytes, algorithm: str, key_id: str | None) -> bytes | None:
        checked.append(token)
        return verify(keys, token, algorithm, key_id)

    monkeypatch.setattr(JwkSet, "verify", count)
    return checked


async def test_a_signature_is_checked_once(box: JwksCache, verified: list[bytes]) -> None:
    verifier, known, shown = TokenVerifier(box), identities(), unverified()
    for _ in range(3):
        caller = await verifier.admit(shown, known, head("GET", "/v1/a"), NOW)
        assert caller.consumer is BILLING
    assert len(verified) == 1
    assert shown.token not in repr(vars(verifier)).encode()


async def test_it_ends_with_the_token(box: JwksCache, verified: list[bytes]) -> None:
    verifier, known, shown = TokenVerifier(box), identities(), unverified()
    await verifier.admit(shown, known, head("GET", "/v1/a"), NOW + 109)
    with pytest.raises(Refusal, match="expired_token"):
        await verifier.admit(shown, known, head("GET", "/v1/a"), NOW + 110)


async def test_a_reload_has_the_last_word(box: JwksCache, verified: list[bytes]) -> None:
    verifier, shown = TokenVerifier(box), unverified()
    await verifier.admit(shown, identities(), head("GET", "/v1/a"), NOW)
    other = consumer()
    caller = await verifier.admit(shown, identities(other), head("GET", "/v1/a"), NOW)
    assert caller.consumer is other
    with pytest.raises(Refusal, match="invalid_token"):
        await verifier.admit(shown, Identities({}), head("GET", "/v1/a"), NOW)
    assert len(verified) == 2


async def test_other_keys_have_the_last_word(box: JwksCache, verified: list[bytes]) -> None:
    verifier, known, shown = TokenVerifier(box), identities(), unverified()
    await verifier.admit(shown, known, head("GET", "/v1/a"), NOW)
    await configure(box, "rsa-1", "rsa-2")
    await verifier.admit(shown, known, head("GET", "/v1/a"), NOW)
    assert len(verified) == 2
    await configure(box, "rsa-2")
    with pytest.raises(Refusal, match="invalid_token"):
        await verifier.admit(shown, known, head("GET", "/v1/a"), NOW)
    await box.configure({})
    with pytest.raises(Refusal, match="issuer_unavailable"):
        await verifier.admit(shown, known, head("GET", "/v1/a"), NOW)


async def test_only_the_latest_are_remembered(
    box: JwksCache, verified: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MAX_REMEMBERED", 2)
    verifier, known = TokenVerifier(box), identities()
    first, second, third = (unverified(jti=str(number)) for number in range(3))
    for shown in (first, second, first, third, first):
        await verifier.admit(shown, known, head("GET", "/v1/a"), NOW)
    assert verified == [first.token, second.token, third.token]
    await verifier.admit(second, known, head("GET", "/v1/a"), NOW)
    assert verified[3:] == [second.token]


async def test_a_refused_token_is_not_remembered(box: JwksCache, verified: list[bytes]) -> None:
    verifier, known, shown = TokenVerifier(box), identities(), unverified(sub="nobody")
    for _ in range(2):
        with pytest.raises(Refusal, match="unknown_consumer"):
            await verifier.admit(shown, known, head("GET", "/v1/a"), NOW)
    assert len(verified) == 2
