"""`gateway access`: who may do what, with groups and defaults written out. Reads no secret."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from gateway.commands.config_argument import add_config_argument

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG = """\
examples:
  gateway access
  gateway access --consumer billing

Secrets are not read, so it runs anywhere. Keys are shown by the first digits of their digest.
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `access` to the command line."""
    parser = subparsers.add_parser(
        "access",
        help="print who may do what",
        description="Print what each consumer is known by and what it may do, groups and defaults included.",
        epilog=_EPILOG,
    )
    parser.add_argument("--consumer", metavar="NAME", help="only this one, with the rules of named sets")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0, or 2 if the configuration cannot be used or has no such consumer."""
    from gateway.config.access_report import describe_access
    from gateway.config.loading.resolve import load_static

    consumers = load_static(args.config, os.environ).consumers
    if args.consumer is not None:
        if args.consumer not in consumers:
            names = ", ".join(sorted(consumers))
            print(
                f"gateway access: no consumer is called {args.consumer!r}; there are {names}", file=sys.stderr
            )
            return 2
        consumers = {args.consumer: consumers[args.consumer]}
    found = {
        name: describe_access(consumer, expand=args.consumer is not None)
        for name, consumer in sorted(consumers.items())
    }
    if args.json:
        print(json.dumps({name: [row._asdict() for row in rows] for name, rows in found.items()}, indent=2))
        return 0
    for index, (name, rows) in enumerate(found.items()):
        print(f"{chr(10) if index else ''}{name}")
        for row in rows:
            print(f"  {row.title:<14} {row.text}".rstrip())
    return 0
