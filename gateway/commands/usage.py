"""`gateway usage`: what one consumer used, of all replicas that share a Redis, or of several admin ports."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gateway.commands.admin_arguments import add_admin_arguments, open_clients
from gateway.commands.admin_client import AdminClient, AdminError
from gateway.commands.tail_table import printable
from gateway.observe.consumer_figures import counts_of, merge_figures
from gateway.observe.live.quantiles import read_quantiles

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG: Final = """\
examples:
  gateway usage billing
  gateway usage billing --admin http://10.0.0.1:9090 --admin http://10.0.0.2:9090
  gateway usage billing --json | jq .figures.codes

Replicas that share a Redis are added up by the first one; without a Redis name each by --admin. Requests are
those of the last 15 minutes, segments and repeats those since the replicas started.
exit codes: 0 printed, 1 no answer, no permission or no such consumer, 2 wrong usage
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `usage` to the command line."""
    parser = subparsers.add_parser(
        "usage",
        help="print what a consumer used, over all replicas",
        description="Print what a consumer used: requests, errors, limits, segments, SDKs and callers.",
        epilog=_EPILOG,
    )
    parser.add_argument("consumer", metavar="CONSUMER", help="its name in the configuration")
    parser.add_argument("--json", action="store_true", help="figures as /api/consumers/NAME/figures has them")
    add_admin_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when it is printed, 1 without an answer, 2 for a URL that is none."""
    try:
        clients = open_clients(args)
        found = _collect(clients, args.consumer)
    except AdminError as error:
        print(printable(f"gateway: {error}"), file=sys.stderr)
        return 2 if error.wrong_usage else 1
    if args.json:
        print(json.dumps(found))
        return 0
    for line in _lines(found):
        print(printable(line))
    for note in found["notes"]:
        print(printable(note), file=sys.stderr)
    return 0


def _collect(clients: list[AdminClient], consumer: str) -> dict[str, Any]:
    """The figures of all; a replica that another one has answered for is not asked. Raises `AdminError`."""
    path = f"/api/consumers/{quote(consumer, safe='')}/figures"
    figures: list[dict[str, Any]] = []
    replicas: list[str] = []
    notes: list[str] = []
    uses: dict[str, float] = {}
    for client in clients:
        if figures and client.get("/api/replicas", {})["here"] in replicas:
            continue
        answer = client.get(path, {"replica": "all"})
        figures.append(answer["figures"])
        replicas += answer["replicas"]
        notes += [answer["note"]] if answer["note"] and len(clients) == 1 else []
        for name, used in answer["uses"].items():  # each replica counts alone where no store is shared
            uses[name] = max(used, uses.get(name, 0.0))
    return {
        "consumer": consumer,
        "replicas": replicas,
        "notes": notes,
        "uses": uses,
        "figures": merge_figures(figures),
    }


def _lines(found: dict[str, Any]) -> list[str]:
    figures, names = found["figures"], found["replicas"]
    p50, p95 = read_quantiles(counts_of(figures, "durations"), (0.5, 0.95))
    times = "" if p50 is None or p95 is None else f", p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
    lines = [
        f"{found['consumer']}: {figures['requests']} requests, {figures['errors']} errors, of them "
        f"{figures['refusals']} refused by the gateway, in 15 minutes{times}",
        f"  of {len(names)} {'replica' if len(names) == 1 else 'replicas'}: {', '.join(names)}",
    ]
    if found["uses"]:
        uses = (f"{name} {used:.0%}" for name, used in found["uses"].items())
        lines.append(f"  limits used: {', '.join(uses)}")
    for title, name in (
        ("errors of the gateway", "slugs"),
        ("errors of Twilio", "codes"),
        ("SDKs", "sdks"),
        ("segments since the start", "segments"),
    ):
        if figures[name]:
            lines.append(f"  {title}: {', '.join(f'{each} {count}' for each, count in figures[name])}")
    if figures["addresses"]:
        callers = (f"{address} {calls}" for address, calls, _ in figures["addresses"])
        lines.append(f"  callers of the {figures['latest']} latest: {', '.join(callers)}")
    return lines
