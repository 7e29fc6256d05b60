"""Signatures and keys: what is accepted, and the classics that must not be."""

import json
from typing import Any

import pytest

from gateway.identity.jwks import JwkSet, parse_jwks
from tests.support.jwt import claims, ec_key, jwks, rsa_key, sign, signed_with_a_public_key, unsigned

RING = parse_jwks(jwks(rsa_key(), ec_key(), ec_key("ec-384", "P-384")))
PAYLOAD = {"sub": "x"}


def verify(token: str, alg: str = "RS256", kid: str | None = "rsa-1", keys: JwkSet = RING) -> bytes | None:
    """As the verifier calls it."""
    return keys.verify(token.encode(), alg, kid)


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("RS256", rsa_key()), ("RS512", rsa_key()), ("PS256", rsa_key()),
        ("ES256", ec_key()), ("ES384", ec_key("ec-384", "P-384")),
    ],
)  # fmt: skip
def test_a_right_signature(alg: str, key: Any) -> None:
    assert verify(sign(PAYLOAD, key, alg), alg, key.kid) == b'{"sub": "x"}'


def test_headers_that_say_nothing_to_us_are_no_harm() -> None:
    token = sign(PAYLOAD, typ="at+jwt", x5t="abc", jku="https://evil.test/jwks", note="n" * 1000)
    assert verify(token) is not None


def _tampered() -> str:
    head, payload, signature = sign(PAYLOAD).split(".")
    return f"{head}.{payload[:-1]}{'A' if payload[-1] != 'A' else 'B'}.{signature}"


@pytest.mark.parametrize(
    ("token", "alg", "kid"),
    [
        (_tampered(), "RS256", "rsa-1"),
        (sign(PAYLOAD, rsa_key("other"), kid="rsa-1"), "RS256", "rsa-1"),
        (sign(PAYLOAD), "RS512", "rsa-1"),
        (sign(PAYLOAD, rsa_key(), "RS512"), "RS256", "rsa-1"),
        (sign(PAYLOAD), "RS256", "ec-1"),
        (sign(PAYLOAD), "ES256", "rsa-1"),
        (sign(PAYLOAD), "ES256", "ec-1"),
        (sign(PAYLOAD, ec_key("ec-1"), "ES256"), "ES256", "ec-384"),
        (unsigned(PAYLOAD, {"alg": "none"}), "RS256", "rsa-1"),
        (unsigned(PAYLOAD, {"alg": "RS256", "kid": "rsa-1"}, b"x" * 256), "RS256", "rsa-1"),
        (signed_with_a_public_key(PAYLOAD, rsa_key()), "RS256", "rsa-1"),
        (sign(PAYLOAD) + "A", "RS256", "rsa-1"),
        (sign(PAYLOAD, rsa_key("other")), "RS256", None),
        (sign(PAYLOAD), "RS256", "nobody"),
    ],
    ids=[
        "tampered", "another key", "alg not the header's", "header's alg not this", "an EC key for RS256",
        "an RSA key for ES256", "an RSA signature by EC", "another curve", "none", "made up",
        "HS256 with the public key", "not base64url", "no kid and another key", "unknown kid",
    ],
)  # fmt: skip
def test_a_wrong_signature(token: str, alg: str, kid: str | None) -> None:
    keys = parse_jwks(jwks(rsa_key(), rsa_key("rsa-2"), ec_key(), ec_key("ec-384", "P-384")))
    assert verify(token, alg, kid, keys) is None


def test_without_a_key_id_the_one_key_that_fits() -> None:
    assert verify(sign(PAYLOAD, kid=None), kid=None) is not None


@pytest.mark.parametrize("signed_by", ["rsa-1", "rsa-2"])
def test_b13_without_a_key_id_any_key_that_fits(signed_by: str) -> None:
    """An issuer that changes its key publishes both for a while."""
    both = parse_jwks(jwks(rsa_key(), rsa_key("rsa-2"), ec_key()))
    assert verify(sign(PAYLOAD, rsa_key(signed_by), kid=None), kid=None, keys=both) is not None


def test_which_ids_are_known() -> None:
    assert (RING.knows("rsa-1"), RING.knows("rsa-2"), RING.knows(None)) == (True, False, True)


def test_the_same_keys_are_the_same() -> None:
    assert parse_jwks(jwks(rsa_key())).holds_same(parse_jwks(jwks(rsa_key())))
    assert not parse_jwks(jwks(rsa_key())).holds_same(parse_jwks(jwks(rsa_key("rsa-2"))))
    assert not RING.holds_same(None)


def _public(**changes: Any) -> dict[str, Any]:
    return {**rsa_key().as_dict(private=False), **changes}


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ", "kid": "s"},
        _public(use="enc"), _public(n="AQAB"), _public(n=7), _public(e=None), _public(n="!" * 400),
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": "P-999"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": ["RSA"]}, {}, 7, None, "RSA",
    ],
    ids=str,
)  # fmt: skip
def test_keys_that_cannot_be_used_are_passed_over(entry: Any) -> None:
    document = json.dumps({"keys": [entry, _public(), entry]}).encode()
    assert len(parse_jwks(document)) == 1
    with pytest.raises(ValueError, match="or EC key for signatures"):
        parse_jwks(json.dumps({"keys": [entry]}).encode())


@pytest.mark.parametrize(
    ("key", "alg", "passes"),
    [
        (_public(alg="RS256"), "RS256", True), (_public(alg="RS512"), "RS256", False),
        (_public(key_ops=["verify"]), "RS256", True), (_public(key_ops=["encrypt"]), "RS256", False),
    ],
    ids=["its own alg", "another alg", "verify", "encrypt"],
)  # fmt: skip
def test_a_key_says_what_it_is_for(key: dict[str, Any], alg: str, passes: bool) -> None:
    keys = parse_jwks(json.dumps({"keys": [key]}).encode())
    assert (keys.verify(sign(claims()).encode(), alg, "rsa-1") is not None) is passes


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "not JSON"), (b"<html>", "not JSON"), (b"[]", "not a JWKS"), (b'{"keys": {}}', "not a JWKS"),
        (b'{"keys": []}', "no RSA"), (b'{"keys": [' + b"{}," * 100 + b"{}]}", "at most 100"),
        (b"[" * 100_000, "not JSON"),
    ],
    ids=["empty", "a page", "a list", "a mapping", "none", "too many", "deep"],
)  # fmt: skip
def test_documents_that_cannot_be_used(document: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_jwks(document)


def test_private_halves_are_not_kept() -> None:
    """An issuer that publishes its private key must not have it in our memory, too."""
    keys = parse_jwks(json.dumps({"keys": [rsa_key().as_dict(private=True)]}).encode())
    assert verify(sign(PAYLOAD), keys=keys) is not None
    assert not any(key.is_private for key in keys._keys)
    assert repr(keys) == "JwkSet(1 keys)"
