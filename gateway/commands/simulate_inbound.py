"""`gateway simulate inbound`: sends a signed event to a URL, as Twilio would, and prints the outcome."""

import argparse
import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_EPILOG = """\
examples:
  gateway simulate inbound message https://hooks.example.com/sms/orders --form Body=Hello
  gateway simulate inbound message https://hooks.example.com/sms/orders --connect-to http://127.0.0.1:8443
  gateway simulate inbound call https://hooks.example.com/voice/orders/start --digits 1 --digits 42

The secret is the variable TWILIO_AUTH_TOKEN's unless --secret-env names another; with --shared-key it is that
key's. A call's TwiML is followed: Gather, Redirect, Record, Dial.
exit codes: 0 answered 2xx, 1 anything else, 2 wrong usage
"""


def add_inbound(subparsers: "Subparsers") -> None:
    """Add `inbound` to the command line."""
    parser = subparsers.add_parser(
        "inbound",
        help="send a signed message or call to a URL",
        description="Send an incoming message or call to a URL, signed as Twilio does.",
        epilog=_EPILOG,
    )
    parser.add_argument("what", choices=("message", "call", "status"), help="what arrives")
    parser.add_argument("url", metavar="URL", help="what Twilio would call")
    parser.add_argument("--connect-to", default="", metavar="URL", help="reach it here, and sign it as it is")
    parser.add_argument(
        "--form", action="append", default=[], metavar="NAME=VALUE", help="a parameter; repeat"
    )
    parser.add_argument(
        "--digits", action="append", default=[], metavar="TEXT", help="for a Gather; repeat it"
    )
    parser.add_argument("--method", choices=("GET", "POST"), default="POST")
    parser.add_argument("--account-sid", metavar="SID", help="default: TWILIO_ACCOUNT_SID")
    parser.add_argument(
        "--secret-env", default="TWILIO_AUTH_TOKEN", metavar="NAME", help="where the secret is"
    )
    parser.add_argument("--shared-key", default="", metavar="ID", help="the secret is a SharedKey's")
    parser.add_argument("--algorithm", choices=("HMAC_SHA1", "HMAC_SHA256"), help="of the signature")
    parser.add_argument("--repeats", type=int, default=0, metavar="N", help="send it again N times")
    parser.add_argument("--wrong-signature", action="store_true", help="sign it wrongly")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if every answer is 2xx."""
    from twilio_simulator import DEFAULT_ACCOUNT_SID, DEFAULT_AUTH_TOKEN, WebhookSecret

    pairs = [text.partition("=") for text in args.form]
    if not all(equals for _, equals, _ in pairs):
        print("gateway simulate inbound: --form takes NAME=VALUE", file=sys.stderr)
        return 2
    fallback = DEFAULT_AUTH_TOKEN if args.secret_env == "TWILIO_AUTH_TOKEN" else ""  # noqa: S105 - a name
    secret = os.environ.get(args.secret_env) or fallback
    if not secret:
        print(f"gateway simulate inbound: the variable {args.secret_env} is not set", file=sys.stderr)
        return 2
    sid = args.account_sid or os.environ.get("TWILIO_ACCOUNT_SID") or DEFAULT_ACCOUNT_SID
    algorithm = args.algorithm or ("HMAC_SHA256" if args.shared_key else "HMAC_SHA1")
    form = _defaults(args.what, sid) | {name: value for name, _, value in pairs}
    signing = WebhookSecret(secret, shared_key=args.shared_key, algorithm=algorithm)
    return asyncio.run(_send(args, form, signing))


def _defaults(what: str, sid: str) -> dict[str, str]:
    common = {"AccountSid": sid, "ApiVersion": "2010-04-01", "From": "+15005550006", "To": "+15005550001"}
    if what == "call":
        return {**common, "CallSid": "CA" + "0" * 32, "CallStatus": "ringing", "Direction": "inbound"}
    message = {**common, "MessageSid": "SM" + "0" * 32, "SmsSid": "SM" + "0" * 32}
    if what == "status":
        return {**message, "MessageStatus": "delivered", "SmsStatus": "delivered"}
    return {**message, "Body": "Hello", "NumMedia": "0", "NumSegments": "1", "FromCity": ""}


async def _send(args: argparse.Namespace, form: dict[str, str], signing: object) -> int:
    from twilio_simulator import CallPlayer, WebhookSecret, WebhookSender

    assert isinstance(signing, WebhookSecret)
    sender = WebhookSender(
        [signing], connect_to=args.connect_to, repeats=args.repeats, wrong_signature=args.wrong_signature
    )
    async with sender:
        result: dict[str, object] = {}
        if args.what == "call":
            played = await CallPlayer(sender, tuple(args.digits)).play(args.url, form)
            result = {"verbs": played.verbs, "ended": played.ended}
        else:
            await sender.send(args.url, form, method=args.method)
        requests = [{"url": each.url, "status": each.status, "body": each.body} for each in sender.sent]
    print(json.dumps({**result, "requests": requests}, indent=2, ensure_ascii=False))
    return 0 if all(200 <= each.status < 300 for each in sender.sent) else 1
