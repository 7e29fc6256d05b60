"""The content of a JWT (RFC 7519) and its consumer: everything but signatures and keys. Pure.

`read_head` reads unverified bytes, to find out whose keys are needed. `check_claims` gets claims whose
signature has been verified, and the time. No message repeats the content of a token.
"""

import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import orjson

from gateway.consumers.consumer import Consumer
from gateway.errors import Refusal

_MAX_BYTES = 16_384
_STANDARD = bytes.maketrans(b"-_", b"+/")
_FORM = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class ClaimRule(NamedTuple):
    """The consumer of tokens that have all `claims`: (path of names, text)."""

    claims: tuple[tuple[tuple[str, ...], str], ...]
    consumer: Consumer


class ClaimTable:
    """The rules of an issuer. A token's consumer is found by one look-up for each set of claims that rules
    name: thousands of rules compared one by one would hold up all other callers."""

    def __init__(self, rules: Iterable[ClaimRule]) -> None:
        self._consumers: dict[tuple[tuple[str, ...], ...], dict[tuple[str, ...], list[Consumer]]] = {}
        for claims, consumer in rules:
            ordered = sorted(claims)
            by_texts = self._consumers.setdefault(tuple(path for path, _ in ordered), {})
            same = by_texts.setdefault(tuple(text for _, text in ordered), [])
            if consumer not in same:
                same.append(consumer)

    def find(self, claims: Mapping[str, Any]) -> list[Consumer]:
        """Those that a token with these claims stands for, each once."""
        found: list[Consumer] = []
        for paths, by_texts in self._consumers.items():
            texts = tuple(text for path in paths if isinstance(text := _claim(claims, path), str))
            if len(texts) == len(paths):
                found += [consumer for consumer in by_texts.get(texts, ()) if consumer not in found]
        return found


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer, compiled. `url` is its `iss`; `name` is its name in the configuration."""

    name: str
    url: str
    audience: str
    algorithms: frozenset[str]
    leeway_seconds: float
    rules: ClaimTable


class TokenHead(NamedTuple):
    """Whose keys must verify a token, and how. Nothing of it is verified yet."""

    issuer: Issuer
    algorithm: str
    key_id: str | None


def is_token(secret: bytes) -> bool:
    """Whether a secret has the form of a JWT: three parts of base64url (RFC 7515 7.1)."""
    return secret.count(b".") == 2 and _FORM.fullmatch(secret) is not None


def parse_claim_path(text: str) -> tuple[str, ...]:
    """The names in 'sub' (one claim) or '/kubernetes.io/namespace' (nested; a JSON Pointer, RFC 6901)."""
    if not text.startswith("/"):
        return (text,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def read_head(token: bytes, issuers: Mapping[str, Issuer]) -> TokenHead:
    """Read issuer, algorithm and key id. `issuers` are by their `iss`. Raises `Refusal` (invalid_token)."""
    if len(token) > _MAX_BYTES:
        refuse_token(f"The token is longer than {_MAX_BYTES} bytes.")
    head, payload, signature = token.split(b".")
    fields = _load_object(_decode(head))
    algorithm, key_id = fields.get("alg"), fields.get("kid")
    nested = any(isinstance(value, dict | list) for value in fields.values())  # crit, jwk, x5c
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None) or nested:
        refuse_token("The token's header is not supported.")
    url = _load_object(_decode(payload)).get("iss")
    issuer = issuers.get(url) if isinstance(url, str) else None
    if issuer is None:
        refuse_token("The token's issuer (iss) is not trusted here.")
    if algorithm not in issuer.algorithms or not signature:
        refuse_token(f"The token is not signed with an algorithm that is accepted from issuer {issuer.name}.")
    return TokenHead(issuer, algorithm, key_id)


def check_claims(issuer: Issuer, payload: bytes, now: float) -> tuple[Consumer, float]:
    """The consumer of a verified token, and when it expires (both times in seconds since the epoch).

    Raises `Refusal`: `expired_token`, `invalid_token`, `unknown_consumer`.
    """
    claims = _load_object(payload)
    expires = _time(claims, "exp")
    if expires is None:
        refuse_token("The token has no expiry (exp).")
    expires += issuer.leeway_seconds
    if now >= expires:
        raise Refusal(
            "expired_token", "The token has expired; send a fresh one.", headers=challenge("expired")
        )
    begins = _time(claims, "nbf")
    if begins is not None and now < begins - issuer.leeway_seconds:
        refuse_token("The token is not valid yet (nbf); are the clocks right?")
    if claims.get("iss") != issuer.url:
        refuse_token("The token's issuer (iss) is not trusted here.")
    audience = claims.get("aud")
    if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
        refuse_token("The token is meant for another audience (aud).")
    return _find_consumer(issuer, claims), expires


def find_claimed_consumer(token: bytes, issuers: Mapping[str, Issuer], now: float) -> Consumer:
    """The consumer of a token whose signature was verified before, by the rules that are in force now.

    Raises `Refusal` as `read_head` and `check_claims` do.
    """
    issuer = read_head(token, issuers).issuer
    return check_claims(issuer, _decode(token.split(b".")[1]), now)[0]


def _find_consumer(issuer: Issuer, claims: Mapping[str, Any]) -> Consumer:
    found = issuer.rules.find(claims)
    if not found:
        refuse_token("The token's claims do not name a consumer.", slug="unknown_consumer")
    if len(found) > 1:
        refuse_token("The token's claims name several consumers.", slug="unknown_consumer")
    return found[0]


def _claim(claims: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: object = claims
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 2)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse_token(f"The token's {name} is not a number.")
    return float(value)


def _decode(part: bytes) -> bytes:
    try:
        return binascii.a2b_base64(part.translate(_STANDARD) + b"=" * (-len(part) % 4))
    except binascii.Error:
        refuse_token("The token is not base64url.")


def _load_object(text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else refuse_token("A part of the token is not a JSON object.")


def refuse_token(detail: str, *, slug: str = "invalid_token") -> NoReturn:
    """Raise the refusal (401) with the challenge of RFC 6750 3."""
    raise Refusal(slug, detail, headers=challenge("not accepted"))


def challenge(description: str) -> tuple[tuple[str, str], ...]:
    """The challenge field of the answer; `description` is plain ASCII."""
    value = f'Bearer error="invalid_token", error_description="{description}", realm="twilio-gateway"'
    return (("WWW-Authenticate", value),)
