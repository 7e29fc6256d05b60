"""Finds out whether a way to a Twilio host ends at the gateway: by the certificate that is shown there.

Sends a TLS handshake, and nothing behind it. Blocks.
"""

import socket
import ssl
from contextlib import closing
from enum import StrEnum
from typing import Final

from gateway.client_relay.former_proxies import FormerProxy

_SECONDS: Final = 5.0
_MAX_HEAD: Final = 65_536


class Lead(StrEnum):
    """Where a way ends."""

    GATEWAY = "gateway"
    LEAK = "leak"
    """At a host that shows a certificate of others: Twilio's own, most likely."""
    NOWHERE = "nowhere"


def probe_lead(host: str, proxy: FormerProxy | None, root: bytes) -> tuple[Lead, str]:
    """Where a connection to `host`:443 ends, and why it ends nowhere. `root` is PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=root.decode("ascii"))
    try:
        with closing(_connect(host, proxy)) as plain, context.wrap_socket(plain, server_hostname=host):
            return Lead.GATEWAY, ""
    except ssl.SSLCertVerificationError:
        return Lead.LEAK, "it shows a certificate that is not the gateway's"
    except TimeoutError:
        return Lead.NOWHERE, f"no answer within {_SECONDS:g} s"
    except OSError as error:
        return Lead.NOWHERE, error.strerror or str(error) or type(error).__name__


def _connect(host: str, proxy: FormerProxy | None) -> socket.socket:
    if proxy is None:
        return socket.create_connection((host, 443), _SECONDS)
    plain = socket.create_connection((proxy.host, proxy.port), _SECONDS)
    try:
        if proxy.secure:
            context = ssl.create_default_context()
            plain = context.wrap_socket(plain, server_hostname=proxy.host)
        lines = [f"CONNECT {host}:443 HTTP/1.1", f"Host: {host}:443"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        plain.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
            received = plain.recv(1)  # not a byte of what is behind the head
            if not received:
                raise OSError(0, "the proxy closed the connection")
            head += received
        if head.split(b" ", 2)[1:2] != [b"200"]:
            raise OSError(
                0, f"the proxy answered {head.split(b' ', 2)[1].decode('ascii', 'replace')} to CONNECT"
            )
    except BaseException:
        plain.close()
        raise
    return plain
