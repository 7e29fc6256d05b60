"""The command line's parser: the name and summary of every command, and a hint after each error.

A command's module is imported only when it is asked for, so that `gateway --help` does not wait for aiohttp
and pydantic.
"""

import argparse
import difflib
import gc
import importlib
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Final, NoReturn, TypeAlias

from gateway import __version__
from gateway.build_info import build_kind

COMMANDS: Final = {
    "demo": "run the gateway in front of a simulated Twilio, and print a call that works",
    "init": "write a commented configuration file to begin with",
    "serve": "run the gateway",
    "check": "check a configuration, and show what is wrong",
    "stop": "send nothing more for a consumer, or to a destination",
    "start": "resume what was stopped",
    "access": "print who may do what",
    "diff": "show what another configuration changes, and for whom",
    "explain": "show what the gateway would do with a request, without sending it",
    "explain-webhook": "show whether a webhook's signature matches, or what would have matched",
    "run": "run a program whose calls to Twilio go through the gateway",
    "env": "print the settings of a program, or check where they lead",
    "webhooks": "list the URLs at Twilio that bypass the gateway or would break",
    "ca": "make, renew or show the CA of tunnels and `tls.mint`",
    "key": "make a consumer's key, or the digest of an old one",
    "tail": "print the latest exchanges of a running gateway",
    "log": "find and count exchanges in log files",
    "usage": "print what a consumer used, over all replicas",
    "unknowns": "list creates whose outcome is unknown, or ask Twilio about one again",
    "schema": "print the configuration's JSON Schema or reference",
    "audit": "verify audit trails",
    "completion": "print a script that completes commands in a shell",
    "simulate": "run a Twilio-like upstream for demos and tests",
}
"""Name -> summary. Each is a module of `gateway/commands/` with `add_parser(subparsers)`, which sets
`run`."""


def module_of(command: str) -> str:
    """The dotted name of a command's module."""
    return f"gateway.commands.{command.replace('-', '_')}"


_CHOICE: Final = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")
_EPILOG: Final = """\
begin with:
  gateway demo                                  see it work
  gateway init                                  write config/gateway.yaml, and make a service's key
  gateway check --config config/gateway.yaml    before every start or reload
  gateway serve --config config/gateway.yaml
"""


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command adds its parser to."""


class Parser(argparse.ArgumentParser):
    """Ends each error with a hint. Texts keep their line breaks, in its subparsers as well."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})

    def error(self, message: str) -> NoReturn:
        choice = _CHOICE.search(message)
        if choice is not None:
            known = [name.strip(" '") for name in choice[2].split(",")]
            if close := get_close_matches(choice[1], known, 1):
                message = f"{message}; did you mean `{close[0]}`"
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def build_parser(arguments: Sequence[str]) -> Parser:
    """The parser for `arguments`: complete for the command they name, the summary of the others."""
    parser, subparsers = _begin_parser()
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    if chosen is not None and chosen not in COMMANDS:
        options = {"help": "--help", "version": "--version"}
        close = difflib.get_close_matches(chosen.lower(), [*COMMANDS, *options], n=1)
        close = [options.get(each, each) for each in close]
        parser.error(f"no command is called {chosen!r}" + (f"; did you mean `{close[0]}`?" if close else ""))
    for name, summary in COMMANDS.items():
        if name == chosen:
            _import(name).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


def build_full_parser() -> Parser:
    """The parser with all commands complete, for the completion of shells."""
    parser, subparsers = _begin_parser()
    for name in COMMANDS:
        importlib.import_module(module_of(name)).add_parser(subparsers)
    return parser


def _import(command: str) -> ModuleType:
    """Its module. Collecting garbage meanwhile would take a tenth of the time, and find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module_of(command))
    finally:
        if was_enabled:
            gc.enable()


def _begin_parser() -> tuple[Parser, "argparse._SubParsersAction[Parser]"]:
    parser = Parser(
        prog="gateway",
        description="A credential gateway between a company's services and the Twilio REST API.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"gateway {__version__} ({build_kind()})")
    return parser, parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
