"""`gateway completion`: a script by which a shell completes commands and options."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_SHELLS = ("bash", "zsh")
_EPILOG = """\
examples:
  gateway completion bash > ~/.local/share/bash-completion/completions/gateway
  gateway completion zsh > ~/.zfunc/_gateway        # with fpath+=~/.zfunc before compinit

It needs the shtab package: pip install 'twilio-gateway[completion]'
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `completion` to the command line."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script by which a shell completes `gateway` commands and options.",
        epilog=_EPILOG,
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0, or 2 without the package."""
    try:
        import shtab
    except ImportError:
        hint = "pip install 'twilio-gateway[completion]'"
        print(f"gateway completion: needs the shtab package; {hint}", file=sys.stderr)
        return 2
    from gateway.commands.command_line import build_full_parser

    print(shtab.complete(build_full_parser(), shell=args.shell))
    return 0
