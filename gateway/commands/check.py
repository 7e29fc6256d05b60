"""`gateway check`: everything that is wrong with a configuration, in one run. Starts nothing, and calls
only the stores that secrets are in and, with `--online`, Twilio."""

import argparse
import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.commands.config_argument import add_config_argument
from gateway.config.problems import TEMPORARY_EXIT, ConfigError, Problem

if TYPE_CHECKING:
    from gateway.app.configuration import Configuration
    from gateway.commands.command_line import Subparsers
    from gateway.config.loading.resolved import ResolvedSettings
    from gateway.upstream.key_probe import KeyTrial

_EPILOG = """\
example:
  gateway check --config config/gateway.yaml

Secrets are read, so run it where their variables are set, their files are mounted and their stores can be
reached; none is ever printed. With --static it runs anywhere: references are not followed, and certificates
are not read.
Problems go to standard error, one per line: FILE:LINE: NAME: what is wrong; what to do.
exit codes: 0 good (perhaps with warnings), 2 not usable, 75 not usable for the time being (a secret store is
unavailable, the audit trail cannot be written, an address is not this machine's);
with --online also 1 if Twilio refuses a key, and 3 if it refuses none, but some could not be tried
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `check` to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="check a configuration, and show what is wrong",
        description="Say everything that is wrong with a configuration, and where.",
        epilog=_EPILOG,
    )
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument(
        "--only",
        choices=("data", "webhooks"),
        help="check what `gateway serve --only` needs of it: webhooks alone reads no API key",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--online", action="store_true", help="try each Twilio key with one read, and tell which work"
    )
    where.add_argument(
        "--static",
        action="store_true",
        help="read no secret and no mounted file, only the configuration itself: for CI",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check one file: 0 if the gateway would start with it, else 2 or 75. Online, 1 and 3 tell of keys."""
    # Imported here: `gateway check --help` need not wait for pydantic.
    from gateway.app.configuration import ConfigurationSource, make_configuration
    from gateway.app.listen_trial import find_unopenable
    from gateway.app.requirements import find_unwritable
    from gateway.config.checking.guard_notes import describe_guard
    from gateway.config.lint import find_lint, find_warnings_beside
    from gateway.config.loading.resolve import load_static
    from gateway.config.loading.resolved import Role
    from gateway.config.paused_collection import paused_collection
    from gateway.secret_stores.secret_cache import SecretCache

    role = Role.BOTH if args.only is None else Role(args.only)
    resolved = None
    try:
        with paused_collection():
            if args.static:
                resolved = load_static(args.config, os.environ, role)
            else:
                resolved = ConfigurationSource(args.config, os.environ, SecretCache(), role).load()
            configuration = make_configuration(resolved)
            warnings = (*resolved.warnings, *find_lint(resolved, configuration.snapshot))
            if not args.static:
                needed, unwritable = find_unwritable(resolved, configuration.options)
                warnings = (*warnings, *unwritable)
                if needed := [*needed, *find_unopenable(resolved)]:
                    raise ConfigError(needed, configuration.snapshot)
                if role is not Role.WEBHOOKS:
                    _require_no_loop(configuration, online=args.online)
    except ConfigError as error:
        return _report_problems(error, find_warnings_beside(error, resolved), as_json=args.json)
    trials = _try_keys(configuration) if args.online else []
    if args.json:
        found: dict[str, object] = {"ok": True, "problems": [], "warnings": _plain(warnings)}
        online = {"keys": [trial._asdict() for trial in trials]} if args.online else {}
        _print_json(found | _counts(resolved) | online)
    else:
        counts = ", ".join(_counted(count, name) for name, count in _counts(resolved).items())
        print(f"{args.config}: ok, {counts}")
        for warning in warnings:
            print(f"warning: {warning}")
        if resolved.consumers and not args.online:
            for note in describe_guard(resolved.settings):  # for people
                print(f"note: {note}")
        _print_trials(trials)
    return _judge({trial.verdict for trial in trials})


def _report_problems(error: ConfigError, warnings: Iterable[Problem], *, as_json: bool) -> int:
    """The exit code: 75 if the configuration may be usable later, else 2."""
    if as_json:
        _print_json({"ok": False, "problems": _plain(error.problems), "warnings": _plain(warnings)})
    else:
        print(error, file=sys.stderr)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
    return TEMPORARY_EXIT if error.temporary else 2


def _require_no_loop(configuration: "Configuration", *, online: bool) -> None:
    """Raises `ConfigError` as `serve` does. Twilio's names are looked up online only."""
    from gateway.app.upstream_loops import require_no_loop, upstream_names

    transport = configuration.options.transport
    if online or transport.connect_to is not None or transport.proxy is not None:
        asyncio.run(require_no_loop(configuration.options, upstream_names(configuration.snapshot)))


def _try_keys(configuration: "Configuration") -> "list[KeyTrial]":
    """Ask Twilio, as the gateway would reach it."""
    from gateway.upstream.key_probe import try_keys

    return asyncio.run(try_keys(configuration.snapshot.credentials.values(), configuration.options.transport))


def _print_trials(trials: "list[KeyTrial]") -> None:
    """One line per key, in columns."""
    for trial in trials:
        line = f"{trial.verdict:9}  {trial.credential:20}  {trial.account:11}  {trial.key:11}  {trial.detail}"
        print(line.rstrip())


def _judge(verdicts: set[str]) -> int:
    """The exit code."""
    if "refused" in verdicts:
        return 1
    return 3 if "not tried" in verdicts else 0


def _counts(resolved: "ResolvedSettings") -> dict[str, int]:
    return {"credentials": len(resolved.credentials), "consumers": len(resolved.consumers)}


def _counted(count: int, plural: str) -> str:
    return f"{count} {plural.removesuffix('s') if count == 1 else plural}"


def _plain(problems: Iterable[Problem]) -> list[dict[str, object]]:
    return [dataclasses.asdict(problem) for problem in problems]


def _print_json(result: dict[str, object]) -> None:
    print(json.dumps(result, indent=2, ensure_ascii=False))
