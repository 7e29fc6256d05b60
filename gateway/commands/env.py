"""`gateway env`: a program's settings where `gateway run` cannot be used, and whether they lead here."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.commands.gateway_address import add_address_arguments, read_address
from gateway.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.client_relay.client_routes import ClientRoute
    from gateway.client_relay.former_proxies import FormerProxy
    from gateway.client_relay.lead_probe import Lead
    from gateway.commands.command_line import Subparsers

_HOSTS: Final = ("api.twilio.com", "verify.twilio.com")
_EPILOG: Final = """\
examples:
  gateway env --format k8s --gateway http://twilio-gateway.twilio-gateway.svc --ca root.pem --consumer billing
  gateway env --check --gateway http://gateway:8080 --ca root.pem
  gateway run … -- gateway env --check --gateway http://gateway:8080 --ca root.pem

No key is printed: the settings refer to it. --check makes a TLS handshake with Twilio's names on the way that
each client would take in this environment, and says where it ends.
exit codes: 0 done, or everything leads to the gateway; 1 something does not; 2 wrong usage
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `env` to the command line."""
    parser = subparsers.add_parser(
        "env",
        help="print the settings of a program, or check where they lead",
        description="Print the settings of a program where `gateway run` cannot be used, or check where they "
        "lead.",
        epilog=_EPILOG,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--format", choices=("sh", "docker", "compose", "k8s"), help="print settings for this")
    what.add_argument("--check", action="store_true", help="say whether Twilio's names lead to the gateway")
    add_address_arguments(parser)
    parser.add_argument("--consumer", metavar="NAME", help="who the program is to the gateway, with --format")
    parser.add_argument(
        "--no-proxy", default="", metavar="HOST,…", help="HTTPS hosts the program reaches directly"
    )
    parser.add_argument(
        "--folder",
        default="/etc/twilio-gateway",
        metavar="DIR",
        help="where the program finds the certificates; default: /etc/twilio-gateway",
    )
    parser.add_argument(
        "--client",
        action="append",
        metavar="NAME",
        help="check only this client, such as node; may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError."""
    return _check(args) if args.check else _print(args)


def _print(args: argparse.Namespace) -> int:
    from gateway.client_relay.settings_text import FORMATS, ProgramSettings, read_exempt
    from gateway.config.schema.values import NAME

    if args.consumer is None or not NAME.matches(args.consumer):
        raise ConfigError(
            [Problem("--consumer", "is no consumer's name", "name the consumer that the program is")]
        )
    address = read_address(args, dict(os.environ))
    host = f"[{address.host}]" if ":" in address.host else address.host
    settings = ProgramSettings(
        args.consumer,
        address.scheme,
        f"{host}:{address.port}",
        args.folder,
        tuple(read_exempt(args.no_proxy)),
    )
    print(FORMATS[args.format](settings), end="")
    return 0


def _check(args: argparse.Namespace) -> int:
    from gateway.client_relay.client_routes import CLIENTS, find_route
    from gateway.client_relay.former_proxies import UnusableProxy

    environ = dict(os.environ)
    root = read_address(args, environ).root
    clients = args.client or [name for name in CLIENTS if name != "python-async"]
    if unknown := [name for name in clients if name not in CLIENTS]:
        raise ConfigError(
            [Problem("--client", f"{unknown[0]} is not known", f"there are {', '.join(CLIENTS)}")]
        )
    good = True
    probes = _Probes(root)
    try:
        for name in clients:
            for host in _HOSTS:
                good &= _report(find_route(name, environ, host), host, probes)
    except UnusableProxy as error:
        raise ConfigError([Problem("environment", str(error))]) from None
    for text in _find_further(environ):
        print(f"warning: {text}")
    if not args.client:
        print("python-async obeys no proxy's variable: DNS or `base_url` leads it here (docs/clients/)")
    return 0 if good else 1


class _Probes:
    """Each way is tried once."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        self._found: dict[tuple[str, FormerProxy | None], tuple[Lead, str]] = {}

    def look(self, host: str, proxy: "FormerProxy | None") -> "tuple[Lead, str]":
        """Where the way ends, and why."""
        from gateway.client_relay.lead_probe import probe_lead

        if (host, proxy) not in self._found:
            self._found[host, proxy] = probe_lead(host, proxy, self.root)
        return self._found[host, proxy]


def _report(route: "ClientRoute", host: str, probes: _Probes) -> bool:
    """One line; whether all is well."""
    from gateway.client_relay.lead_probe import Lead

    lead, why = probes.look(host, route.proxy)
    way = f"by {route.proxy.host}:{route.proxy.port}" if route.proxy else "directly"
    doubt = (
        ""
        if lead is not Lead.GATEWAY or _trusts(route, probes.root)
        else (f"; but {route.variable} names no file with the gateway's root")
    )
    print(f"{route.client:13} {host:18} {way:32} {lead}{': ' if why else ''}{why}{doubt}")
    return lead is Lead.GATEWAY and not doubt


def _trusts(route: "ClientRoute", root: bytes) -> bool:
    """Whether the file that the client trusts holds the root. Of Java's, whether it is there."""
    paths = [Path(route.trusted)] if route.trusted else []
    if route.client == "php":
        folders = [Path(part) for part in route.trusted.split(":") if part]
        paths = [Path(name) for folder in folders for ini in folder.glob("*.ini") for name in _cainfo(ini)]
    if route.client == "java":
        return any(path.is_file() for path in paths)
    body = b"".join(root.split())
    return any(path.is_file() and body in b"".join(path.read_bytes().split()) for path in paths)


def _cainfo(ini: Path) -> list[str]:
    lines = (line.partition("=") for line in ini.read_text("utf-8", "replace").splitlines())
    return [value.strip().strip('"') for name, _, value in lines if name.strip() == "curl.cainfo"]


def _find_further(environ: Mapping[str, str]) -> list[str]:
    found = [
        f"{name} is set: SDKs write it into the host of every URL; unset it"
        for name in ("TWILIO_REGION", "TWILIO_EDGE")
        if environ.get(name)
    ]
    found += [
        f"{name} holds more than zeros: is it a secret of Twilio's? The gateway needs none of the program's"
        for name in ("TWILIO_AUTH_TOKEN", "TWILIO_API_SECRET")
        if environ.get(name, "").strip("0")
    ]
    return found
