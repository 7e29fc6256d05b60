"""Which of a caller's ids may be used: they appear in logs, on the page, in traces and in answers. Pure."""

import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Final

from gateway.exchange import new_request_id
from gateway.http.trace_context import TraceContext, read_trace_context
from gateway.identity.authentication import Identities, digest_of

CREDENTIAL_FIELDS: Final = (b"authorization", b"proxy-authorization")
_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MIN_SECRET_BYTES: Final = 8
"""What is shorter is no key, and may be part of any id by chance."""
_MIN_PART_BYTES: Final = 16
_KEY_SHAPE: Final = re.compile(rb"gw(?:[A-Za-z0-9]{43}|_[A-Za-z0-9_-]{32})")
"""Keys that `gateway key new` makes, and those that it made before."""
_RUN: Final = re.compile(rb"[A-Za-z0-9]{24,}")
_MIN_RUN_BYTES: Final = 24
"""Shorter than that is no text in which `_RUN` or `_KEY_SHAPE` finds anything."""
_MIN_ENCODED_BYTES: Final = 40
"""Ids are shorter, as a rule: a UUID has 36. What is longer may be a key in Base64."""
_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,}")
_FROM_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


def take_request_id(given: Sequence[str], identities: Identities, secrets: Iterable[bytes]) -> str:
    """The caller's X-Request-Id where there is one, fit for logs and without a credential, else a new one."""
    if len(given) == 1 and is_fit_request_id(given[0], identities, secrets):
        return given[0]
    return new_request_id()


def is_fit_request_id(given: str, identities: Identities, secrets: Iterable[bytes]) -> bool:
    """Whether an `X-Request-Id` fits the pattern, and is neither a consumer's key nor holds a credential.

    `secrets` are those of the request's own credentials (`read_secrets`), which may be secrets even where no
    consumer has them.
    """
    if not _PATTERN.fullmatch(given):
        return False
    return not _is_credential(given.encode("ascii"), identities, secrets)


def take_trace_context(
    parents: Sequence[str], identities: Identities, secrets: Iterable[bytes]
) -> TraceContext | None:
    """What the caller's `traceparent` fields say; None also where an id in it is a credential, as keys of 32
    hexadecimal digits are."""
    context = read_trace_context(parents)
    if context is None:
        return None
    for text in (context.trace_id, context.parent_id):
        if _is_credential(text.encode("ascii"), identities, secrets):
            return None
    return context


def _is_credential(data: bytes, identities: Identities, secrets: Iterable[bytes]) -> bool:
    """Whether a text is a consumer's key, holds a credential of its request, or is a large part of one."""
    if digest_of(data) in identities.keys:
        return True
    for secret in secrets:
        # `in` tries a number first, and fails: that is nine tenths of its cost.
        if len(secret) >= _MIN_SECRET_BYTES and data.find(secret) >= 0:
            return True
        if len(data) >= _MIN_PART_BYTES and secret.find(data) >= 0:
            return True
    return _holds_key(data, identities)


def _holds_key(data: bytes, identities: Identities) -> bool:
    """Whether a part of a text is a consumer's key, or has the shape of one; in hex and Base64, too."""
    if len(data) < _MIN_RUN_BYTES:
        return False
    if len(data) < _MIN_ENCODED_BYTES and (data.isalnum() or data.count(b"-") == 4):
        return False  # an id in one piece, or a UUID
    if data.find(b"gw") >= 0 and _KEY_SHAPE.search(data) is not None:
        return True
    for run in _RUN.findall(data):
        if len(run) < len(data) and digest_of(run) in identities.keys:
            return True
    if len(data) < _MIN_ENCODED_BYTES:
        return False
    if _HEX.fullmatch(data) and _is_key(binascii.unhexlify(data), identities):
        return True
    for offset in (b"===", b"==", b"="):
        try:
            decoded = binascii.a2b_base64(data.translate(_FROM_URL_SAFE) + offset)
        except binascii.Error:
            continue
        return _is_key(decoded, identities)
    return False


def _is_key(decoded: bytes, identities: Identities) -> bool:
    """Whether it is a key, perhaps behind a user name."""
    password = decoded.partition(b":")[2] or decoded
    return _KEY_SHAPE.search(decoded) is not None or digest_of(password) in identities.keys


def read_secrets(credentials: Iterable[bytes]) -> tuple[bytes, ...]:
    """Of each Authorization or Proxy-Authorization value the token as sent, and the password in it."""
    secrets: list[bytes] = []
    for value in credentials:
        scheme, _, token = value.partition(b" ")
        token = token.strip() or scheme
        secrets.append(token)
        if scheme.lower() == b"basic":
            try:
                secrets.append(binascii.a2b_base64(token).partition(b":")[2])
            except binascii.Error:
                continue
    return tuple(secrets)
