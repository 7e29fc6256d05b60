"""What a refused caller probably did wrong with its key. Pure; nothing that it sent is quoted."""

import binascii
import re
from typing import Final

from gateway.http.request_head import Field

_TWILIO_SID: Final = re.compile(rb"(?:AC|SK|OQ)[0-9A-Za-z]{32}")
_TWILIO_SECRET: Final = re.compile(rb"[0-9A-Za-z]{32,64}")
_UNFILLED: Final = re.compile(rb"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?|\$?\{\{.*\}\}|<[^<>]+>|%[A-Za-z_]+%")
_SHORTENED: Final = ("…".encode(), b"...")
"""How documents leave out the rest of a key."""
_OUR_KEY: Final = re.compile(rb"gw[0-9A-Za-z]{43}")
"""The form that `gateway key new` gives a key; old tokens have other ones."""
_WRAPPED: Final = re.compile(rb"(?:[\"'\s].*|.*[\"'\s])", re.DOTALL)
_OTHER_FIELDS: Final = frozenset({b"api-key", b"apikey", b"x-api-key", b"x-auth-token", b"x-gateway-key"})
_UNKNOWN: Final = "The consumer key is not known here."
_KEY_IS_NAME: Final = (
    "A key stands where the user name belongs: `curl -u NAME:KEY`, or `Authorization: Bearer KEY`."
)


def hint_at_key(username: bytes | None, key: bytes) -> str:
    """Why a key may be unknown, by its form."""
    if username is not None and _TWILIO_SID.fullmatch(username) and _TWILIO_SECRET.fullmatch(key):
        return (
            "This looks like a SID and secret of Twilio. The gateway holds those itself: authenticate with "
            "the consumer name and key that its operators gave you."
        )
    if _UNFILLED.fullmatch(key):
        return f"{_UNKNOWN} It looks like a variable that was not filled in."
    if key.endswith(_SHORTENED):
        return f"{_UNKNOWN} It looks like the placeholder of a document: send the whole key."
    if key.startswith(b"sha256:"):
        return f"{_UNKNOWN} It looks like a digest of the configuration: send the key that it was made of."
    if _WRAPPED.fullmatch(key):
        return f"{_UNKNOWN} It begins or ends with a quotation mark or white space: leave that out."
    if key.lower().startswith((b"bearer ", b"basic ")):
        return f"{_UNKNOWN} It begins with the name of a scheme: Authorization names the scheme once."
    if username is None and b":" in key:
        return f"{_UNKNOWN} `Bearer` takes the key alone, without a name before it."
    if username is None and _is_basic_token(key):
        return f"{_UNKNOWN} It looks like the Base64 of a name and a key: send that as `Basic`, not `Bearer`."
    return _UNKNOWN


def hint_at_user_name(username: bytes | None) -> str:
    """Why a user name may not be the key's."""
    why = "The user name does not belong to this key."
    if username is not None and _TWILIO_SID.fullmatch(username):
        return (
            f"{why} It looks like a SID of Twilio: the user name is the consumer's name; an SDK takes the "
            "account's SID as a parameter of its own."
        )
    if username is not None and _OUR_KEY.fullmatch(username):
        return f"{why} {_KEY_IS_NAME}"
    return why


def hint_at_other_fields(fields: tuple[Field, ...]) -> str:
    """A sentence about a field that seems to hold the key in Authorization's place, or ''."""
    if any(field[0] in _OTHER_FIELDS for field in fields):
        return " A key in X-API-Key or a field like it is not read."
    return ""


def hint_at_basic(rest: bytes) -> str:
    """Why `Basic` may not be readable, behind what is said of it in any case."""
    if rest.lower().startswith((b"basic ", b"bearer ")):
        return " Authorization names its scheme once."
    if b":" in rest:
        return (
            " Name and key are joined by a colon and sent in Base64 (RFC 7617); `curl -u NAME:KEY` does so."
        )
    name, _, password = _decoded(rest).partition(b":")
    return f" {_KEY_IS_NAME}" if not password and _OUR_KEY.fullmatch(name) else ""


def _is_basic_token(key: bytes) -> bool:
    name, colon, password = _decoded(key).partition(b":")
    return bool(name and colon and password) and name.isascii() and password.isascii()


def _decoded(token: bytes) -> bytes:
    """Decode Base64; empty for anything else."""
    try:
        return binascii.a2b_base64(token, strict_mode=True)
    except binascii.Error:
        return b""
