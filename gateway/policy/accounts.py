"""Which account a call is for, and whether it may be touched (design 4.4): pinning and management endpoints.

These two hold for every consumer, `mode: report` included: they guard the credential, not the consumer.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

from gateway.errors import Refusal
from gateway.policy.credentials import Account, Credential
from gateway.policy.rules import strip_suffix

_SID = re.compile(r"(?<![0-9A-Za-z])[Aa][Cc][0-9a-fA-F]{32}(?![0-9A-Za-z])")
MY_ACCOUNT = "AC" + "0" * 32
"""Stands for the credential's own account, so that callers need not know its SID."""

_KEY_PRODUCTS = frozenset({"api", "accounts"})
_IAM_PRODUCTS = frozenset({"iam", "preview-iam"})
_TOKEN_SEGMENTS = frozenset({"authtokens", "signingkeys"})


class Pinned(NamedTuple):
    """The account a call is for, and path and query with the all-zero SID replaced."""

    account: Account
    path: str
    query: str


def pin_account(credential: Credential, path: str, query: str) -> Pinned:
    """Every AccountSid in path and query must be the credential's. Raises `Refusal("foreign_account")`."""
    own = credential.account.sid
    if MY_ACCOUNT in path:
        path = path.replace(MY_ACCOUNT, own)
    if MY_ACCOUNT in query:
        query = query.replace(MY_ACCOUNT, own)
    require_owned(credential, path)
    if query:
        require_owned(credential, unquote(query) if "%" in query else query)
    segments = path.split("/", 4)
    if len(segments) < 4 or segments[2].lower() != "accounts":
        return Pinned(credential.account, path, query)
    sid = strip_suffix(segments[3])
    if sid and not credential.owns(sid):
        raise _foreign()
    return Pinned(credential.account_of(sid), path, query)


def require_owned(credential: Credential, text: str) -> None:
    """Refuse a text that holds an AccountSid which is not the credential's, in whatever case."""
    for match in _SID.finditer(text):
        if not credential.owns(match[0]):
            raise _foreign()


def holds_sid(data: bytes) -> bool:
    """Whether something in the bytes may be an AccountSid, escapes included (a cheap pre-check)."""
    return b"%" in data or b"AC" in data or b"ac" in data or b"Ac" in data or b"aC" in data


def is_management(product: str, path: str) -> bool:
    """Whether a path, known or not, is about accounts themselves, keys, tokens or IAM.

    Compared case-insensitively, suffix and trailing slash removed.
    """
    if product in _IAM_PRODUCTS:
        return True
    segments = path.lower().strip("/").split("/")
    segments[-1] = strip_suffix(segments[-1])
    if not _TOKEN_SEGMENTS.isdisjoint(segments):
        return True
    if product not in _KEY_PRODUCTS:
        return False
    return "keys" in segments or "accounts" in segments[1:][-2:]


def _foreign() -> Refusal:
    return Refusal(
        "foreign_account",
        "The request names an AccountSid that your credential does not own. "
        f"Use {MY_ACCOUNT} for the account that the gateway holds.",
    )
