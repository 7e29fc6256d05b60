"""Refuses to start where Twilio's names lead to the gateway itself, as by-name steering makes them do.

Looked at once, before the ports are opened, and for a few seconds at most: names that cannot be resolved now
are no reason not to start. What cannot be seen from here (a Service, a NAT) is 508 `loop_detected` later.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from gateway.app.options import Options
from gateway.config.problems import ConfigError, Problem
from gateway.config.schema.addresses import ListenAddress
from gateway.policy.addressing import regional_suffix
from gateway.policy.snapshot import Snapshot
from gateway.upstream.connection_opener import TransportOptions, make_resolver

_LOOK_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 0.5
_HTTPS_PORT: Final = 443
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound to


class _Destination(NamedTuple):
    """Where upstream connections go; `setting` is what names it, '' for the names of Twilio's hosts."""

    host: str
    port: int
    setting: str


async def require_no_loop(options: Options, hosts: Iterable[str]) -> None:
    """Raises `ConfigError` if one of `hosts` (`upstream_names`) leads to this gateway."""
    destinations = _destinations(options.transport, hosts)
    looks = [asyncio.ensure_future(_look(each, options)) for each in destinations]
    done, late = await asyncio.wait(looks, timeout=_LOOK_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    found = sorted({problem for task in done if (problem := task.result())})
    if found:
        hint = "set `upstream.nameservers` to resolvers that know Twilio's own addresses"
        raise ConfigError([Problem("upstream", text, hint) for text in found])


def upstream_names(snapshot: Snapshot) -> set[str]:
    """Every host that requests may be sent to, in the regions of the credentials."""
    hosts = snapshot.hosts
    regional = [product for product in hosts.products if not hosts.literal_host(product)]
    suffixes = {regional_suffix(each.region, each.edge) for each in snapshot.credentials.values()}
    return {*hosts.literals, *(product + suffix for product in regional for suffix in suffixes)}


def _destinations(transport: TransportOptions, hosts: Iterable[str]) -> list[_Destination]:
    for url, setting in ((transport.connect_to, "connect_to"), (transport.proxy, "proxy")):
        if url is not None:
            return [_Destination(url.host or "", url.port or _HTTPS_PORT, setting)]
    return [_Destination(host, _HTTPS_PORT, "") for host in sorted(set(hosts))]


async def _look(destination: _Destination, options: Options) -> str:
    """What is wrong with a destination, or ''."""
    listen = options.listener.address
    servers = () if destination.setting else options.transport.nameservers
    for address in await _resolve(destination, servers):
        if not is_of_this_machine(address):
            continue
        named = f"upstream.{destination.setting}" if destination.setting else destination.host
        if destination.port == listen.port and _listens_on(listen, address):
            return f"{named} leads to {address}, port {destination.port}: the gateway's own listener"
        if not destination.setting and not await _answers(address, destination.port):
            return f"{named} resolves to {address}, an address of this machine"
    return ""


async def _resolve(destination: _Destination, nameservers: Sequence[str]) -> list[str]:
    """Addresses, none if there are none now."""
    resolver = make_resolver(nameservers)
    try:
        found = await resolver.resolve(destination.host, destination.port, socket.AF_UNSPEC)
        return [each["host"] for each in found]
    except (OSError, UnicodeError):
        return []
    finally:
        await resolver.close()


def is_of_this_machine(address: str) -> bool:
    """Whether a socket can be bound to an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


def _listens_on(listen: ListenAddress, address: str) -> bool:
    return listen.host in _WILDCARDS or listen.host in (address, "localhost") or not _is_numeric(listen.host)


def _is_numeric(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host


async def _answers(address: str, port: int) -> bool:
    """Whether something else listens there, such as a sidecar that leads out."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
