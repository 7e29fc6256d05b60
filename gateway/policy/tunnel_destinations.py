"""Where a tunnel may lead (CONNECT): to hosts that are served here, on port 443, and nowhere else.

So the data port is never an open proxy. Who calls is not decided here: a refusal inside the tunnel reaches an
SDK's user, one of CONNECT mostly does not (docs/facts.md).
"""

import re
from typing import Final

from gateway.errors import Refusal
from gateway.http.tunnel import ConnectHead
from gateway.policy.addressing import HostTable, names_served_host

_HTTPS_PORT: Final = 443
_DIGITS: Final = re.compile(r"[0-9.]+")


def require_destination(hosts: HostTable, connect: ConnectHead) -> str:
    """The host that is served inside. Raises `Refusal("tunnel_refused")`."""
    if connect.port != _HTTPS_PORT:
        raise _refused("Tunnels lead to port 443 only.")
    if not is_certified_name(hosts, connect.host):
        raise _refused("Tunnels lead to Twilio's hosts only, and to those of `upstream.extra_hosts`.")
    return connect.host


def is_certified_name(hosts: HostTable, name: str) -> bool:
    """Whether certificates are minted for a name: a bounded set, and no address."""
    return names_served_host(hosts, name) and not name.startswith("[") and not _DIGITS.fullmatch(name)


def _refused(why: str) -> Refusal:
    return Refusal(
        "tunnel_refused",
        f"{why} Take the gateway out of this client's proxy settings for others.",
        closes=True,
    )
