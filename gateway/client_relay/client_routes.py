"""How each client would go to Twilio's hosts in an environment: by which proxy, trusting which files. Pure.

Which client obeys which variable was measured (docs/facts.md, "Clients").
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.client_relay.former_proxies import FormerProxy, parse_proxy, read_former_proxies
from gateway.client_relay.program_environment import java_trust_store

_JAVA_PROXY: Final = re.compile(r"-Dhttps\.proxy(Host|Port)=(\S+)")


class ClientRoute(NamedTuple):
    """`proxy` is None for a client that goes straight out. `trusted` is the file that must hold our root, ''
    if none is named; `variable` is where it is named."""

    client: str
    proxy: FormerProxy | None
    variable: str
    trusted: str


CLIENTS: Final = ("python", "node", "go", "java", "php", "ruby", "csharp", "curl", "python-async")
_TRUST: Final[Mapping[str, tuple[str, ...]]] = {
    "python": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "python-async": ("SSL_CERT_FILE",),
    "node": ("NODE_EXTRA_CA_CERTS",),
    "curl": ("CURL_CA_BUNDLE", "SSL_CERT_FILE"),
    "php": ("PHP_INI_SCAN_DIR",),
}
_USUAL_TRUST: Final = ("SSL_CERT_FILE",)


def find_route(client: str, environ: Mapping[str, str], host: str) -> ClientRoute:
    """One of `CLIENTS` on its way to a host. Raises `UnusableProxy`."""
    if client == "java":
        return _java_route(environ.get("JAVA_TOOL_OPTIONS", ""))
    names = _TRUST.get(client, _USUAL_TRUST)
    variable = next((name for name in names if environ.get(name)), names[0])
    proxy: FormerProxy | None = None
    if client == "node":  # its SDK looks at this one alone, and at no exemptions
        proxy = parse_proxy(environ["HTTP_PROXY"], "HTTP_PROXY") if environ.get("HTTP_PROXY") else None
    elif client != "python-async":
        proxy = read_former_proxies(environ).find("https", host, 443)
    return ClientRoute(client, proxy, variable, environ.get(variable, ""))


def _java_route(options: str) -> ClientRoute:
    named = dict(_JAVA_PROXY.findall(options))
    proxy = None
    if "Host" in named:
        proxy = FormerProxy(named["Host"], int(named.get("Port", "80")), False, "")
    return ClientRoute("java", proxy, "JAVA_TOOL_OPTIONS", java_trust_store(options)[0])
