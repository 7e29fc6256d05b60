"""`gateway webhooks audit`: which URLs Twilio has been given that do not lead through the gateway, or break.

Reads numbers, messaging services and applications by the API, with the keys of the configuration, and changes
nothing.
"""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.commands.config_argument import add_config_argument

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG = """\
example:
  gateway webhooks audit --config config/gateway.yaml

Each URL is relayed, breaks (refused, or it never arrives), has no route (404), or bypasses the gateway.
Queries are not printed.
exit codes: 0 all are relayed, 1 some are not, 2 wrong usage or configuration, 3 some could not be read
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `webhooks` to the command line."""
    parser = subparsers.add_parser(
        "webhooks",
        help="list the URLs at Twilio that bypass the gateway or would break",
        description="Look after the webhooks that are configured at Twilio.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    audit = commands.add_parser(
        "audit",
        help="list the URLs at Twilio that bypass the gateway, have no route, or would break",
        description="List the URLs of numbers, messaging services and applications that do not work here.",
        epilog=_EPILOG,
    )
    add_config_argument(audit)
    audit.add_argument("--all", action="store_true", help="list those that are relayed, too")
    audit.add_argument("--json", action="store_true", help="print one JSON object")
    audit.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if all URLs are relayed, 1 if some are not, 3 if some could not be read."""
    # Imported here: `gateway webhooks --help` need not wait for pydantic.
    from gateway.app.configuration import ConfigurationSource, make_configuration
    from gateway.commands.webhook_urls import ListError, read_all_given
    from gateway.secret_stores.secret_cache import SecretCache
    from gateway.webhooks.url_audit import UrlVerdict, judge_url

    configuration = make_configuration(ConfigurationSource(args.config, os.environ, SecretCache()).load())
    if configuration.webhooks is None:
        print("gateway webhooks audit: the configuration has no `webhooks`", file=sys.stderr)
        return 2
    rules, transport = configuration.webhooks.rules, configuration.options.transport
    rows: list[dict[str, str]] = []
    unread: list[str] = []
    for credential in configuration.snapshot.credentials.values():
        for given in read_all_given(credential, transport):
            if isinstance(given, ListError):
                unread.append(str(given))
                continue
            judged = judge_url(rules, given.account_sid, given.url)
            rows.append(
                {
                    "verdict": judged.verdict.value,
                    "account": given.account_sid,
                    "sid": given.sid,
                    "name": given.name,
                    "field": given.field,
                    "url": _without_query(given.url),
                    "route": judged.route,
                    "detail": judged.detail,
                }
            )
    bad = [row for row in rows if row["verdict"] != UrlVerdict.RELAYED]
    if args.json:
        print(json.dumps({"urls": rows if args.all else bad, "unread": unread}, indent=2, ensure_ascii=False))
    else:
        _print(rows if args.all else bad, unread, total=len(rows), bad=len(bad))
    return 3 if unread else 1 if bad else 0


def _print(rows: list[dict[str, str]], unread: list[str], *, total: int, bad: int) -> None:
    for row in sorted(rows, key=lambda row: (row["verdict"], row["name"])):
        print(f"{row['verdict']:9} {row['sid']} {row['name']} {row['field']}: {row['url']}")
        if row["detail"]:
            print(f"{'':9} {row['detail']}")
    for text in unread:
        print(f"not read  {text}")
    print(f"{total} URLs, {total - bad} relayed by the gateway, {bad} not")


def _without_query(url: str) -> str:
    """A query may hold what is not for a terminal's history."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")
