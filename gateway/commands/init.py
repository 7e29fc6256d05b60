"""`gateway init`: writes a commented configuration file to begin with, and makes its consumer's key."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.commands.config_argument import DEFAULT_CONFIG

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_DIGEST: Final = re.compile(r'"sha256:[0-9a-f]{64}"')
_MODELINE: Final = re.compile(r"^# yaml-language-server:.*\n")
"""The schema that it names is not beside the new file."""
_UNKNOWN_KEY: Final = " Nobody knows the key of this one."
_EPILOG: Final = """\
example:
  gateway init /etc/twilio-gateway/gateway.yaml

The file holds no secret: it names the variables that do. A file that is there is not overwritten.
"""
_TEXT: Final = """\
Written: {path}

The key of the consumer `billing`, shown this once. Hand it to the service:

  {key}

Go on with the account and an API key of Twilio's (Console, Account, API keys & tokens):

  export TWILIO_ACCOUNT_SID=AC… TWILIO_API_KEY=SK… TWILIO_API_SECRET=…
  gateway check --config {path}
  gateway serve --config {path}
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `init` to the command line."""
    parser = subparsers.add_parser(
        "init",
        help="write a commented configuration file to begin with",
        description="Write a commented configuration file, and make the key of its consumer.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=DEFAULT_CONFIG,
        metavar="PATH",
        help=f"default: {DEFAULT_CONFIG}",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file and print the key: 0, or 2 if the file is there or cannot be written."""
    from gateway.commands.example_files import example_file
    from gateway.commands.key import new_key
    from gateway.config.schema.values import digest_line

    key = new_key()
    text = example_file("gateway.yaml").read_text("utf-8").replace(_UNKNOWN_KEY, "")
    text = _MODELINE.sub("", text).replace(str(DEFAULT_CONFIG), str(args.path))
    text = _DIGEST.sub(f'"{digest_line(key)}"', text, count=1)
    try:
        args.path.parent.mkdir(parents=True, exist_ok=True)
        with args.path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        there = isinstance(error, FileExistsError) and args.path.exists()
        why = "is there already; name another file" if there else f"cannot be written ({error.strerror})"
        print(f"gateway init: {args.path} {why}", file=sys.stderr)
        return 2
    print(_TEXT.format(path=args.path, key=key), end="")
    return 0
