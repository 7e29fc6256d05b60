"""`gateway run`: runs a program whose calls to Twilio go through the gateway, unmodified, without a key."""

import argparse
import asyncio
import base64
import os
import re
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.commands.gateway_address import GatewayAddress, add_address_arguments, read_address
from gateway.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.client_relay.former_proxies import FormerProxies
    from gateway.client_relay.program import SignalsSentOn
    from gateway.commands.command_line import Subparsers

_USER_NAME: Final = re.compile(r"[!-9;-~]+")
"""As Basic carries it: the first colon ends it (RFC 7617 2). Names of `usernames` are good, too."""
_EPILOG: Final = """\
examples:
  gateway run --config config/gateway.yaml --consumer billing --key-file billing.key -- python send.py
  gateway run --gateway http://gateway:8080 --ca root.pem --consumer billing --key-file key -- node app.js

A proxy on 127.0.0.1 leads Twilio's hosts to the gateway, as this consumer, for as long as the program runs;
other hosts are reached as before. The program finds it by the usual variables, and trusts the gateway's root.
Neither the key nor secrets of Twilio's are in its environment. docs/clients/ says what each client needs.
exit codes: the program's; 2 wrong usage, 126 and 127 if the program cannot be started
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `run` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run a program whose calls to Twilio go through the gateway",
        description="Run a program whose calls to Twilio go through the gateway.",
        epilog=_EPILOG,
        usage="%(prog)s (--config FILE | --gateway URL --ca FILE) --consumer NAME --key-file FILE -- COMMAND",
    )
    add_address_arguments(parser)
    parser.add_argument("--consumer", required=True, metavar="NAME", help="who the program is to the gateway")
    parser.add_argument(
        "--key-file", required=True, type=Path, metavar="FILE", help="holds the consumer's key"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the program, behind --")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The program's exit code. Raises ConfigError."""
    from gateway.client_relay.former_proxies import UnusableProxy, read_former_proxies
    from gateway.client_relay.program import SignalsSentOn, end_like

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise ConfigError(
            [Problem("gateway run", "no program is named", "write it behind --: -- python send.py")]
        )
    if not _USER_NAME.fullmatch(args.consumer):
        raise ConfigError(
            [Problem("--consumer", "is no consumer's name", "name the consumer, such as billing")]
        )
    environ = dict(os.environ)
    address = read_address(args, environ)
    key = _read_key(args.key_file)
    try:
        former = read_former_proxies(environ)
    except UnusableProxy as error:
        raise ConfigError([Problem("environment", str(error))]) from None
    signals = SignalsSentOn()
    code = asyncio.run(_run(command, environ, address, args.consumer, key, former, signals))
    return end_like(code)


async def _run(  # the parts of one call
    command: list[str],
    environ: dict[str, str],
    address: GatewayAddress,
    consumer: str,
    key: str,
    former: "FormerProxies",
    signals: "SignalsSentOn",
) -> int:
    from gateway.client_relay.program import ProgramNotStarted, run_program
    from gateway.client_relay.program_environment import build_environment
    from gateway.client_relay.relay import GatewayRoute, Relay
    from gateway.client_relay.trust_files import write_trust_files

    login = "Basic " + base64.b64encode(f"{consumer}:{key}".encode()).decode()
    route = GatewayRoute(
        address.host, address.port, address.tls(), login, address.is_twilio, address.server_name
    )
    relay = Relay(route, former, _Complaints().add)
    with tempfile.TemporaryDirectory(prefix="gateway-run-") as folder:  # mode 0700
        trust = write_trust_files(Path(folder), address.root, environ, _warn)
        await relay.start()
        try:
            secrets = {key, *(environ.get(name, "") for name in address.variables)}
            child_environ = build_environment(environ, relay.port, trust, secrets, address.extra_hosts)
            return await run_program(command, child_environ, signals)
        except ProgramNotStarted as error:
            _warn(str(error))
            return error.code
        finally:
            await relay.close()


class _Complaints:
    """What keeps the gateway from being reached, each once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def add(self, why: str) -> None:
        """Say it on standard error."""
        if why not in self._told:
            self._told.add(why)
            _warn(f"the gateway is not there: {why}")


def _read_key(path: Path) -> str:
    """Whether it is the right one is the gateway's business. Raises ConfigError."""
    from gateway.config.schema.secret_values import SecretError, judge

    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(
            [
                Problem(
                    str(path),
                    f"cannot be read ({error.strerror})",
                    "name the file that holds the consumer's key",
                )
            ]
        ) from None
    if stat.S_ISREG(mode) and mode & 0o077:
        _warn(f"others may read {path}; chmod 600 {path}")
    try:
        return judge(text, str(path)).reveal()
    except SecretError as error:
        raise ConfigError([Problem(str(path), error.message, error.hint)]) from None


def _warn(text: str) -> None:
    print(f"gateway run: {text}", file=sys.stderr, flush=True)
