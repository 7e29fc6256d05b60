"""Twilio's signature of a webhook: what it covers, and which secrets may have made it. Pure.

The rules are those of https://www.twilio.com/docs/usage/security and of the SDKs' validators: an HMAC of the
URL, followed for a form by its parameters. All of it is done on bytes, since UTF-8 sorts as code points do.
"""

import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

SIGNATURE_FIELD: Final = b"x-twilio-signature"
SETTINGS_FIELD: Final = b"x-twilio-webhooks-signature-settings"
FORM_TYPE: Final = b"application/x-www-form-urlencoded"
BODY_HASH: Final = b"bodySHA256"
_MAX_PARAMETERS: Final = 3_000
"""Twilio sends fewer than a hundred; they are split on the event loop."""

Pairs = list[tuple[bytes, bytes]]
"""(name, value), decoded, in the order sent, repeats included."""


class Algorithm(IntEnum):
    """By strength: a request that names a weaker one than its secret is refused."""

    HMAC_SHA1 = 1
    HMAC_SHA256 = 2


_DIGESTS: Final = {Algorithm.HMAC_SHA1: "sha1", Algorithm.HMAC_SHA256: "sha256"}


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """What signs an account's webhooks. `origin` says where it was read (`env:TWILIO_AUTH_TOKEN`).

    `shared_key` is the SharedKey's id; '' for an Auth Token.
    """

    origin: str
    key: bytes = field(repr=False)
    algorithm: Algorithm = Algorithm.HMAC_SHA1
    shared_key: str = ""


class SignatureSettings(NamedTuple):
    """What X-Twilio-Webhooks-Signature-Settings says; without the field an Auth Token signs by SHA-1."""

    shared_key: str
    algorithm: Algorithm


AUTH_TOKEN_SETTINGS: Final = SignatureSettings("", Algorithm.HMAC_SHA1)


class Match(NamedTuple):
    """Which secret made a signature, over which URL and parameters."""

    secret: SigningSecret
    url: bytes
    tail: bytes


def sign(key: bytes, algorithm: Algorithm, url: bytes, tail: bytes = b"") -> bytes:
    """The signature, in Base64. `tail` are the parameters as `join_parameters` writes them."""
    return b2a_base64(hmac.digest(key, url + tail, _DIGESTS[algorithm]), newline=False)


def read_settings(value: bytes) -> SignatureSettings | None:
    """`key=webhooks_sharedkey_…,algorithm=HMAC_SHA256`; None if it names an algorithm that is not known."""
    found: dict[bytes, bytes] = {}
    for part in value.split(b","):
        name, equals, text = part.partition(b"=")
        if equals and text.strip():
            found.setdefault(name.strip(), text.strip())
    wanted = found.get(b"algorithm", b"HMAC_SHA1").decode("latin-1").upper()
    if wanted not in Algorithm.__members__:
        return None
    return SignatureSettings(found.get(b"key", b"").decode("latin-1"), Algorithm[wanted])


def read_pairs(text: bytes) -> Pairs | None:
    """The pairs of a form or query (WHATWG URL 5.1), empty values kept; None if there are too many."""
    parts = text.split(b"&", _MAX_PARAMETERS)
    if len(parts) > _MAX_PARAMETERS:
        return None
    pairs = []
    for part in parts:
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_decode(name), _decode(value)))
    return pairs


def _decode(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


def join_parameters(pairs: Pairs) -> tuple[bytes, ...]:
    """Names and values as they are signed: sorted, each distinct pair once, without delimiters.

    There are two ways where code points beyond U+FFFF are compared: as such, and as UTF-16 (Node, Java).
    """
    distinct = set(pairs)
    joined = _join(sorted(distinct))
    if len(distinct) < 2 or joined.isascii() or max(joined) < 0xF0:
        return (joined,)
    try:
        other = _join(sorted(distinct, key=_utf16))
    except UnicodeDecodeError:
        return (joined,)
    return (joined,) if other == joined else (joined, other)


def _join(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([part for pair in pairs for part in pair])


def _utf16(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return pair[0].decode().encode("utf-16-be"), pair[1].decode().encode("utf-16-be")


def hash_body(body: bytes) -> bytes:
    """As `bodySHA256` has it: lower-case hexadecimal digits."""
    return hashlib.sha256(body).hexdigest().encode()


def find_tails(query: bytes, body: bytes, form: Pairs | None) -> tuple[bytes, ...]:
    """What may follow the URL in the signed string so that body and signature belong together; () if nothing.

    `form` are the body's parameters if it is a form. A `bodySHA256` in the query stands for a body of any
    type, so that a request which has one is never taken for one without a body: its signature fits that, too.
    """
    hashes = _body_hashes(query) if BODY_HASH in query or b"%" in query else []
    if hashes:
        whole = len(hashes) == 1 and hmac.compare_digest(hashes[0], hash_body(body))
        tails = [tail for tail in join_parameters(form) if tail] if form else []
        return (b"", *tails) if whole else tuple(tails)
    if not body:
        return (b"",)
    return () if form is None else join_parameters(form)


def _body_hashes(query: bytes) -> list[bytes]:
    return [value for name, value in read_pairs(query) or [] if name == BODY_HASH]


def find_match(
    secrets: Iterable[SigningSecret],
    settings: SignatureSettings,
    signature: bytes,
    urls: Sequence[bytes],
    tails: Sequence[bytes],
) -> Match | None:
    """The first secret that made the signature over one of the URLs with one of the tails.

    Only secrets of the kind that `settings` names are tried, and none by a weaker algorithm than its own.
    """
    algorithm = settings.algorithm
    for secret in secrets:
        if secret.shared_key != settings.shared_key or algorithm < secret.algorithm:
            continue
        for url in urls:
            for tail in tails:
                if hmac.compare_digest(sign(secret.key, algorithm, url, tail), signature):
                    return Match(secret, url, tail)
    return None
