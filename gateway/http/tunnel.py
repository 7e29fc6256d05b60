"""CONNECT (RFC 9110 9.3.6): the head that asks for a tunnel, and what a tunnel means to the requests inside.

Pure. Which names a tunnel may lead to, `policy/tunnel_destinations.py` decides.
"""

import re
from typing import Final, NamedTuple

from gateway.errors import Refusal
from gateway.http.request_head import Inbound, read_fields

# RFC 9112 3.2.3: authority-form is a host and a port, and both are sent.
_AUTHORITY: Final = re.compile(
    r"([a-z0-9_.-]{1,255}|\[[0-9a-f:.]{2,45}\]):([0-9]{1,5})", re.ASCII | re.IGNORECASE
)
_HTTPS_PORT: Final = 443


class Tunnel(NamedTuple):
    """`host` is CONNECT's name: lower case, without the dot that ends a full domain name.

    `proxy_authorization` is the value that CONNECT carried, if any: it says who calls inside, too.
    `server_name` is the name that the TLS handshake inside asked for (SNI), None if it asked for none.
    """

    host: str
    proxy_authorization: bytes | None = None
    server_name: str | None = None

    def __repr__(self) -> str:  # the value is a consumer's key
        return f"Tunnel({self.host})"


class ConnectHead(NamedTuple):
    """A CONNECT that is well formed."""

    host: str
    port: int
    proxy_authorization: bytes | None

    def __repr__(self) -> str:
        return f"ConnectHead({self.host}:{self.port})"


def require_connect(
    target: str, version: tuple[int, int], raw_headers: tuple[tuple[bytes, bytes], ...]
) -> ConnectHead:
    """Check a CONNECT. Raises `Refusal` (400); each closes the connection.

    Host is not looked at: clients send it with a port, without one, or not at all, and the target says all.
    """
    if version not in ((1, 1), (1, 0)):
        raise Refusal("malformed_request", "Only HTTP/1.1 and HTTP/1.0 are supported.", closes=True)
    _, single_fields, _, _ = read_fields(raw_headers)
    if b"transfer-encoding" in single_fields or single_fields.get(b"content-length", b"0").strip(b"0"):
        raise Refusal("unexpected_body", "CONNECT takes no body.", closes=True)
    match = _AUTHORITY.fullmatch(target)
    if match is None:
        raise Refusal(
            "bad_target", "CONNECT takes a host and a port: CONNECT api.twilio.com:443 HTTP/1.1", closes=True
        )
    host = match[1].lower().removesuffix(".")
    return ConnectHead(host, int(match[2]), single_fields.get(b"proxy-authorization"))


def enter_tunnel(tunnel: Tunnel, inbound: Inbound) -> Inbound:
    """A request inside a tunnel, as one for the tunnel's name. Raises `Refusal("misdirected_request")`."""
    asked = tunnel.server_name
    if asked is not None and asked.lower().removesuffix(".") != tunnel.host:
        raise _misdirected("The TLS handshake", tunnel)
    for sent in (inbound.authority, inbound.host):
        if sent and not _is_same(sent, tunnel.host):
            raise _misdirected("The request", tunnel)
    if inbound.authority or inbound.host != tunnel.host:
        return inbound._replace(host=tunnel.host, authority="", scheme="")
    return inbound


def _is_same(authority: str, host: str) -> bool:
    name, colon, port = authority.rpartition(":")
    if not colon:
        name, port = authority, str(_HTTPS_PORT)
    return name.lower().removesuffix(".") == host and port == str(_HTTPS_PORT)


def _misdirected(what: str, tunnel: Tunnel) -> Refusal:
    return Refusal(
        "misdirected_request",
        f"{what} inside the tunnel names another host than CONNECT did ({tunnel.host}): open a tunnel for "
        "each host.",
        closes=True,
    )
