"""Which Twilio host a request is for (docs/design.md 4.1), from the target and the Host field, in that order.

Requests go to hosts of the `HostTable` only. Region and edge of the outbound host come from the
credential; a region that the caller names is only compared with it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from gateway.errors import Refusal
from gateway.http.request_head import Inbound
from gateway.policy.address_hints import hint_at_product

_DOMAIN: Final = ".twilio.com"
_API_VERSION: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
DEFAULT_EDGES: Final = {"us1": "", "ie1": "dublin", "au1": "sydney", "jp1": "tokyo"}
"""Region to the edge used when the credential names none (docs/facts.md)."""
EDGES_OF_US1: Final = frozenset(
    {"ashburn", "umatilla", "frankfurt", "singapore", "sao-paulo", "london", "roaming"}
)
"""Edges that are no region's default (https://www.twilio.com/docs/global-infrastructure/edge-locations)."""
_KNOWN_EDGES: Final = EDGES_OF_US1 | frozenset(filter(None, DEFAULT_EDGES.values()))


@dataclass(frozen=True, slots=True)
class HostTable:
    """The hosts that may be reached. `literals` maps a host without regional forms to its product."""

    products: frozenset[str]
    literals: Mapping[str, str]
    local: frozenset[str] = frozenset()
    """Authorities (host:port) that are this gateway itself, for absolute-form requests sent to it."""
    regions: frozenset[str] = frozenset()
    """Regions and edges of the credentials."""

    _literal_of: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_literal_of", {name: host for host, name in self.literals.items()})

    def literal_host(self, product: str) -> str:
        """The literal host of a product, or '' if its hosts are regional."""
        return self._literal_of.get(product, "")


class Address(NamedTuple):
    """`path` is what goes upstream; `prefix` is the '/product' that was taken off it, or ''.

    `by_path`: the caller named the gateway as host, and the path says which product is meant.
    """

    product: str
    path: str
    prefix: str
    literal_host: str
    region: str
    by_path: bool = False

    def __repr__(self) -> str:  # a path may hold a phone number
        return f"Address({self.product})"


def resolve_address(hosts: HostTable, inbound: Inbound) -> Address:
    """Find product and upstream path. Raises `Refusal("unknown_address")`."""
    if inbound.authority:
        authority = canonical_authority(inbound.authority)
        if authority in hosts.local:
            return _from_path(hosts, inbound.path)  # Host is void beside it (RFC 9112 3.2.2)
        address = _from_host(hosts, _require_default_port(authority, inbound.scheme), inbound.path)
        if address is None:
            raise _unknown("The host of the request target is not one that this gateway serves.")
        return address
    host = _strip_port(inbound.host).removesuffix(".")
    address = _from_host(hosts, host, inbound.path)
    if address is not None:
        return address
    if host.endswith(_DOMAIN):
        first = host.partition(".")[0]
        raise _unknown("The Host names no Twilio product that this gateway knows.", first, hosts.products)
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
        return None  # a literal host has no other forms: mcs.twilio.com does not exist
    region = labels[-1] if len(labels) > 1 else ""
    return Address(labels[0], path, "", "", region)


def names_served_host(hosts: HostTable, name: str) -> bool:
    """Whether a name, in lower case, is one of the hosts that may be reached, in its regional forms, too.

    A bounded set: regions and edges are those that Twilio has, or that `hosts.regions` adds.
    """
    if _from_host(hosts, name, "/") is None:
        return False
    labels = name.removesuffix(_DOMAIN).split(".")
    known = DEFAULT_EDGES.keys() | _KNOWN_EDGES | hosts.regions
    return name in hosts.literals or all(label in known for label in labels[1:])


def _from_path(hosts: HostTable, path: str) -> Address:
    if path.startswith("/2010-04-01/") or path == "/2010-04-01":
        return Address("api", path, "", "", "", by_path=True)
    first, slash, rest = path[1:].partition("/")
    if slash and first in hosts.products:
        return Address(first, "/" + rest, "/" + first, hosts.literal_host(first), "", by_path=True)
    if _API_VERSION.fullmatch(first):
        raise Refusal(
            "unknown_address",
            "This version of Twilio's API is not served here: use /2010-04-01/…, the current version.",
        )
    raise _unknown("Neither the host nor the path names a Twilio product.", first, hosts.products)


def canonical_authority(authority: str) -> str:
    """A lower-case authority without the dot that ends a full domain name, its IPv6 address in short form."""
    if authority.startswith("["):
        address, bracket, port = authority[1:].partition("]")
        try:
            return f"[{IPv6Address(address).compressed}{bracket}{port}"
        except ValueError:
            return authority
    host, colon, port = authority.partition(":")
    return f"{host.removesuffix('.')}{colon}{port}"


def _require_default_port(authority: str, scheme: str) -> str:
    """The authority of an absolute-form target without its port, which must be the scheme's own."""
    host, colon, port = authority.rpartition(":")
    if not colon:
        return authority
    if port != _DEFAULT_PORTS[scheme]:
        raise _unknown("Twilio is reached on its default port only.")
    return host


def _strip_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _unknown(why: str, product: str = "", products: frozenset[str] = frozenset()) -> Refusal:
    return Refusal(
        "unknown_address",
        f"{why}{hint_at_product(product, products)} Address Twilio in one of four ways: an absolute URL "
        "(http://api.twilio.com/2010-04-01/…), a Twilio host in Host, a product prefix (/verify/v2/…), "
        "or the bare path /2010-04-01/…",
    )


def make_host_table(
    products: Iterable[str],
    literals: Mapping[str, str],
    extra_hosts: Iterable[str],
    local: Iterable[str],
    regions: Iterable[str] = (),
) -> HostTable:
    """Join the catalogue's hosts with `upstream.extra_hosts`, each of which is a product of its own name."""
    extra = {host.lower(): host.lower() for host in extra_hosts}
    return HostTable(
        frozenset(products) | frozenset(extra.values()),
        {**literals, **extra},
        frozenset(map(canonical_authority, local)),
        frozenset(regions),
    )
