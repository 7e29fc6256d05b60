"""`gateway tail`: the latest exchanges of a running gateway, and those to come.

Asks the admin port; the log has what is older. What goes wrong goes to standard error.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from gateway.commands.admin_arguments import add_token_argument, open_client
from gateway.commands.admin_client import AdminAway, AdminClient, AdminError, Event
from gateway.commands.tail_table import Exchange, Table, printable

if TYPE_CHECKING:
    Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_ADMIN = "http://127.0.0.1:9090"
_MAX = 2000
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 10.0
_INTERRUPTED = 130
_EPILOG = """\
examples:
  gateway tail --follow
  gateway tail --consumer billing --status 5xx
  gateway tail --request-id 3f2a…                the outcome of one request
  gateway tail --route Messages --json | jq .steps

A gateway keeps its 2,000 latest exchanges; the log has those before. On a narrow terminal routes are cut and
columns left out: --json has everything. QUEUE is waiting for our limits and for Twilio's.
exit codes: 0 done, 1 no answer or no permission, 2 wrong usage, 130 interrupted
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `tail` to the command line."""
    parser = subparsers.add_parser(
        "tail",
        help="print the latest exchanges of a running gateway",
        description="Print the latest exchanges of a running gateway, the newest last.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    parser.add_argument("--admin", default=_ADMIN, metavar="URL", help=f"the admin port; default: {_ADMIN}")
    add_token_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when all is printed, 1 without an answer, 2 for a filter that the gateway does not take."""
    try:
        tail = _Tail(open_client(args), _filters(args), _Printer(as_json=args.json))
        found = tail.print_latest(args.limit)
        if args.follow:
            tail.follow()
        if not found:
            _say("No exchange among the latest matches.")
    except AdminError as error:
        _say(f"gateway tail: {error}")
        return 2 if error.wrong_usage else 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _filters(args: argparse.Namespace) -> dict[str, object]:
    names = ("consumer", "status", "route", "slug", "code", "account", "request_id")
    return {name: getattr(args, name) for name in names if getattr(args, name)}


class _Printer:
    """Prints exchanges in the order given, with titles before the first."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        on_terminal = sys.stdout.isatty()
        colour = on_terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._table = Table(colour=colour)
        self._on_terminal = on_terminal
        self._begun = False

    def show(self, exchanges: Iterable[Exchange]) -> None:
        if self._as_json:
            lines = [json.dumps(exchange, ensure_ascii=False) for exchange in exchanges]
        else:
            width = shutil.get_terminal_size().columns if self._on_terminal else None
            lines = self._table.render(exchanges, width)
            if lines and not self._begun:
                lines.insert(0, self._table.header(width))
                self._begun = True
        if lines:
            print("\n".join(lines), flush=True)


class _Tail:
    """Remembers what was printed, to continue without repeats or gaps: exchanges are numbered."""

    def __init__(self, client: AdminClient, filters: dict[str, object], printer: _Printer) -> None:
        self._client = client
        self._filters = filters
        self._printer = printer
        self._last = 0

    def print_latest(self, limit: int) -> int:
        """Print what there is; gives how many."""
        answer = self._client.get("/api/exchanges", {**self._filters, "limit": limit})
        self._last = answer["last_seq"]
        self._printer.show(reversed(answer["exchanges"]))
        return len(answer["exchanges"])

    def follow(self) -> None:
        """Print new exchanges; reconnect after a lost connection. Raises `AdminError` if access is denied."""
        pause = _FIRST_PAUSE_SECONDS
        lost = False
        while True:
            try:
                for event in self._client.events("/api/events", {**self._filters, "after": self._last}):
                    if lost:
                        _say("gateway tail: connected again")
                    lost, pause = False, _FIRST_PAUSE_SECONDS
                    if event.name == "exchanges":
                        self._take(event)
            except AdminAway as error:
                if not lost:
                    _say(f"gateway tail: {error}; trying again")
                lost = True
            time.sleep(pause)
            pause = min(_MAX_PAUSE_SECONDS, pause * 2)

    def _take(self, event: Event) -> None:
        """An event has the newest only, if there were many: the others are asked for."""
        newest: list[Exchange] = event.content["exchanges"]
        skipped: int = event.content["skipped"]
        if skipped:
            between = {"after": self._last, "before": newest[-1]["seq"], "limit": _MAX}
            older = self._client.get("/api/exchanges", {**self._filters, **between})["exchanges"]
            if len(older) < skipped:
                _say(f"gateway tail: {skipped - len(older)} exchanges came too fast to be shown")
            self._printer.show(reversed(older))
        self._printer.show(reversed(newest))
        self._last = newest[0]["seq"] if event.number is None else event.number


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
