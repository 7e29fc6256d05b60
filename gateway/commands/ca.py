"""`gateway ca`: makes the CA whose certificates tunnels and `tls.mint` show, renews it, shows its root."""

import argparse
import getpass
import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config.problems import ConfigError

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

PASSPHRASE_VARIABLE: Final = "GATEWAY_CA_PASSPHRASE"  # noqa: S105 - the variable's name
_PLAIN: Final = re.compile(r"[\w./-]+")
"""A path that YAML takes without quotation marks."""
_EPILOG: Final = """\
examples:
  gateway ca init pki --config config/gateway.yaml
  gateway ca renew pki
  gateway ca show pki
  gateway ca show pki --format p12 --out twilio-gateway.p12

The passphrase of the root's key is asked for, or read from --passphrase-file or GATEWAY_CA_PASSPHRASE.
docs/security.md explains what it means to trust the root.
"""
_MADE: Final = """\
Written to {folder}:
  root.pem   what clients trust; it is not secret
  root.key   its key, encrypted: keep it offline; no gateway needs it but for `gateway ca renew`
  ca.pem     the intermediate and the root, for the gateway
  ca.key     the intermediate's key, for the gateway alone

{summary}
Add to the gateway's configuration:

  ca:
    certificate: {certificate}
    key: {{file: {key}}}
"""
_RENEWED: Final = """\
Written to {folder}: ca.pem and ca.key. A running gateway reads them by itself; clients need nothing.

{summary}"""
_SUMMARY: Final = """\
Root:          {subject}
  SHA-256      {fingerprint}
  ends         {ends:%Y-%m-%d}
"""
_INTERMEDIATE: Final = """\
Intermediate:  {subject}
  ends         {ends:%Y-%m-%d}; before that: gateway ca renew
  signs for    {names}, and all beneath them
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `ca` with its three subcommands to the command line."""
    summary = "make, renew or show the CA of tunnels and `tls.mint`"
    parser = subparsers.add_parser("ca", help=summary, description=f"{summary.capitalize()}.", epilog=_EPILOG)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    init = actions.add_parser(
        "init",
        help="make a root and an intermediate",
        description="Make a root that clients trust, and an intermediate that the gateway signs with. "
        "Existing files are never overwritten.",
        epilog="example:\n  gateway ca init pki --host gateway.internal\n",
    )
    _add_signing_arguments(init)
    init.set_defaults(run=run_init)
    renew = actions.add_parser(
        "renew",
        help="replace the intermediate",
        description="Replace the intermediate, which ends after 90 days, by another of the same root. "
        "Clients need nothing. It may sign for the same names, and for those that are given.",
        epilog="example:\n  gateway ca renew pki\n",
    )
    _add_signing_arguments(renew)
    renew.set_defaults(run=run_renew)
    show = actions.add_parser(
        "show",
        help="show the root, in the form that a client takes",
        description="Show the root and its SHA-256, or write it in the form that a client takes. The p12 is "
        "Java's trust store; its password is `changeit`.",
        epilog="example:\n  gateway ca show pki --format p12 --out twilio-gateway.p12\n",
    )
    show.add_argument("directory", type=Path, metavar="DIR", help="or root.pem, or ca.pem")
    show.add_argument("--format", choices=("text", "pem", "der", "p12"), default="text")
    show.add_argument("--out", type=Path, metavar="FILE", help="write to a file instead of standard output")
    show.set_defaults(run=run_show)


def _add_signing_arguments(parser: argparse.ArgumentParser) -> None:
    """What `init` and `renew` need to issue an intermediate."""
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        type=_read_host,
        metavar="NAME",
        dest="hosts",
        help="another name that it may sign for, beside twilio.com; may be repeated",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="take those names from a configuration: `upstream.extra_hosts`, `ca.names`",
    )
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="holds the passphrase of the root's key"
    )


def run_init(args: argparse.Namespace) -> int:
    """Make a CA: 0, 1 if its files cannot be written, or 2 without a passphrase or for wrong arguments."""
    return _write(args, renews=False)


def run_renew(args: argparse.Namespace) -> int:
    """Replace the intermediate: 0, 1 if that fails, or 2 without a passphrase or for wrong arguments."""
    return _write(args, renews=True)


def run_show(args: argparse.Namespace) -> int:
    """Show the root: 0, 1 if it cannot be read or written, 2 for binary output at a terminal."""
    from gateway.ca.authority_files import AuthorityError, read_root
    from gateway.ca.certificate_authority import to_pem
    from gateway.ca.trust_formats import to_der, to_java_trust_store

    try:
        if args.format == "text":
            content = _summarize(args.directory).encode()
        else:
            forms = {"pem": to_pem, "der": to_der, "p12": to_java_trust_store}
            content = forms[args.format](read_root(args.directory))
    except AuthorityError as error:
        return _fail("show", str(error), 1)
    if args.out is not None:
        try:
            args.out.write_bytes(content)
        except OSError as error:
            return _fail("show", f"{args.out} cannot be written ({error.strerror})", 1)
        return 0
    if args.format in ("der", "p12") and sys.stdout.isatty():
        return _fail("show", "this form is binary; add `--out FILE`", 2)
    sys.stdout.buffer.write(content)
    return 0


