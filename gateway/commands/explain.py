"""`gateway explain`: what the gateway would do with a request, and why. Decided by its own steps, never sent.

Reads the configuration (and its secrets, as `check` does); with `--admin` it asks a running gateway how far
limits are used up, and nothing else.
"""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from gateway.commands.admin_arguments import add_token_argument, open_client
from gateway.commands.config_argument import add_config_argument

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers
    from gateway.explanation import Explanation, RequestDraft

_FORM = b"application/x-www-form-urlencoded"
_EPILOG = """\
examples:
  gateway explain --consumer billing POST /api/2010-04-01/Accounts/AC…/Messages.json \\
      --form To=+15005550006 --form From=+15005550006 --form Body=hello
  gateway explain --consumer billing DELETE https://verify.twilio.com/v2/Services/VA…
  gateway explain --consumer billing --admin http://127.0.0.1:9090 --json GET /verify/v2/Services

A good key of the consumer is taken for granted. Phone numbers and messages are printed as you typed them.
exit codes: 0 it would be sent, 1 it would be refused, 2 wrong usage or configuration
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `explain` to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="show what the gateway would do with a request, without sending it",
        description="Show what the gateway would do with a request, and why: route, rule, limits, retries.",
        epilog=_EPILOG,
    )
    parser.add_argument("method", metavar="METHOD", help="GET, HEAD, POST, PUT, PATCH or DELETE")
    parser.add_argument("target", metavar="TARGET", help="a path as sent to the gateway, or a whole URL")
    parser.add_argument("--consumer", required=True, metavar="NAME", help="who calls")
    body = parser.add_mutually_exclusive_group()
    body.add_argument(
        "--form", action="append", default=[], metavar="NAME=VALUE", help="a field of a form body; repeat it"
    )
    body.add_argument("--data", metavar="TEXT", help="the whole body; say what it is by --header")
    parser.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a header field; repeat it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)
    parser.add_argument("--admin", metavar="URL", help="a running gateway's admin port: how full are limits?")
    add_token_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if it would be sent, 1 if it would be refused, 2 for what cannot be decided."""
    # Imported here: `gateway explain --help` need not wait for aiohttp and pydantic.
    from gateway.commands.admin_client import AdminError
    from gateway.config.compile import compile_snapshot
    from gateway.config.loading.resolve import load_resolved
    from gateway.config.paused_collection import paused_collection
    from gateway.explanation import explain
    from gateway.secret_stores.secret_cache import SecretCache

    with paused_collection():
        resolved = load_resolved(args.config, os.environ, SecretCache())
        snapshot = compile_snapshot(resolved)
    try:
        consumer = snapshot.consumers[args.consumer]
        ask = _read_ask(args, f"localhost:{resolved.listen.port}")
        uses = _ask_uses(args)
    except KeyError:
        return _wrong(f"no consumer is called {args.consumer!r}; there are {', '.join(snapshot.consumers)}")
    except (ValueError, AdminError) as error:
        return _wrong(str(error))
    found = explain(snapshot, consumer, ask)
    if args.json:
        print(json.dumps(as_json(found, uses), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(found, uses)))
    return 1 if found.slug else 0


def _wrong(message: str) -> int:
    print(f"gateway explain: {message}", file=sys.stderr)
    return 2


def _read_ask(args: argparse.Namespace, host: str) -> "RequestDraft":
    """The request as a client would send it. Raises `ValueError`."""
    from gateway.explanation import RequestDraft

    fields = [_read_header(text) for text in args.header]
    names = {name.lower() for name, _ in fields}
    body = (args.data or "").encode()
    if args.form:
        pairs = [text.partition("=") for text in args.form]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError("--form takes NAME=VALUE")
        body = urlencode([(name, value) for name, _, value in pairs]).encode()
        if b"content-type" not in names:
            fields.append((b"Content-Type", _FORM))
    if b"host" not in names:
        fields.insert(0, (b"Host", host.encode()))
    if body and not names & {b"content-length", b"transfer-encoding"}:
        fields.append((b"Content-Length", b"%d" % len(body)))
    return RequestDraft(args.method, args.target, tuple(fields), body)


