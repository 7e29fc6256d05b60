"""`gateway explain-webhook`: whether the gateway would take a webhook, and if not, what would have matched.

Judged by the webhook port's own rules; nothing is sent. Reads what the webhook role reads: no API key.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.commands.config_argument import add_config_argument

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers
    from gateway.webhooks.webhook_explanation import WebhookExplanation

_FORM = "application/x-www-form-urlencoded"
_EPILOG = """\
examples:
  gateway explain-webhook --config config/gateway.yaml --url 'https://hooks.example.com/sms/orders' \\
      --signature RSOYDt4T1cUTdK1PDd93/VVr8B8= --body-file body.txt
  gateway explain-webhook --url 'https://hooks.example.com/events?bodySHA256=…' --signature … \\
      --body-file body.json --content-type application/json

The URL is what Twilio called (its Request Inspector shows it), the signature the X-Twilio-Signature of that
call, the body file its body, byte for byte.
exit codes: 0 it would be relayed, 1 it would be refused, 2 wrong usage or configuration
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `explain-webhook` to the command line."""
    parser = subparsers.add_parser(
        "explain-webhook",
        help="show whether a webhook's signature matches, or what would have matched",
        description="Show whether the gateway would take a webhook, and if not, what would have matched.",
        epilog=_EPILOG,
    )
    add_config_argument(parser)
    parser.add_argument("--url", required=True, metavar="URL", help="what Twilio called")
    parser.add_argument("--signature", required=True, metavar="S", help="the value of X-Twilio-Signature")
    parser.add_argument(
        "--body-file", type=Path, metavar="PATH", help="the request's body; - is standard input"
    )
    parser.add_argument("--content-type", metavar="TYPE", help=f"the body's type (default: {_FORM})")
    parser.add_argument("--method", choices=("GET", "POST"), help="default: POST with a body, else GET")
    parser.add_argument(
        "--settings", metavar="TEXT", default="", help="the value of X-Twilio-Webhooks-Signature-Settings"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if it would be relayed, 1 if it would be refused, 2 for what cannot be judged."""
    # Imported here: `gateway explain-webhook --help` need not wait for pydantic.
    from gateway.app.webhook_options import compile_rules
    from gateway.config.loading.resolve import load_resolved
    from gateway.config.loading.resolved import Role
    from gateway.secret_stores.secret_cache import SecretCache
    from gateway.webhooks.webhook_explanation import explain_webhook
    from gateway.webhooks.webhook_verification import ReceivedEvent

    resolved = load_resolved(args.config, os.environ, SecretCache(), Role.WEBHOOKS)
    assert resolved.webhooks is not None  # the role demands it
    try:
        body = _read_body(args.body_file)
        parts = urlsplit(args.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not args.url.isascii():
            raise ValueError("--url takes the whole URL, as in https://hooks.example.com/sms/orders")
    except (OSError, ValueError) as error:
        print(f"gateway explain-webhook: {error}", file=sys.stderr)
        return 2
    method = args.method or ("POST" if body or args.content_type else "GET")
    named = {"Host": parts.netloc.rpartition("@")[2], "X-Twilio-Signature": args.signature.strip()}
    if body or args.content_type:
        named["Content-Type"] = args.content_type or _FORM
    if args.settings:
        named["X-Twilio-Webhooks-Signature-Settings"] = args.settings
    fields = tuple((name.lower().encode(), name.encode(), value.encode()) for name, value in named.items())
    target = args.url.partition("://")[2]
    target = target[len(parts.netloc) :].partition("#")[0] or "/"
    path, _, query = target.partition("?")
    event = ReceivedEvent(method, path.encode(), query.encode(), target.encode(), fields, body)
    found = explain_webhook(compile_rules(resolved.webhooks), event, args.url)
    if args.json:
        print(json.dumps(found._asdict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(found)))
    return 0 if found.verdict == "relayed" else 1


def _read_body(path: Path | None) -> bytes:
    if path is None:
        return b""
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _lines(found: "WebhookExplanation") -> list[str]:
    """For a person: the verdict first, then what it follows from."""
    lines = [f"{found.verdict}{f': {found.reason}' if found.reason else ''}"]
    rows = {
        "route": found.route,
        "to": found.to,
        "secret": found.secret,
        "match": f"{found.would_match}: {found.hint}" if found.would_match else "",
        "note": found.note,
    }
    return [*lines, *(f"  {name:8}{text}" for name, text in rows.items() if text)]