def _write(args: argparse.Namespace, *, renews: bool) -> int:
    name = "renew" if renews else "init"
    try:
        from gateway.ca.authority_files import AuthorityError, AuthorityFiles
    except ImportError:
        return _fail(name, "needs the cryptography package: pip install 'twilio-gateway[cryptography]'", 2)
    files = AuthorityFiles(args.directory)
    try:
        hosts = [*args.hosts, *_configured_hosts(args.config)]
        if not renews:
            files.require_empty()
        passphrase = _read_passphrase(args.passphrase_file, os.environ, twice=not renews)
        now = datetime.now(UTC)
        if renews:
            files.renew(hosts, passphrase, now)
        else:
            files.create(hosts, passphrase, now)
        text = _RENEWED if renews else _MADE
        paths = _paths_for(args.config, args.directory)
        print(text.format(folder=args.directory, summary=_summarize(args.directory), **paths), end="")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except _PassphraseError as error:
        return _fail(name, str(error), 2)
    except AuthorityError as error:
        return _fail(name, str(error), 1)
    return 0


def _paths_for(config: Path | None, folder: Path) -> dict[str, str]:
    """How a configuration names the gateway's files: relative paths start at its own folder, so that without
    one only a full path leads there."""
    where = str(folder.absolute())
    if config is not None and not folder.is_absolute():
        where = os.path.relpath(folder, config.parent)
    names = {"certificate": f"{where}/ca.pem", "key": f"{where}/ca.key"}
    return {name: path if _PLAIN.fullmatch(path) else json.dumps(path) for name, path in names.items()}


def _summarize(path: Path) -> str:
    """What the root is, and the intermediate if it is there. Raises `AuthorityError`."""
    from gateway.ca.authority_files import CERTIFICATE, read_certificates, read_root
    from gateway.ca.certificate_authority import permitted_names
    from gateway.ca.trust_formats import fingerprint

    root = read_root(path)
    text = _SUMMARY.format(
        subject=root.subject.rfc4514_string(), fingerprint=fingerprint(root), ends=root.not_valid_after_utc
    )
    chain = path / CERTIFICATE if path.is_dir() else path
    if chain.exists() and len(found := read_certificates(chain)) > 1:
        text += _INTERMEDIATE.format(
            subject=found[0].subject.rfc4514_string(),
            ends=found[0].not_valid_after_utc,
            names=", ".join(permitted_names(found[0])),
        )
    return text


def _configured_hosts(config: Path | None) -> list[str]:
    """The names of a configuration that are none of Twilio's. Raises `ConfigError`."""
    if config is None:
        return []
    from gateway.config.loading.load import load_settings

    settings = load_settings(config, os.environ, follow=False).settings
    names = settings.ca.names if settings.ca is not None else ()
    return [name for name in (*settings.upstream.extra_hosts, *names) if not _is_address(name)]


def _read_host(text: str) -> str:
    from gateway.config.schema.values import HOST

    if not HOST.matches(text) or _is_address(text):
        raise argparse.ArgumentTypeError(f"{HOST.message}: {HOST.hint}")
    return text


def _is_address(name: str) -> bool:
    """Whether it is an IPv4 address, for which the CA never signs."""
    return name.replace(".", "").isdigit()


class _PassphraseError(Exception):
    """No passphrase was given; its text says how to give one."""


def _read_passphrase(path: Path | None, environ: Mapping[str, str], *, twice: bool) -> bytes:
    """From the file, the variable or the terminal, in this order. Raises `_PassphraseError`."""
    if path is not None:
        try:
            given = path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise _PassphraseError(f"{path} cannot be read ({error.strerror})") from None
        return _require_some(given, str(path))
    if PASSPHRASE_VARIABLE in environ:
        return _require_some(os.fsencode(environ[PASSPHRASE_VARIABLE]), PASSPHRASE_VARIABLE)
    if not sys.stdin.isatty():
        raise _PassphraseError(
            "the root's key needs a passphrase, and there is no terminal to ask for it: give "
            f"--passphrase-file FILE, or set {PASSPHRASE_VARIABLE}"
        )
    asked = getpass.getpass("Passphrase of the root's key: ")
    if twice and asked != getpass.getpass("The same again: "):
        raise _PassphraseError("the two passphrases differ")
    return _require_some(asked.encode(), "the passphrase")


def _require_some(given: bytes, origin: str) -> bytes:
    if not given.strip():
        raise _PassphraseError(f"{origin} is empty")
    if len(given) > 1023:  # OpenSSL's bound for PEM (PEM_BUFSIZE): a longer one could not be typed again
        raise _PassphraseError(f"{origin} is longer than 1023 bytes")
    return given


def _fail(command: str, why: str, code: int) -> int:
    print(f"gateway ca {command}: {why}", file=sys.stderr)
    return code
