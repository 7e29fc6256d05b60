"""What a JWT says: its form, whose it is, its times, its audience, and whom its claims stand for."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Refusal
from gateway.identity.jwt_claims import (
    ClaimRule,
    ClaimTable,
    Issuer,
    check_claims,
    is_token,
    parse_claim_path,
    read_head,
)
from tests.support.judging import consumer

NOW = 1_000_000.0
ISS = "https://issuer.test"
BILLING, MAIL, RED = (replace(consumer(), name=name) for name in ("billing", "mail", "red"))
RULES = (
    ClaimRule(((("sub",), "billing"),), BILLING),
    ClaimRule(((("sub",), "other-name-of-billing"),), BILLING),
    ClaimRule(((("kubernetes.io", "namespace"), "shop"), (("kubernetes.io", "pod", "name"), "mail-1")), MAIL),
    ClaimRule(((("https://x/team",), "red"),), RED),
)
ISSUER = Issuer("cluster", ISS, "gateway", frozenset({"RS256", "ES256"}), 10.0, ClaimTable(RULES))
ISSUERS = {ISS: ISSUER}


def part(value: Any) -> str:
    """base64url of JSON, or of bytes."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def head(header: Any = None, payload: Any = None, signature: str = "c2ln") -> str:
    """The slug of what becomes of a token, or (algorithm, key id)."""
    given = {"alg": "RS256", "kid": "1"} if header is None else header
    token = f"{part(given)}.{part({'iss': ISS} if payload is None else payload)}.{signature}"
    found = read_head(token.encode(), ISSUERS)
    assert found.issuer is ISSUER
    return f"{found.algorithm} {found.key_id}"


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("a.b.c", True), ("a-_Z9.b.c", True), ("a.b.", True),
        ("", False), ("a.b", False), ("..", False), ("a..c", False), (".b.c", False), ("a.b.c.d", False),
        ("a.b.c=", False), ("a.b c.d", False), ("a.b.c\n", False), ("gw_key-without-dots", False),
    ],
)  # fmt: skip
def test_the_form_of_a_token(text: str, passes: bool) -> None:
    assert is_token(text.encode()) is passes


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ({"alg": "RS256", "kid": "1"}, "RS256 1"),
        ({"alg": "ES256"}, "ES256 None"),
        ({"alg": "RS256", "kid": "1", "typ": "JWT", "x5t": "abc"}, "RS256 1"),
    ],
)
def test_heads(header: dict[str, Any], found: str) -> None:
    assert head(header) == found


@pytest.mark.parametrize(
    ("header", "payload", "signature"),
    [
        ({"alg": "none"}, None, ""), ({"alg": "None"}, None, "c2ln"), ({"alg": "RS256"}, None, ""),
        ({"alg": "HS256"}, None, "c2ln"), ({"alg": "RS512"}, None, "c2ln"), ({"alg": "rs256"}, None, "c2ln"),
        ({"alg": ["RS256"]}, None, "c2ln"), ({}, None, "c2ln"), ({"alg": "RS256", "kid": 1}, None, "c2ln"),
        ({"alg": "RS256", "crit": ["b64"], "b64": False}, None, "c2ln"),
        ({"alg": "RS256", "jwk": {"kty": "RSA"}}, None, "c2ln"),
        ([], None, "c2ln"), (b"{", None, "c2ln"), (b"[" * 6000, None, "c2ln"), (b"\xff\xfe", None, "c2ln"),
        (None, {"iss": "https://evil.test"}, "c2ln"), (None, {"iss": [ISS]}, "c2ln"), (None, {}, "c2ln"),
        (None, b'{"iss"', "c2ln"), (None, b'"' + ISS.encode() + b'"', "c2ln"),
        (None, {"iss": ISS, "pad": "x" * 16_384}, "c2ln"),
    ],
)  # fmt: skip
def test_heads_that_are_refused(header: Any, payload: Any, signature: str) -> None:
    with pytest.raises(Refusal) as refusal:
        head(header, payload, signature)
    assert (refusal.value.slug, refusal.value.status) == ("invalid_token", 401)
    [(name, value)] = refusal.value.headers
    assert (name, value[:28]) == ("WWW-Authenticate", 'Bearer error="invalid_token"')


def test_a_part_of_a_length_that_base64_does_not_have() -> None:
    with pytest.raises(Refusal, match="not base64url"):
        read_head(b"a.b.c", ISSUERS)


def judge(now: float = NOW, /, **changes: Any) -> str:
    """Whom claims stand for, or the slug of the refusal."""
    good: dict[str, Any] = {"iss": ISS, "aud": "gateway", "sub": "billing", "exp": NOW + 100}
    given = {name: value for name, value in (good | changes).items() if value is not ...}
    try:
        found, expires = check_claims(ISSUER, json.dumps(given).encode(), now)
    except Refusal as refusal:
        challenged = refusal.headers[0][1].startswith('Bearer error="invalid_token"')
        return refusal.slug if challenged and refusal.status == 401 else "not challenged"
    return found.name if expires == given["exp"] + 10 else "ends at another time"


