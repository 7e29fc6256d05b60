"""`gateway serve`: run one replica until it is stopped."""

import argparse
import os
import sys
from typing import TYPE_CHECKING

import uvloop

from gateway.app.configuration import ConfigurationSource
from gateway.app.lifecycle import run_gateway
from gateway.app.listen_error import ListenError
from gateway.commands.config_argument import add_config_argument
from gateway.config.loading.resolved import Role
from gateway.config.problems import TEMPORARY_EXIT, ConfigError
from gateway.secret_stores.secret_cache import SecretCache

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EXAMPLE = "example:\n  TWILIO_API_SECRET=… gateway serve --config config/gateway.yaml"


def add_parser(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the gateway",
        description="Run one replica. SIGTERM or SIGINT lets requests in flight finish; a second one cancels "
        "them. SIGHUP reads the configuration again.",
        epilog=_EXAMPLE,
    )
    add_config_argument(parser)
    parser.add_argument(
        "--only",
        choices=("data", "webhooks"),
        help="serve one of the two ports; webhooks alone reads no API key (docs/webhooks.md)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 after a clean stop, 1 after a forced one or without a port, 2 for an unusable configuration, and 75
    if only a secret store that is unavailable makes it so: the service manager starts the gateway again."""
    source = ConfigurationSource(
        args.config, os.environ, SecretCache(), Role.BOTH if args.only is None else Role(args.only)
    )
    try:
        return uvloop.run(run_gateway(source))
    except ListenError as error:
        print(error, file=sys.stderr)
        return 1
    except ConfigError as error:
        print(error, file=sys.stderr)
        if error.temporary:
            audits = any(problem.key == "audit" for problem in error.problems)
            when = "the audit trail can be written" if audits else "the secret store answers"
            print(f"Nothing was started. Start it again when {when}.", file=sys.stderr)
            return TEMPORARY_EXIT
        print(
            f"Nothing was started. Correct the above, then: gateway check --config {args.config}",
            file=sys.stderr,
        )
        return 2
