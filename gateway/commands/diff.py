"""`gateway diff`: what another configuration changes, and for whom. Reads no secret and starts nothing."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG = """\
example:
  git show main:config/gateway.yaml > /tmp/old.yaml && gateway diff /tmp/old.yaml config/gateway.yaml

What is compared is what holds for each consumer, with groups and defaults written out: a rule that moves into
a group changes nothing. Secrets are not read; a reference that names another place is no difference here.
exit codes: 0 nothing differs, 1 something does, 2 one of the two cannot be used
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `diff` to the command line."""
    parser = subparsers.add_parser(
        "diff",
        help="show what another configuration changes, and for whom",
        description="Compare two configurations: what changes for which consumer.",
        epilog=_EPILOG,
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="the active configuration")
    parser.add_argument("new", type=Path, metavar="NEW", help="the new one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if nothing differs, else 1; 2 if one of the two cannot be used."""
    from gateway.config.comparison import compare
    from gateway.config.loading.resolve import load_static

    found = compare(load_static(args.old, os.environ), load_static(args.new, os.environ))
    if args.json:
        consumers = [change._asdict() for change in found.consumers]
        print(json.dumps({"consumers": consumers, "settings": found.settings}, indent=2, ensure_ascii=False))
    else:
        for change in found.consumers:
            print(f"consumer {change.name}: {change.kind}")
            for line in change.lines:
                print(f"  {line}")
        for line in found.settings:
            print(line)
        if not found.consumers and not found.settings:
            print("nothing differs")
    return 1 if found.consumers or found.settings else 0
