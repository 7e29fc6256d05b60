"""`gateway audit verify`: whether audit trails are whole."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.config_argument import add_config_argument

if TYPE_CHECKING:
    from gateway.audit.audit_chain import AuditHead
    from gateway.commands.command_line import Subparsers
    from gateway.config.loading.resolved import ResolvedSettings

_EPILOG = """\
examples:
  gateway audit verify audit.log audit.log.1 --heads gateway.log
  gateway audit verify a/audit.log b/audit.log --key-file audit.key --heads a.log --heads b.log

The key is that of `audit.key` in the configuration, or a file's. Heads are the lines `audit head` of the
ordinary log (JSON), and with --store what Redis has kept of them. Without heads, lines that were cut off at
the end of a chain cannot be noticed.
exit codes: 0 whole, 1 something is wrong, 2 wrong usage or configuration
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `audit` to the command line."""
    parser = subparsers.add_parser("audit", help="verify audit trails", description="Verify audit trails.")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = actions.add_parser(
        "verify",
        help="find altered, missing, reordered and cut-off lines",
        description="Find altered, missing, reordered and cut-off lines of trails, of all replicas together.",
        epilog=_EPILOG,
    )
    verify.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a trail, also a rotated one")
    verify.add_argument(
        "--heads", action="append", type=Path, default=[], metavar="LOG", help="an ordinary log; repeat it"
    )
    verify.add_argument("--store", action="store_true", help="ask the configuration's Redis for heads, too")
    verify.add_argument("--key-file", type=Path, metavar="FILE", help="the key, instead of `audit.key`")
    add_config_argument(verify)
    verify.set_defaults(run=run)


class _Unusable(Exception):
    """Its text says what to do."""


def run(args: argparse.Namespace) -> int:
    """0 if the trails are whole, 1 if something is wrong, 2 for what cannot be verified."""
    from gateway.audit.verification import verify

    try:
        key, heads = _read_key_and_heads(args)
        report = verify({str(file): _lines(file) for file in args.files}, key, heads)
    except (_Unusable, OSError) as error:
        print(f"gateway audit verify: {error}", file=sys.stderr)
        return 2
    for fault in report.faults:
        print(f"{fault.where}: {fault.what}")
    print(f"{report.lines} lines of {report.chains} chains: {len(report.faults) or 'no'} faults")
    for chain in report.unproven:
        print(
            f"chain {chain}: the end is unproven, because no head of it is known: later lines may be missing"
        )
    if not report.lines:
        print("no audit lines were found", file=sys.stderr)
    return 1 if report.faults or not report.lines else 0


def _read_key_and_heads(args: argparse.Namespace) -> "tuple[bytes, list[AuditHead]]":
    from gateway.audit.verification import read_heads

    resolved = None
    if args.key_file is None or args.store:
        resolved = _load(args.config)
    if args.key_file is not None:
        key = args.key_file.read_bytes().strip()
    else:
        assert resolved is not None
        if resolved.audit_key is None:
            raise _Unusable(f"{args.config} has no `audit`; name the key's file by --key-file")
        key = resolved.audit_key.reveal().encode()
    heads = [head for log in args.heads for head in read_heads(_plain_lines(log))]
    if args.store and resolved is not None:
        heads += _ask_store(resolved)
    return key, heads


def _load(path: Path) -> "ResolvedSettings":
    from gateway.config.loading.resolve import load_resolved
    from gateway.secret_stores.secret_cache import SecretCache

    return load_resolved(path, os.environ, SecretCache())


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _plain_lines(log: Path) -> Iterator[bytes]:
    """The heads of an ordinary log, whatever `log.schema` it was written with."""
    import orjson

    from gateway.observe.log.log_schema import to_plain

    for text in _lines(log):
        if b"audit head" not in text:
            continue
        try:
            line = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if isinstance(line, dict):
            yield orjson.dumps(to_plain(line))


def _ask_store(resolved: "ResolvedSettings") -> "Iterator[AuditHead]":
    from gateway.app.auditing import HEAD_KEY
    from gateway.audit.audit_chain import AuditHead

    if resolved.store is None:
        raise _Unusable("--store needs `store: redis://…` in the configuration")
    from redis import Redis
    from redis.exceptions import RedisError

    beginning = f"{resolved.settings.store_prefix}:{HEAD_KEY}"
    try:
        with Redis.from_url(resolved.store.reveal(), socket_timeout=10) as store:
            for name in store.scan_iter(match=f"{beginning}*", count=1000):
                value = store.get(name)
                if isinstance(name, bytes) and isinstance(value, bytes):
                    seq, _, mac = value.decode().partition(" ")
                    yield AuditHead(name.decode().removeprefix(beginning), int(seq), mac)
    except RedisError as error:
        raise _Unusable(f"the store does not answer ({type(error).__name__})") from None
