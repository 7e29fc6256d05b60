"""What a program asks its proxy for: CONNECT to a host, or an absolute URL (RFC 9112 3.2.2, 3.2.3). Pure.

Only the first line and the fields between program and proxy are understood; everything else is passed on.
"""

import re
from typing import Final, NamedTuple

MAX_HEAD_BYTES: Final = 65_536
_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) (\S{1,60000}) (HTTP/1\.[01])")
_AUTHORITY: Final = re.compile(rb"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_URL: Final = re.compile(rb"(https?)://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)
_OURS: Final = (b"proxy-authorization", b"proxy-connection", b"connection", b"keep-alive")
"""Between the program and this proxy; the connection is closed after an answer."""


class BadProxyRequest(Exception):
    """Not a request to a proxy. The text says why."""


class ProxyRequest(NamedTuple):
    """`host` is in lower case, without the brackets of an IPv6 address; `scheme` is '' for CONNECT.

    `target` is the URL as it was sent, and `path` what of it a server is sent. `fields` are whole lines.
    """

    method: bytes
    scheme: str
    host: str
    port: int
    target: bytes
    path: bytes
    version: bytes
    fields: bytes

    @property
    def is_connect(self) -> bool:
        """Whether a tunnel is asked for."""
        return self.method == b"CONNECT"

    def head(self, target: bytes, authorization: str = "") -> bytes:
        """The head as it goes on, of a request that is the last of its connection."""
        mine = f"Proxy-Authorization: {authorization}\r\n".encode() if authorization else b""
        return b"%b %b %b\r\n%b%bConnection: close\r\n\r\n" % (
            self.method,
            target,
            self.version,
            self.fields,
            mine,
        )

    def __repr__(self) -> str:  # a URL may hold a phone number
        return f"ProxyRequest({self.method.decode('ascii', 'replace')} {self.host})"


def parse_proxy_request(head: bytes) -> ProxyRequest:
    """Read a head, with its empty line. Raises `BadProxyRequest`."""
    line, _, rest = head.partition(b"\r\n")
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadProxyRequest("This is not an HTTP/1 request.")
    method, target, version = match.groups()
    fields = b"".join(each + b"\r\n" for each in rest.split(b"\r\n") if each and not _is_ours(each))
    if method == b"CONNECT":
        host, port = _authority(target, 0)
        if not port:
            raise BadProxyRequest("CONNECT needs a host and a port.")
        return ProxyRequest(method, "", host, port, target, b"", version, fields)
    url = _URL.fullmatch(target)
    if url is None:
        raise BadProxyRequest("This is the proxy of `gateway run`: it takes CONNECT and absolute URLs.")
    scheme = url[1].lower().decode()
    host, port = _authority(url[2], 443 if scheme == "https" else 80)
    path = url[3] if url[3].startswith(b"/") else b"/" + url[3]
    return ProxyRequest(method, scheme, host, port, target, path, version, fields)


def _authority(text: bytes, default: int) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise BadProxyRequest("The host of the target cannot be read.")
    port = int(match[2]) if match[2] else default
    if port > 65_535:
        raise BadProxyRequest("There is no such port.")
    return match[1].decode().strip("[]").lower().removesuffix("."), port


def _is_ours(line: bytes) -> bool:
    return line.partition(b":")[0].strip().lower() in _OURS
