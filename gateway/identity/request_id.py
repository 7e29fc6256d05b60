"""Which of a caller's request ids may be used: it appears in logs, on the page and in answers. Pure."""

import binascii
import re
from collections.abc import Iterable, Iterator

from multidict import CIMultiDictProxy, istr

from gateway.exchange import new_request_id
from gateway.identity.authentication import Identities, digest_of

_X_REQUEST_ID = istr("X-Request-Id")
_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MIN_SECRET_BYTES = 8
"""What is shorter is no key, and may be part of any id by chance."""
_MIN_PART_BYTES = 16


def take_request_id(headers: CIMultiDictProxy[str], identities: Identities) -> str:
    """The caller's X-Request-Id where there is one, fit for logs and without a credential, else a new one."""
    if _X_REQUEST_ID not in headers:
        return new_request_id()
    given = headers.getall(_X_REQUEST_ID)
    credentials = [*headers.getall("Authorization", ()), *headers.getall("Proxy-Authorization", ())]
    fit = len(given) == 1 and is_fit_request_id(given[0], identities, credentials)
    return given[0] if fit else new_request_id()


def is_fit_request_id(given: str, identities: Identities, credentials: Iterable[str]) -> bool:
    """Whether an `X-Request-Id` fits the pattern, and is neither a consumer's key nor holds a credential.

    `credentials` are the request's Authorization and Proxy-Authorization values: what they hold may be a
    secret even where no consumer has it.
    """
    if not _PATTERN.fullmatch(given):
        return False
    data = given.encode("ascii")
    if digest_of(data) in identities.keys:
        return False
    for value in credentials:
        for secret in _secrets(value.encode("utf-8", "surrogateescape")):
            if len(secret) >= _MIN_SECRET_BYTES and secret in data:
                return False
            if len(data) >= _MIN_PART_BYTES and data in secret:
                return False
    return True


def _secrets(value: bytes) -> Iterator[bytes]:
    """The token as sent, and the password in it."""
    scheme, _, token = value.partition(b" ")
    token = token.strip() or scheme
    yield token
    if scheme.lower() == b"basic":
        try:
            _, _, password = binascii.a2b_base64(token).partition(b":")
        except binascii.Error:
            return
        yield password