@pytest.mark.parametrize(
    ("now", "changes", "expected"),
    [
        (NOW, {}, "billing"),
        (NOW + 109.9, {}, "billing"), (NOW + 110, {}, "expired_token"),
        (NOW, {"exp": NOW - 9.5}, "billing"), (NOW, {"exp": 1}, "expired_token"),
        (NOW, {"exp": ...}, "invalid_token"), (NOW, {"exp": None}, "invalid_token"),
        (NOW, {"exp": "2000000"}, "invalid_token"), (NOW, {"exp": True}, "invalid_token"),
        (NOW, {"nbf": NOW + 10}, "billing"), (NOW, {"nbf": NOW + 10.1}, "invalid_token"),
        (NOW, {"nbf": "x"}, "invalid_token"), (NOW, {"nbf": None}, "billing"),
        (NOW, {"aud": ["a", "gateway"]}, "billing"), (NOW, {"aud": []}, "invalid_token"),
        (NOW, {"aud": ...}, "invalid_token"), (NOW, {"aud": "gateway2"}, "invalid_token"),
        (NOW, {"aud": {"gateway": 1}}, "invalid_token"), (NOW, {"aud": [["gateway"]]}, "invalid_token"),
        (NOW, {"iss": ISS + "/"}, "invalid_token"), (NOW, {"iss": ...}, "invalid_token"),
    ],
)  # fmt: skip
def test_times_audience_and_issuer(now: float, changes: dict[str, Any], expected: str) -> None:
    assert judge(now, **changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sub": "other-name-of-billing"}, "billing"),
        ({"sub": "Billing"}, "unknown_consumer"), ({"sub": "billing "}, "unknown_consumer"),
        ({"sub": ["billing"]}, "unknown_consumer"), ({"sub": ...}, "unknown_consumer"),
        ({"sub": "x", "kubernetes.io": {"namespace": "shop", "pod": {"name": "mail-1"}}}, "mail"),
        ({"sub": "x", "kubernetes.io": {"namespace": "shop", "pod": {"name": "mail-2"}}}, "unknown_consumer"),
        ({"sub": "x", "kubernetes.io": {"namespace": "shop", "pod": "mail-1"}}, "unknown_consumer"),
        ({"sub": "x", "kubernetes.io/namespace": "shop"}, "unknown_consumer"),
        ({"sub": "x", "https://x/team": "red"}, "red"),
        ({"sub": "billing", "https://x/team": "red"}, "unknown_consumer"),
    ],
    ids=str,
)  # fmt: skip
def test_whom_claims_stand_for(changes: dict[str, Any], expected: str) -> None:
    assert judge(**changes) == expected


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 10_000])
def test_a_payload_that_is_no_object(payload: bytes) -> None:
    with pytest.raises(Refusal, match="not a JSON object"):
        check_claims(ISSUER, payload, NOW)


@pytest.mark.parametrize("number", ["1e400", "1" + "0" * 400, "-1e400", "NaN"])
def test_numbers_that_are_none(number: str) -> None:
    """Neither a crash nor a token that never ends."""
    payload = f'{{"iss": "{ISS}", "aud": "gateway", "sub": "billing", "exp": {number}}}'
    with pytest.raises(Refusal):
        check_claims(ISSUER, payload.encode(), NOW)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sub", ("sub",)), ("https://x/team", ("https://x/team",)), ("a.b", ("a.b",)),
        ("/kubernetes.io/namespace", ("kubernetes.io", "namespace")), ("/a~1b/c~0d~01", ("a/b", "c~d~1")),
    ],
)  # fmt: skip
def test_paths_of_claims(text: str, path: tuple[str, ...]) -> None:
    assert parse_claim_path(text) == path


def test_c13_a_token_is_looked_up_among_many_rules() -> None:
    """One look-up for each set of names, whatever the number of rules: no claim is read twice."""

    class Counting(dict[str, Any]):
        reads = 0

        def get(self, name: str, default: Any = None) -> Any:
            self.reads += 1
            return super().get(name, default)

    rules = [ClaimRule(((("sub",), str(number)),), BILLING) for number in range(2_000)]
    rules += [ClaimRule(((("sub",), "5"), (("team",), "x")), BILLING), ClaimRule(((("team",), "red"),), RED)]
    table = ClaimTable(rules)
    claims = Counting(sub="5", team="x")
    assert table.find(claims) == [BILLING]
    assert claims.reads == 4
    assert table.find({"sub": "5", "team": "red"}) == [BILLING, RED]
    assert table.find({"sub": ["5"], "team": {"x": 1}}) == []
