"""`gateway start`: what `gateway stop` stopped may be sent again."""

import argparse
from typing import TYPE_CHECKING

from gateway.commands.stop import add_stop_arguments, change

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers


def add_parser(subparsers: "Subparsers") -> None:
    """Add `start` to the command line."""
    add_stop_arguments(subparsers, "start", "resume what was stopped", run)


def run(args: argparse.Namespace) -> int:
    """0 if it is in force on every replica, 1 if not, 2 for what cannot be asked."""
    return change(args, "/api/starts", "started")
