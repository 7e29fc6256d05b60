"""Where a client on this machine finds its gateway: in the gateway's configuration, or at a given address.

Shared by `gateway run` and `gateway env`.
"""

import argparse
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from gateway.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.config.loading.resolved import ResolvedSettings

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\r?\n?")
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_MINTED: Final = "api.twilio.com"
"""A name that every gateway which mints has a certificate for."""


class GatewayAddress(NamedTuple):
    """`root` is the certificate (PEM) of the gateway's CA; `variables` are those that the configuration
    refers to.

    Of a TLS listener on this machine, which shows no certificate for 127.0.0.1: `own_certificate` is the file
    of the one it shows; else it mints one for `server_name`.
    """

    scheme: str
    host: str
    port: int
    root: bytes
    is_twilio: Callable[[str], bool]
    variables: frozenset[str] = frozenset()
    own_certificate: Path | None = None
    server_name: str = ""
    extra_hosts: tuple[str, ...] = ()
    """Those of the gateway that are none of Twilio's domain, as far as they are known here."""

    def tls(self) -> ssl.SSLContext | None:
        """How the gateway itself is spoken to: by its root, or by what the system trusts."""
        if self.scheme == "http":
            return None
        if self.own_certificate is None and not self.server_name:
            context = ssl.create_default_context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if self.own_certificate is not None:
                context.check_hostname = False
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
                context.load_verify_locations(cafile=self.own_certificate)
        context.load_verify_locations(cadata=self.root.decode("ascii"))
        return context


def add_address_arguments(parser: argparse.ArgumentParser) -> None:
    """`--config`, or `--gateway` and `--ca`."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--config", type=Path, metavar="FILE", help="the gateway's configuration, on its machine"
    )
    where.add_argument("--gateway", metavar="URL", help="the gateway's data port: http://gateway:8080")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="root.pem, with --gateway")


def read_address(args: argparse.Namespace, environ: dict[str, str]) -> GatewayAddress:
    """Raises ConfigError, which says what to write."""
    if args.config is not None:
        from gateway.config.loading.resolve import load_static

        if args.ca is not None:
            raise _refuse("--ca", "goes with --gateway", "the configuration names its CA")
        resolved = load_static(args.config, environ)
        if args.consumer is not None and args.consumer not in resolved.consumers:
            known = ", ".join(list(resolved.consumers)[:10])
            raise _refuse("--consumer", "no consumer has this name", f"there are {known}")
        return _from_configuration(args.config, resolved)
    if args.ca is None:
        raise _refuse(
            "--gateway", "needs --ca FILE", "name the gateway's root.pem: `gateway ca show DIR --format pem`"
        )
    return _from_arguments(args.gateway, args.ca)


def _from_configuration(path: Path, resolved: "ResolvedSettings") -> GatewayAddress:
    from gateway.config.loading.references import variable_references

    settings = resolved.settings
    if settings.ca is None:
        raise ConfigError(
            [
                resolved.origins.problem(
                    ("ca",), "tunnels need a CA", "run `gateway ca init DIR`, and add what it prints"
                )
            ]
        )
    certificates = _certificates(path.parent / settings.ca.certificate)
    if len(certificates) != 2:
        raise _refuse(
            str(path.parent / settings.ca.certificate), "is no ca.pem of `gateway ca init`", "name that"
        )
    is_twilio = _twilio_hosts(settings.upstream.extra_hosts)
    variables = variable_references(settings)
    if settings.public_url:
        scheme, host, port = _split(settings.public_url)
        return GatewayAddress(
            scheme,
            host,
            port,
            certificates[1],
            is_twilio,
            variables,
            extra_hosts=settings.upstream.extra_hosts,
        )
    host, port = resolved.listen
    if port == 0:
        raise ConfigError(
            [
                resolved.origins.problem(
                    ("listen",), "the port is not known", "name the gateway by --gateway and --ca"
                )
            ]
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound to
    address = GatewayAddress(
        "http", host, port, certificates[1], is_twilio, variables, extra_hosts=settings.upstream.extra_hosts
    )
    if settings.tls is None:
        return address
    if settings.tls.cert_file is None:
        return address._replace(scheme="https", server_name=_MINTED)
    shown = path.parent / settings.tls.cert_file
    return address._replace(scheme="https", own_certificate=shown if host in _LOOPBACK else None)


def _from_arguments(url: str, ca: Path) -> GatewayAddress:
    scheme, host, port = _split(url)
    certificates = _certificates(ca)
    if len(certificates) not in (1, 2):
        raise _refuse(str(ca), "is no root.pem of `gateway ca init`", "name that")
    return GatewayAddress(scheme, host, port, certificates[-1], _twilio_hosts(()))


def _split(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == -1
        or parts.username is not None
    ):
        raise _refuse("--gateway", "is no address of a gateway", "write http://HOST:PORT")
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _certificates(path: Path) -> list[bytes]:
    try:
        return _PEM.findall(path.read_bytes())
    except OSError as error:
        raise _refuse(
            str(path), f"cannot be read ({error.strerror})", "name the gateway's root.pem"
        ) from None


def _twilio_hosts(extra: tuple[str, ...]) -> Callable[[str], bool]:
    from gateway.policy.addressing import make_host_table
    from gateway.twilio.catalogue import load_catalogue
    from gateway.upstream.json_links import product_of

    catalogue = load_catalogue()
    table = make_host_table(catalogue.products, catalogue.hosts, extra, ())
    return lambda host: bool(product_of(table, host))


def _refuse(where: str, message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(where, message, hint)])
