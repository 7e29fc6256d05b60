"""`gateway check`: everything that is wrong with a configuration, in one go. Starts nothing, calls nobody but
the stores that secrets are in."""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gateway.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.config.resolved import ResolvedSettings

    Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DEFAULT_CONFIG = Path("config/gateway.yaml")
_EPILOG = """\
example:
  gateway check --config config/gateway.yaml

Secrets are read, so run it where their variables are set, their files are mounted and their stores can be
reached; none is ever printed.
Problems go to standard error, one per line: FILE:LINE: NAME: what is wrong; what to do.
exit codes: 0 good (perhaps with warnings), 2 not usable
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `check` to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="say what is wrong with a configuration",
        description="Say everything that is wrong with a configuration, and where.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, default=_DEFAULT_CONFIG, metavar="PATH", help=f"default: {_DEFAULT_CONFIG}"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check one file: 0 if the gateway would start with it, else 2."""
    # Imported here: `gateway check --help` need not wait for pydantic.
    from gateway.config.reach import find_vain
    from gateway.config.resolve import load_resolved
    from gateway.config.snapshot import compile_snapshot
    from gateway.secret_stores.remote import RemoteSecrets

    try:
        resolved = load_resolved(args.config, os.environ, RemoteSecrets())
        warnings = (*resolved.warnings, *find_vain(resolved, compile_snapshot(resolved)))
    except ConfigError as error:
        if args.json:
            _print_json({"ok": False, "problems": _plain(error.problems), "warnings": []})
        else:
            print(error, file=sys.stderr)
        return 2
    if args.json:
        _print_json({"ok": True, "problems": [], "warnings": _plain(warnings)} | _counts(resolved))
    else:
        counts = ", ".join(_counted(count, name) for name, count in _counts(resolved).items())
        print(f"{args.config}: ok, {counts}")
        for warning in warnings:
            print(f"warning: {warning}")
    return 0


def _counts(resolved: "ResolvedSettings") -> dict[str, int]:
    return {"credentials": len(resolved.credentials), "consumers": len(resolved.consumers)}


def _counted(count: int, plural: str) -> str:
    return f"{count} {plural.removesuffix('s') if count == 1 else plural}"


def _plain(problems: tuple[Problem, ...]) -> list[dict[str, str]]:
    return [dataclasses.asdict(problem) for problem in problems]


def _print_json(result: dict[str, object]) -> None:
    print(json.dumps(result, indent=2, ensure_ascii=False))
