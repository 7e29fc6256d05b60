"""Which account a call is for, and whether it may be touched (docs/design.md 4.4): pinning and management
endpoints.

Both apply to every consumer, also in `mode: report`: they guard the credential, not the consumer.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from gateway.consumers.allow_rules import strip_suffix
from gateway.consumers.credentials import Account, Credential
from gateway.errors import Refusal

# The look-behind comes after the two letters, so that the search can skip to the next A.
_SID: Final = re.compile(r"[Aa][Cc](?<![0-9A-Za-z][Aa][Cc])[0-9a-fA-F]{32}(?![0-9A-Za-z])")
MY_ACCOUNT: Final = "AC" + "0" * 32
"""Represents the credential's own account, so that callers need not know its SID."""

_MY_ACCOUNT: Final = re.compile(rf"(?<![0-9A-Za-z]){MY_ACCOUNT}(?![0-9A-Za-z])")

_KEY_PRODUCTS: Final = frozenset({"api", "accounts"})
_IAM_PRODUCTS: Final = frozenset({"iam", "preview-iam"})
# A segment is what its letters say, whatever stands round them: `keys`, `Keys.html`, `%20Keys`, `Keys~`.
_SEGMENT: Final = r"/(?:[^a-z0-9/%]++|%[0-9a-f]{{2}})*+(?:{words})"
_END: Final = r"(?![a-z0-9])"
_TOKENS: Final = re.compile(_SEGMENT.format(words="authtokens|signingkeys") + _END, re.ASCII | re.IGNORECASE)
_KEYS: Final = re.compile(
    _SEGMENT.format(
        words=f"(?:authtokens|signingkeys|keys){_END}"
        rf"|accounts{_END}[^/]*+(?:/[^/]*+)?/?\Z"  # the list of accounts, and an account itself
    ),
    re.ASCII | re.IGNORECASE,
)
_REPRESENTATION: Final = re.compile(
    r"\.(?:json|jsonp|csv|xml|html|hal|txt|ya?ml|mp[34]|wav|pdf|atom|rss)(?![a-z0-9])", re.IGNORECASE
)


class Pinned(NamedTuple):
    """The account a call is for, and path and query with the all-zero SID replaced."""

    account: Account
    path: str
    query: str

    def __repr__(self) -> str:  # path and query may hold phone numbers
        return "Pinned()"


def pin_account(credential: Credential, path: str, query: str) -> Pinned:
    """Every AccountSid in path and query must be the credential's. Raises `Refusal("foreign_account")`."""
    own = credential.account.sid
    if MY_ACCOUNT in path:
        path = _MY_ACCOUNT.sub(own, path)
    if MY_ACCOUNT in query:
        query = _MY_ACCOUNT.sub(own, query)
    require_target_owned(credential.sids, path, query)
    path_segments = path.split("/", 4)
    if len(path_segments) < 4 or path_segments[2].lower() != "accounts":
        return Pinned(credential.account, path, query)
    sid = strip_suffix(path_segments[3])
    if sid and not credential.owns(sid):
        raise refuse_account()
    return Pinned(credential.account_of(sid), path, query)


def require_target_owned(sids: frozenset[str], path: str, query: str) -> None:
    """Refuse a path and query that name an account beyond `sids`, escaped or not."""
    target = f"{path}?{query}" if query else path
    require_owned(sids, target)
    if "%" in target:
        require_owned(sids, unquote(target))


def require_owned(sids: frozenset[str], text: str) -> None:
    """Refuse a text that holds an AccountSid beyond `sids`, in whatever case."""
    for sid in _SID.findall(text):
        if sid not in sids:
            raise refuse_account(sid)


def is_foreign(sids: frozenset[str], value: str) -> bool:
    """Whether a value *is* an AccountSid beyond `sids`, in whatever case, or a list with one.

    White space, quotes, controls and separators beside it do not make it anything else.
    """
    found = _SID.findall(value)
    return any(sid not in sids for sid in found) and not any(map(str.isalnum, _SID.sub("", value)))


def is_management(product: str, path: str) -> bool:
    """Whether a path, known or not, is about accounts themselves, keys, tokens or IAM.

    Compared case-insensitively, suffix and trailing slash removed. The 2010 API is looked for under every
    product's host, because nothing says that only one of them serves it.
    """
    if product in _IAM_PRODUCTS:
        return True
    words = _KEYS if product in _KEY_PRODUCTS or path.startswith("/20") else _TOKENS
    return words.search(strip_blank_segments(path)) is not None


def strip_blank_segments(path: str) -> str:
    """The path without last segments that name nothing: `/Accounts/AC…/.json`, `/%20`, `/~`, `/`.

    A segment names something if a letter or a digit is left of it without representation suffixes, in any
    case, be they Twilio's or ones that Twilio had or has elsewhere; `.json.json` has two.
    """
    head, slash, last = path.rpartition("/")
    if last[:1].isalnum():
        return path
    while slash and not any(map(_is_letter_or_digit, _REPRESENTATION.sub("", unquote(last)))):
        path = head
        head, slash, last = path.rpartition("/")
    return path


def _is_letter_or_digit(character: str) -> bool:
    return character.isalpha() or character.isdecimal()  # a superscript is neither, though it is `isalnum`


def refuse_account(named: str = "") -> Refusal:
    """The refusal of a request that names another account; `named` is what names it."""
    if MY_ACCOUNT in named:
        return Refusal(
            "foreign_account",
            f"{MY_ACCOUNT} stands for the gateway's account in paths and queries, and in bodies as the whole "
            "value of a parameter. Here it is part of a value, escaped, or a name: send it alone, leave "
            "it out, or send the account's own SID.",
        )
    return Refusal(
        "foreign_account",
        "The request names an AccountSid that your credential does not own. "
        f"Use {MY_ACCOUNT} for the account that the gateway holds.",
    )
