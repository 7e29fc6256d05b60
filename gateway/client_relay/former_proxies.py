"""The proxies that the environment named before: what does not go to Twilio goes on through them. Pure.

Variables as curl, Python and Go read them: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`, in either
case.
"""

import base64
import ipaddress
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"http": 80, "https": 443}


class UnusableProxy(Exception):
    """A proxy that cannot be used. The text says which variable names it."""


class FormerProxy(NamedTuple):
    """`authorization` is the value of Proxy-Authorization, or ''. `secure`: spoken to by TLS."""

    host: str
    port: int
    secure: bool
    authorization: str

    def __repr__(self) -> str:
        return f"FormerProxy({self.host}:{self.port})"


class FormerProxies(NamedTuple):
    """`exempt` are the entries of `no_proxy`, in lower case."""

    http: FormerProxy | None
    https: FormerProxy | None
    exempt: tuple[str, ...]

    def find(self, scheme: str, host: str, port: int) -> FormerProxy | None:
        """The proxy for a host, None if it is reached directly. A tunnel's scheme is https."""
        proxy = self.http if scheme == "http" else self.https
        if proxy is None or any(covers(entry, host, port) for entry in self.exempt):
            return None
        return proxy


def read_former_proxies(environ: Mapping[str, str]) -> FormerProxies:
    """Raises `UnusableProxy`."""
    return FormerProxies(
        _read(environ, "http_proxy", "all_proxy"),
        _read(environ, "https_proxy", "all_proxy"),
        tuple(read_no_proxy(environ)),
    )


def read_no_proxy(environ: Mapping[str, str]) -> list[str]:
    """The entries of `no_proxy`, each once; of both spellings, since programs differ in which they read."""
    text = ",".join(environ.get(name, "") for name in ("no_proxy", "NO_PROXY"))
    return list(dict.fromkeys(entry.strip().lower() for entry in text.split(",") if entry.strip()))


def covers_twilio(entry: str) -> bool:
    """Whether an entry of `no_proxy` exempts a host of Twilio's."""
    name = entry.partition(":")[0].removesuffix(".").removeprefix("*").removeprefix(".")
    return entry == "*" or name in ("com", "twilio.com") or name.endswith(".twilio.com")


def covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `no_proxy` exempts this host."""
    if entry == "*":
        return True
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and "]" not in wanted and name.count(":") == 0:
        if int(wanted) != port:
            return False
        entry = name
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    entry = entry.removeprefix("*").removeprefix(".")
    return host == entry or host.endswith(f".{entry}")


def _read(environ: Mapping[str, str], *names: str) -> FormerProxy | None:
    for name in (spelling for each in names for spelling in (each, each.upper())):
        if text := environ.get(name):
            return parse_proxy(text, name)
    return None


def parse_proxy(text: str, name: str) -> FormerProxy:
    """The proxy in the variable `name`. Raises `UnusableProxy`."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _PORTS or not parts.hostname or port == -1:
        raise UnusableProxy(
            f"{name} names a proxy that is not http:// or https://; unset it, or name one that is"
        )
    authorization = ""
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(login.encode()).decode()
    return FormerProxy(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https", authorization)
