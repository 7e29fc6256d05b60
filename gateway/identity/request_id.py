"""Which of a caller's ids may be used: they appear in logs, on the page, in traces and in answers. Pure."""

import binascii
import re
from collections.abc import Iterable, Iterator

from multidict import CIMultiDictProxy, istr

from gateway.exchange import new_request_id
from gateway.http.trace_context import TraceContext, read_trace_context
from gateway.identity.authentication import Identities, digest_of

_X_REQUEST_ID, _TRACEPARENT = istr("X-Request-Id"), istr("traceparent")
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
    return not _is_credential(given.encode("ascii"), identities, credentials)


def take_trace_context(headers: CIMultiDictProxy[str], identities: Identities) -> TraceContext | None:
    """The caller's `traceparent` where there is one; None also where an id in it is a credential, as keys of
    32 hexadecimal digits are."""
    if _TRACEPARENT not in headers:
        return None
    context = read_trace_context(headers.getall(_TRACEPARENT))
    if context is None:
        return None
    credentials = [*headers.getall("Authorization", ()), *headers.getall("Proxy-Authorization", ())]
    for text in (context.trace_id, context.parent_id):
        if _is_credential(text.encode("ascii"), identities, credentials):
            return None
    return context


def _is_credential(data: bytes, identities: Identities, credentials: Iterable[str]) -> bool:
    """Whether a text is a consumer's key, holds a credential of its request, or is a large part of one."""
    if digest_of(data) in identities.keys:
        return True
    for value in credentials:
        for secret in _secrets(value.encode("utf-8", "surrogateescape")):
            if len(secret) >= _MIN_SECRET_BYTES and secret in data:
                return True
            if len(data) >= _MIN_PART_BYTES and data in secret:
                return True
    return False


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
