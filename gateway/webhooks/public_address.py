"""The address that Twilio calls, as configured: never taken from a field of a request. Pure.

Twilio signs the URL that it was given, with or without its port, whatever proxies stand between.
"""

import re
from typing import Final, NamedTuple

_URL: Final = re.compile(rb"(https?)://(\[[^\]/]*\]|[^:/?#]*)(?::([0-9]+))?(/[^?#]*)?", re.IGNORECASE)
_PORTS: Final = {b"http": b"80", b"https": b"443"}


class PublicAddress(NamedTuple):
    """`path` precedes a route's own path, often ''. `port` is '' where none is written."""

    scheme: bytes
    host: bytes
    port: bytes
    path: bytes = b""

    @property
    def usual_port(self) -> bytes:
        """The scheme's own."""
        return _PORTS[self.scheme.lower()]

    @property
    def url(self) -> bytes:
        """As it was written."""
        port = b":" + self.port if self.port else b""
        return b"%b://%b%b%b" % (self.scheme, self.host, port, self.path)

    def bases(self) -> tuple[bytes, ...]:
        """Without the port and with it, in the order in which they are likely to have been signed.

        Scheme and host in capitals are tried in lower case, too: some readers normalise them.
        """
        bare = b"%b://%b%b" % (self.scheme, self.host, self.path)
        full = b"%b://%b:%b%b" % (self.scheme, self.host, self.port or self.usual_port, self.path)
        own = (full, bare) if self.port else (bare, full)
        usual = self._replace(scheme=self.scheme.lower(), host=self.host.lower())
        return own if usual == self else own + usual.bases()


def read_address(url: str) -> PublicAddress:
    """The parts of an http(s) URL without user, query and fragment. Raises `ValueError`."""
    match = _URL.fullmatch(url.rstrip("/").encode("ascii"))
    if match is None or not match[2]:
        raise ValueError("not an http(s) URL")
    return PublicAddress(match[1], match[2], match[3] or b"", match[4] or b"")


def public_urls(bases: tuple[bytes, ...], target: bytes) -> tuple[bytes, ...]:
    """The URLs that may have been signed for a request target ('/path?query').

    A `?` with nothing behind it is dropped or added by some proxies, and says the same.
    """
    urls = [base + target for base in bases]
    if target.endswith(b"?") and target.count(b"?") == 1:
        urls += [base + target[:-1] for base in bases]
    elif b"?" not in target:
        urls += [base + target + b"?" for base in bases]
    return tuple(urls)
