"""`gateway unknowns`: creates whose outcome is unknown, and asking Twilio about one of them again.

Asks the admin port of one replica, which knows of all of them where they share a Redis, or of several.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gateway.commands.admin_arguments import add_admin_arguments, open_clients
from gateway.commands.admin_client import AdminClient, AdminError
from gateway.commands.tail_table import printable

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_TITLES: Final = ("TIME", "CONSUMER", "ROUTE", "ENDED WITH", "STATE", "LOOKS", "ID")
_SAID: Final = {
    "found": "Twilio has it: {sid}. A repeat gets that message.",
    "absent": "Twilio has no trace of it: it was not done. A repeat is sent.",
    "unknown": "Nobody can tell. Repeats are held as before; look at the Twilio Console.",
    "open": "Not certain yet. The gateway goes on asking.",
}
_EPILOG: Final = """\
examples:
  gateway unknowns
  gateway unknowns --resolve 3f2a…
  gateway unknowns --admin http://10.0.0.1:9090 --admin http://10.0.0.2:9090
  gateway unknowns --json | jq '.[] | select(.consumer == "billing")'

Listed are creates whose answer was lost in the last hour; docs/at-most-once.md says what that means. Twilio
is asked about messages and calls of credentials with `repeat_guard: {ask: true}`.
exit codes: 0 done, 1 no answer, no permission or no such outcome, 2 wrong usage
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `unknowns` to the command line."""
    parser = subparsers.add_parser(
        "unknowns",
        help="list creates whose outcome is unknown, or ask Twilio about one again",
        description="List creates whose outcome is unknown, oldest first, or ask Twilio about one again.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--resolve", metavar="ID", help="ask Twilio about this one again, and say what is known"
    )
    parser.add_argument("--json", action="store_true", help="as /api/unknowns has it")
    add_admin_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when all is printed, 1 without an answer, 2 for a URL that is none."""
    try:
        clients = open_clients(args)
        if args.resolve is not None:
            found = _resolve(clients, args.resolve)
            print(json.dumps(found) if args.json else printable(_SAID[found["state"]].format(**found)))
            return 0
        unknowns = _list(clients)
    except AdminError as error:
        print(printable(f"gateway unknowns: {error}"), file=sys.stderr)
        return 2 if error.wrong_usage else 1
    if args.json:
        print(json.dumps(unknowns, indent=2))
    elif unknowns:
        print("\n".join(render_unknowns(unknowns)))
    else:
        print("Every outcome of the last hour is known.")
    return 0


def _list(clients: Sequence[AdminClient]) -> list[dict[str, Any]]:
    """Those of all replicas, each once."""
    found = {each["id"]: each for client in clients for each in client.get("/api/unknowns", {})["unknowns"]}
    return sorted(found.values(), key=lambda each: each["at"])


def _resolve(clients: Sequence[AdminClient], name: str) -> dict[str, Any]:
    """What the first replica that knows of it finds out. Raises the last one's `AdminError` if none does."""
    for client in clients[:-1]:
        if any(each["id"] == name for each in client.get("/api/unknowns", {})["unknowns"]):
            return _ask_again(client, name)
    return _ask_again(clients[-1], name)


def _ask_again(client: AdminClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.post(f"/api/unknowns/{quote(name, safe='')}/resolve")
    return found


def render_unknowns(unknowns: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line of titles and a line for each, in columns. Pure but for the local time zone."""
    rows = [_TITLES, *map(_row, unknowns)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each["at"]))
    ended = each["slug"] or str(each["status"] or "in flight")
    looks = str(each["looks"]) if each["asks"] else "not asked"
    cells = (at, each["consumer"], each["route"], ended, each["state"], looks, each["id"])
    return tuple(printable(cell) for cell in cells)
