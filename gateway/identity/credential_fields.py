"""What an Authorization or Proxy-Authorization field holds (RFC 9110 11, RFC 7617, RFC 6750). Pure."""

import binascii
import hashlib

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.http.tunnel import Tunnel
from gateway.identity.credential_hints import hint_at_basic

CHALLENGE = (("WWW-Authenticate", 'Basic realm="twilio-gateway"'),)


def split_credentials(value: bytes) -> tuple[bytes | None, bytes, bytes]:
    """(Basic user name or None for Bearer, key, the token as sent). Raises `Refusal("missing_key")`."""
    scheme, _, rest = value.partition(b" ")
    rest = rest.strip()
    if scheme.lower() == b"bearer" and rest:
        return None, rest, rest
    if scheme.lower() == b"basic":
        try:
            username, colon, password = binascii.a2b_base64(rest, strict_mode=True).partition(b":")
        except binascii.Error:
            colon = b""
        if colon and password:
            return username, password, rest
    raise Refusal("missing_key", _explain(scheme.lower(), rest), headers=CHALLENGE)


def _explain(scheme: bytes, rest: bytes) -> str:
    """What is missing. None of it is quoted."""
    if scheme == b"basic" and rest:
        why = "Basic takes the consumer's name as user name and its key as password; one of them is missing."
        return why + hint_at_basic(rest)
    if scheme in (b"basic", b"bearer"):
        return "Authorization holds no key."
    return "Authorization must begin with Basic or Bearer; a bare key is sent as `Bearer KEY`."


def read_key(inbound: Inbound) -> tuple[bytes | None, bytes, bytes] | None:
    """(Basic user name or None for Bearer, key, the token as sent); None if no field was sent."""
    value = inbound.single_fields.get(b"authorization")
    proxy = inbound.single_fields.get(b"proxy-authorization")
    if proxy is not None and (inbound.authority or value is None):
        value = proxy  # forward-proxy use: Authorization is meant for Twilio, and is replaced
    return None if value is None else split_credentials(value)


def find_digest(inbound: Inbound, tunnel: Tunnel | None) -> str:
    """The digest of the key that was shown, '' without one: for the record of what was refused."""
    try:
        if tunnel is not None and tunnel.proxy_authorization is not None:
            return hashlib.sha256(split_credentials(tunnel.proxy_authorization)[1]).hexdigest()
        shown = read_key(inbound)
    except Refusal:
        return ""
    return "" if shown is None else hashlib.sha256(shown[1]).hexdigest()
