"""`gateway schema`: the configuration file's JSON Schema, for editors, or its reference, for people."""

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG = """\
examples:
  gateway schema > gateway.schema.json
  gateway schema --markdown > docs/configuration.md

An editor with a YAML language server checks a file that begins with
  # yaml-language-server: $schema=gateway.schema.json
config/gateway.schema.json is that of this version.
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `schema` to the command line."""
    parser = subparsers.add_parser(
        "schema",
        help="print the configuration's JSON Schema or reference",
        description="Print the JSON Schema of the configuration file.",
        epilog=_EPILOG,
    )
    parser.add_argument("--markdown", action="store_true", help="print the reference, docs/configuration.md")
    parser.add_argument("--log", action="store_true", help="print the fields of the log, docs/log-fields.md")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one of the two: 0."""
    # Imported here: `gateway schema --help` need not wait for pydantic.
    from gateway.config.schema.documentation import editor_schema, render_markdown

    if args.log:
        from gateway.observe.log.log_fields import render_catalogue

        print(render_catalogue(), end="")
    elif args.markdown:
        print(render_markdown(), end="")
    else:
        print(json.dumps(editor_schema(), indent=2, ensure_ascii=False))
    return 0
