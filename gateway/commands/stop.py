"""`gateway stop`: nothing more is sent for a consumer, on all replicas, until `gateway start`."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from gateway.commands.admin_arguments import add_admin_arguments, admin_addresses, open_client_at
from gateway.commands.admin_client import AdminError
from gateway.commands.tail_table import printable

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG: Final = """\
examples:
  gateway {command} billing
  gateway {command} all
  gateway {command} all --prefix +882
  gateway {command} billing --admin http://10.0.0.1:9090 --admin http://10.0.0.2:9090

One replica is enough where they share a Redis; without one, name the admin port of each. What is in flight
is awaited; what waits, and retries, are not sent. Callers get 403 `stopped`. Inbound webhooks go on. It
takes the value of `admin.operate_token`, if the gateway has tokens.
exit codes: 0 in force on every replica, 1 not on all of them within five seconds, 2 wrong usage
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `stop` to the command line."""
    add_stop_arguments(subparsers, "stop", "send nothing more for a consumer, or to a destination", run)


def add_stop_arguments(subparsers: "Subparsers", command: str, summary: str, run: Any) -> None:
    """The arguments of `stop` and `start`."""
    parser = subparsers.add_parser(
        command,
        help=summary,
        description=f"{summary.capitalize()}, on all replicas at once.",
        epilog=_EPILOG.format(command=command),
    )
    parser.add_argument("consumer", metavar="CONSUMER|all", help="a consumer's name, or all of them")
    parser.add_argument(
        "--prefix", default="", metavar="+DIGITS", help="only recipients whose number begins like this"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_admin_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if it is in force on every replica, 1 if not, 2 for what cannot be asked."""
    return change(args, "/api/stops", "stopped")


def change(args: argparse.Namespace, path: str, done: str) -> int:
    """Ask each admin port; print who has it in force."""
    addresses = admin_addresses(args)
    body = {"consumer": args.consumer, "prefix": args.prefix}
    replicas: dict[str, bool] = {}
    code, alone = 0, False
    for address in addresses:
        try:
            answer = open_client_at(address, args.token_env).post(path, body)
        except AdminError as error:
            print(printable(f"gateway: {error}"), file=sys.stderr)
            if error.wrong_usage:
                return 2
            replicas[address] = False
            continue
        alone = alone or answer["shared"] is False
        for each in answer["replicas"]:
            replicas[each["replica"]] = replicas.get(each["replica"], False) or each["done"]
    if alone and len(addresses) == 1:
        code = 1
        print("The store is unavailable: only this replica knows. Name each by --admin.", file=sys.stderr)
    code = code if all(replicas.values()) else 1
    if args.json:
        print(json.dumps({"replicas": replicas, "in_force": code == 0}))
    else:
        for replica, has in sorted(replicas.items()):
            print(printable(f"{replica}: {done if has else 'NO ANSWER'}"))
    return code
