"""The canonical request target (docs/design.md 4.1): accepted byte for byte, or refused.

What passes is what policy checks and what is sent, so two readers of the same target cannot disagree. One
thing is normalised, before anything else reads it: a doubled slash before the API's version or the product's
prefix, which base URLs that end in a slash bring about.
"""

import re
from typing import Final, NamedTuple

from gateway.errors import Refusal

# RFC 3986 pchar without ";" (a second separator for some servers), "/" and escapes handled apart; and "|^[]",
# which WHATWG URL 1.3 leaves alone, so that Node's SDK sends them ("auth0|…" is a user's name at Auth0).
# Possessive (++): else every character is a step that the matcher must remember.
_PATH: Final = re.compile(r"/(?:[/A-Za-z0-9\-._~!$&'()*+,=:@|^\[\]]++|%[0-9A-Fa-f]{2})*+")
# Any visible ASCII but "#" (fragment) and ";": Twilio's own names hold "<" and ">" (`DateSent<`).
_QUERY: Final = re.compile(r"(?:[!\"$&-:<-~]++|%[0-9A-Fa-f]{2})*+")
# Escapes that mean something else to some readers: unreserved characters (%41C), slash, backslash, controls,
# a doubly encoded anything (%252e), and overlong UTF-8 (%c0%ae, a dot to lenient decoders: RFC 3629 10).
_PATH_ESCAPE: Final = re.compile(
    r"%(?:[01][0-9A-Fa-f]|7[Ff]|2[FfDdEe]|5[CcFf]|7[Ee]|3[0-9]|4[1-9A-Fa-f]|5[0-9Aa]|6[1-9A-Fa-f]|7[0-9Aa]"
    r"|25[0-9A-Fa-f]{2}|[Cc][01]|[Ee]0%[89]|[Ff]0%8|[Ff][5-9A-Fa-f])"
)
# Line breaks and tabs are text in a value (a TaskRouter expression, an address), and nothing that a name has.
_CONTROL_ESCAPE: Final = re.compile(r"%(?:0[0-8BCEFbcef]|1[0-9A-Fa-f]|7[Ff])|(?:^|&)[^=&]*%0[9ADad]")
_DOUBLED: Final = re.compile(
    r"/(?:/?([a-z0-9][a-z0-9.-]*/))?/?(?=(?:2[0-9]{3}-[0-9]{2}-[0-9]{2}|v[0-9]{1,2})(?:/|$))"
)
# ASCII alone: without the flag "\u017f" is an s and "\u212a" a k, regardless of case.
# No user information: "http://api.twilio.com@evil.example/" is a host to some readers and a name to others.
_ABSOLUTE: Final = re.compile(
    r"(https?)://((?:[a-z0-9_][a-z0-9_.-]*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)((?:[/?].*)?)",
    re.ASCII | re.IGNORECASE,
)


class Target(NamedTuple):
    """`authority` is empty unless the target came in absolute-form; `query` is without its "?".

    A "?" with nothing behind it says the same as none, and is the one thing that is not sent on.
    """

    scheme: str
    authority: str
    path: str
    query: str


def require_target(raw: str) -> Target:
    """Split a raw request target, or raise `Refusal("bad_target")`.

    Accepts origin-form and absolute-form (RFC 9112 3.2.1, 3.2.2).
    """
    scheme = authority = ""
    rest = raw
    if not raw.startswith("/"):
        match = _ABSOLUTE.fullmatch(raw)
        if match is None:
            raise _refuse("it must begin with / or be an absolute http(s) URL without user name")
        scheme, authority, rest = match[1].lower(), match[2].lower(), match[3]
        if not rest.startswith("/"):
            rest = "/" + rest  # RFC 9112 3.2.1: an empty path is sent as "/"
    path, mark, query = rest.partition("?")
    if "//" in path:
        path = _without_doubled_slash(path)
    _require_path(path)
    if mark:
        _require_query(query)
    return Target(scheme, authority, path, query)


def _without_doubled_slash(path: str) -> str:
    match = _DOUBLED.match(path)
    return path if match is None else f"/{match[1] or ''}{path[match.end() :]}"


def _require_path(path: str) -> None:
    if _PATH.fullmatch(path) is None:
        unfilled = "; a placeholder in braces was not filled in" if "{" in path else ""
        raise _refuse(
            f"the path holds a character that must be percent-encoded, a ';' or a broken escape{unfilled}"
        )
    if "//" in path:
        raise _refuse(f"the path has an empty segment (//){_hint_at_empty(path)}")
    if "/." in path and any(segment in (".", "..") for segment in path.split("/")):
        raise _refuse("the path has a dot segment")
    if "%" in path and _PATH_ESCAPE.search(path):
        raise _refuse(
            "the path escapes a plain character, a slash, a backslash or a control, or escapes twice"
        )


def _hint_at_empty(path: str) -> str:
    """What usually makes a segment empty."""
    if path.startswith(("/http:", "/https:")):
        return "; the whole URL stands in the path: only its path belongs behind the gateway's address"
    return "; a variable in it may be empty" if "/Accounts//" in path or "/Services//" in path else ""


def _require_query(query: str) -> None:
    if _QUERY.fullmatch(query) is None:
        raise _refuse("the query holds a character that must be percent-encoded, a ';' or a broken escape")
    if "%" in query and _CONTROL_ESCAPE.search(query):
        raise _refuse("the query escapes a control character (in a value, %09, %0A and %0D are fine)")


def _refuse(why: str) -> Refusal:
    return Refusal("bad_target", f"The request target is not canonical: {why}.")
