"""`gateway tail`: the latest exchanges of a running gateway, and those to come.

Asks the admin port; the log has what is older. What goes wrong goes to standard error.
"""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from gateway.commands.admin_arguments import add_admin_arguments, admin_addresses, open_client_at
from gateway.commands.admin_client import AdminError
from gateway.commands.tail_sources import Follower, Source
from gateway.commands.tail_table import Exchange, Table, printable

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_MAX = 2000
_INTERRUPTED = 130
_EPILOG = """\
examples:
  gateway tail --follow --wide
  gateway tail --consumer billing --status 5xx
  gateway tail --request-id 3f2a…                the outcome of one request
  gateway tail --route Messages --json | jq .steps
  gateway tail --admin http://10.0.0.1:9090 --admin http://10.0.0.2:9090

One replica answers for all that share its Redis; without one, name the admin port of each. A replica keeps
its 2,000 latest exchanges; the log has those before. On a narrow terminal routes are cut and columns left
out: --json has everything. QUEUE is waiting for our limits and for Twilio's.
exit codes: 0 done, 1 no answer or no permission, 2 wrong usage, 130 interrupted
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `tail` to the command line."""
    parser = subparsers.add_parser(
        "tail",
        help="print the latest exchanges of a running gateway",
        description="Print the latest exchanges of a running gateway, the newest last.",
        epilog=_EPILOG,
    )
    parser.add_argument("--consumer", metavar="NAME", help="of this consumer; (unknown) for unknown callers")
    parser.add_argument("--status", metavar="STATUS", help="with this status, or of this class: 404, 4xx")
    parser.add_argument("--route", metavar="PART", help="whose route has this in it, in any case: Messages")
    parser.add_argument("--slug", metavar="SLUG", help="refused or failed with this slug: rate_limited")
    parser.add_argument("--code", metavar="CODE", help="with this code of Twilio's: 21211")
    parser.add_argument("--account", metavar="SID", help="that went to this account, in full or masked")
    parser.add_argument("--request-id", metavar="ID", help="with this X-Request-Id")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help=f"how many at most, up to {_MAX}; default: 20"
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on with those to come, until Ctrl+C")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per line, as /api/exchanges has it"
    )
    parser.add_argument(
        "--replica",
        default="all",
        metavar="NAME",
        help="of this replica of those that share a Redis; default: all",
    )
    add_admin_arguments(parser)
    parser.add_argument(
        "--wide",
        "-w",
        action="store_true",
        help="more columns: key, address, SDK, rule, SID and outcome; lines are not cut",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when all is printed, 1 without an answer, 2 for a filter that the gateway does not take."""
    try:
        return _tail(args, _Printer(as_json=args.json, wide=args.wide))
    except AdminError as error:
        _say(f"gateway tail: {error}")
        return 2 if error.wrong_usage else 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _tail(args: argparse.Namespace, printer: "_Printer") -> int:
    addresses = admin_addresses(args)
    replica = args.replica if len(addresses) == 1 else ""
    sources = [Source(open_client_at(url, args.token_env), _filters(args), replica) for url in addresses]
    found: list[Exchange] = []
    failed: AdminError | None = None
    for source in sources:
        try:
            found += source.latest(args.limit)
        except AdminError as error:
            if len(sources) == 1 or error.wrong_usage:
                raise
            failed = error
            _say(f"gateway tail: {error}")
        if source.note:
            _say(f"gateway tail: {source.note}")
    found.sort(key=lambda exchange: (exchange["at"], exchange["seq"]))
    printer.with_replica = (
        len(sources) > 1 or len(sources[0].replicas | {_replica(each) for each in found}) > 1
    )
    printer.show(found[-args.limit :])
    if args.follow:
        signal.signal(signal.SIGINT, _leave)
        Follower(sources, printer.show, _say).run()
    if not found and failed is None:
        _say("No exchange among the latest matches.")
    return 0 if failed is None else 1


def _leave(*_: object) -> NoReturn:
    """Ctrl+C: at once. A KeyboardInterrupt that is raised within a finalizer is ignored by Python."""
    os._exit(_INTERRUPTED)


def _replica(exchange: Exchange) -> str:
    return str(exchange.get("replica", ""))


def _filters(args: argparse.Namespace) -> dict[str, object]:
    names = ("consumer", "status", "route", "slug", "code", "account", "request_id")
    return {name: getattr(args, name) for name in names if getattr(args, name)}


class _Printer:
    """Prints exchanges in the order given, with titles before the first."""

    def __init__(self, *, as_json: bool, wide: bool) -> None:
        self._as_json = as_json
        on_terminal = sys.stdout.isatty()
        colour = on_terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._table = Table(colour=colour, wide=wide)
        self._on_terminal = on_terminal
        self._begun = False
        self.with_replica = False

    def show(self, exchanges: Iterable[Exchange]) -> None:
        if self._as_json:
            lines = [json.dumps(exchange, ensure_ascii=False) for exchange in exchanges]
        else:
            self._table.with_replica = self.with_replica
            width = shutil.get_terminal_size().columns if self._on_terminal else None
            lines = self._table.render(exchanges, width)
            if lines and not self._begun:
                lines.insert(0, self._table.header(width))
                self._begun = True
        if lines:
            print("\n".join(lines), flush=True)


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
