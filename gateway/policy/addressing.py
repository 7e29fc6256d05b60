"""Which Twilio host a request is for (design 4.1), from the target and the Host field, in that order.

Only hosts of the `HostTable` are ever spoken to. Region and edge of the outbound host come from the
credential; a region that the caller names is only compared with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.errors import Refusal
from gateway.http.request_head import Inbound

_DOMAIN = ".twilio.com"
_DEFAULT_PORTS = {"http": "80", "https": "443"}
DEFAULT_EDGES = {"us1": "", "ie1": "dublin", "au1": "sydney", "jp1": "tokyo"}
"""Region to the edge used when the credential names none (facts/twilio.md)."""


@dataclass(frozen=True, slots=True)
class HostTable:
    """The hosts that may be reached. `literals` maps a host without regional forms to its product."""

    products: frozenset[str]
    literals: Mapping[str, str]
    local: frozenset[str] = frozenset()
    """Authorities (host:port) that are this gateway itself, for absolute-form requests sent to it."""

    _literal_of: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_literal_of", {name: host for host, name in self.literals.items()})

    def literal_host(self, product: str) -> str:
        """The literal host of a product, or '' if its hosts are regional."""
        return self._literal_of.get(product, "")


class Address(NamedTuple):
    """`path` is what goes upstream; `prefix` is the '/product' that was taken off it, or ''."""

    product: str
    path: str
    prefix: str
    literal_host: str
    region: str

    def __repr__(self) -> str:  # a path may hold a phone number
        return f"Address({self.product})"


def resolve_address(hosts: HostTable, inbound: Inbound) -> Address:
    """Find product and upstream path. Raises `Refusal("unknown_address")`."""
    if inbound.authority:
        if inbound.authority in hosts.local:
            return _from_path(hosts, inbound.path)  # Host is void beside it (RFC 9112 3.2.2)
        address = _from_host(hosts, _require_default_port(inbound), inbound.path)
        if address is None:
            raise _unknown("The host of the request target is not one that this gateway serves.")
        return address
    host = _strip_port(inbound.host)
    address = _from_host(hosts, host, inbound.path)
    if address is not None:
        return address
    if host.endswith(_DOMAIN):
        raise _unknown("The Host names no Twilio product that this gateway knows.")
    return _from_path(hosts, inbound.path)


def upstream_host(address: Address, region: str, edge: str) -> str:
    """The host to send to for a credential of `region` and `edge` ('' for none).

    Raises `Refusal("wrong_region")` if the caller named another region.
    """
    if address.region and address.region != region:
        raise Refusal(
            "wrong_region",
            f"The host names region {address.region}, but the consumer's credential is for {region}.",
        )
    if address.literal_host:
        return address.literal_host
    return address.product + regional_suffix(region, edge)


def regional_suffix(region: str, edge: str) -> str:
    """'.twilio.com' or '.{edge}.{region}.twilio.com'; us1 without an edge is the plain host."""
    edge = edge or DEFAULT_EDGES.get(region, "")
    if not edge:
        return _DOMAIN
    return f".{edge}.{region}{_DOMAIN}"


def _from_host(hosts: HostTable, host: str, path: str) -> Address | None:
    product = hosts.literals.get(host)
    if product is not None:
        return Address(product, path, "", host, "")
    if not host.endswith(_DOMAIN):
        return None
    labels = host[: -len(_DOMAIN)].split(".")
    if labels[0] not in hosts.products or len(labels) > 3 or hosts.literal_host(labels[0]):
        return None  # a literal host has no other forms: mcs.twilio.com is nobody
    region = labels[-1] if len(labels) > 1 else ""
    return Address(labels[0], path, "", "", region)


def _from_path(hosts: HostTable, path: str) -> Address:
    if path.startswith("/2010-04-01/") or path == "/2010-04-01":
        return Address("api", path, "", "", "")
    first, slash, rest = path[1:].partition("/")
    if slash and first in hosts.products:
        return Address(first, "/" + rest, "/" + first, hosts.literal_host(first), "")
    raise _unknown("Neither the host nor the path says which Twilio product is meant.")


def _require_default_port(inbound: Inbound) -> str:
    """The authority of an absolute-form target without its port, which must be the scheme's own."""
    authority = inbound.authority
    host, colon, port = authority.rpartition(":")
    if not colon:
        return authority
    if port != _DEFAULT_PORTS[inbound.scheme]:
        raise _unknown("Twilio is reached on its default port only.")
    return host


def _strip_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _unknown(why: str) -> Refusal:
    return Refusal(
        "unknown_address",
        f"{why} Address Twilio in one of four ways: an absolute URL (http://api.twilio.com/2010-04-01/…), "
        "a Twilio host in Host, a product prefix (/verify/v2/…), or the bare path /2010-04-01/…",
    )


def make_host_table(
    products: Iterable[str], literals: Mapping[str, str], extra_hosts: Iterable[str], local: Iterable[str]
) -> HostTable:
    """Join the catalogue's hosts with `upstream.extra_hosts`, each of which is a product of its own name."""
    extra = {host.lower(): host.lower() for host in extra_hosts}
    return HostTable(frozenset(products) | frozenset(extra.values()), {**literals, **extra}, frozenset(local))