def _read_header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name:
        raise ValueError("--header takes 'NAME: VALUE'")
    return name.encode(), value.strip().encode()


def _ask_uses(args: argparse.Namespace) -> dict[str, float | None]:
    """How much of each limit is used, 0 to 1, by its name. Raises `AdminError`."""
    if args.admin is None:
        return {}
    limits = open_client(args).get("/api/limits", {"consumer": args.consumer})["limits"][args.consumer]
    return {limit["name"]: limit["used"] for limit in limits}


def as_json(found: "Explanation", uses: dict[str, float | None]) -> dict[str, Any]:
    """The explanation as `--json` prints it."""
    outgoing = found.outgoing
    return {
        "verdict": "refused" if found.slug else "sent",
        "gateway_error": found.slug or None,
        "status": found.status or None,
        "message": found.detail or None,
        "would_refuse": found.reported or None,
        "ignored": [{"field": each.name.decode("latin-1"), "reason": each.reason} for each in found.ignored],
        "consumer": found.consumer,
        "method": found.method,
        "product": found.product,
        "route": found.route,
        "rule": found.rule or None,
        "account": found.account or None,
        "credential": found.credential or None,
        "keys": found.keys,
        "limits": [
            {
                "name": limit.name,
                "text": limit.text,
                "per": limit.per,
                "max_wait_seconds": limit.max_wait_us / 1e6,
                "reports": limit.reports,
                "used": uses.get(limit.name),
            }
            for limit in found.limits
        ],
        "idempotent": found.keyed,
        "dropped_fields": found.dropped,
        "deadline_seconds": found.deadline_seconds or None,
        "sent": outgoing
        and {
            "host": outgoing.host,
            "head": outgoing.head,
            "body": None if outgoing.streams else outgoing.body.decode("utf-8", "replace"),
        },
        "outcomes": [
            {"outcome": each.outcome, "then": each.words, "again": each.again} for each in found.outcomes
        ],
    }


def _lines(found: "Explanation", uses: dict[str, float | None]) -> list[str]:
    """For a person: the verdict first, then what it follows from."""
    lines = [f"sent to {found.outgoing.host}" if found.outgoing else f"refused: {found.status} {found.slug}"]
    if found.detail:
        lines.append(_row("because", found.detail))
    if found.reported:
        lines.append(_row("report", f"mode: report lets it through; enforced, it would be {found.reported}"))
    lines += [_row("ignored", f"{each.name.decode('latin-1')}: {each.reason}") for each in found.ignored]
    if found.route:
        lines.append(_row("route", f"{found.method} {found.product} {found.route}"))
    if found.account:
        lines.append(_row("rule", found.rule or "none"))
        lines.append(_row("account", f"{found.account} of credential {found.credential}"))
    if found.outgoing is None:
        return lines
    lines.append(_row("keys", ", then ".join(found.keys)))
    for limit in found.limits:
        used = uses.get(limit.name)
        share = "" if used is None else f", {used:.0%} used"
        mode = ", reports only" if limit.reports else ""
        wait = f", waits up to {limit.max_wait_us / 1e6:g} s" if limit.max_wait_us else ""
        lines.append(_row("limit", f"{limit.name}: {limit.text}, per {limit.per}{wait}{mode}{share}"))
    if not found.limits:
        lines.append(_row("limit", "none"))
    if found.keyed:
        lines.append(_row("key", "Idempotency-Key: sent once, the answer is kept and replayed"))
    lines.append(_row("deadline", f"{found.deadline_seconds:g} s to the answer's head"))
    lines += [_row("wire" if not index else "", line) for index, line in enumerate(found.outgoing.head)]
    if found.dropped:
        lines.append(_row("dropped", ", ".join(found.dropped) + " (see upstream.request_fields)"))
    body = "(streamed)" if found.outgoing.streams else found.outgoing.body.decode("utf-8", "replace")
    if body:
        lines.append(_row("body", body))
    width = max(len(each.outcome) for each in found.outcomes)
    lines += [
        _row("" if index else "if", f"{each.outcome:<{width}}  {each.words}")
        for index, each in enumerate(found.outcomes)
    ]
    return lines


def _row(title: str, text: str) -> str:
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return f"  {title:<9} {shown}"
