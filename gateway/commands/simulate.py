"""`gateway simulate`: runs the Twilio-like upstream as a process of its own.

It owns the command's arguments and its end; what is simulated is in `twilio_simulator/`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import uvloop

from gateway.commands.simulate_inbound import add_inbound
from twilio_simulator import (
    DEFAULT_ACCOUNT_SID,
    DEFAULT_API_KEY,
    DEFAULT_API_SECRET,
    DEFAULT_AUTH_TOKEN,
    FAULTS,
    SimulatedAccount,
    SimulatedKey,
    Simulator,
    StatusCallbacks,
    WebhookSecret,
    WebhookSender,
)

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_CANNOT_START = 2
_GC_THRESHOLDS = (5_000, 5, 1_000_000)
_EPILOG = f"""\
Secrets come from the environment, with defaults that open nothing but a simulator:
  TWILIO_ACCOUNT_SID  {DEFAULT_ACCOUNT_SID}
  TWILIO_AUTH_TOKEN   {DEFAULT_AUTH_TOKEN}
  TWILIO_API_KEY      {DEFAULT_API_KEY}
  TWILIO_API_SECRET   {DEFAULT_API_SECRET}

While it runs: GET /-/counts, /-/journal, /-/duplicates; GET, POST or DELETE /-/faults; POST /-/reset.
One request alone fails with a header (X-Sim-Fault: status=503, retry-after=1), and any that match with
  curl -d '{{"rules": [{{"match": {{"method": "POST"}}, "fault": "429", "count": 3}}]}}' http://HOST:PORT/-/faults

Faults (seconds may be a range such as 0..8, drawn for each request):
{chr(10).join(f"  {name:<18}{text}" for name, text in FAULTS.items())}
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add `simulate` to the command line."""
    parser = subparsers.add_parser(
        "simulate",
        help="run a Twilio-like upstream for demos and tests",
        description="Run a Twilio-like upstream that keeps its resources in memory and fails on demand.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--listen", type=parse_address, default=("127.0.0.1", 9101), metavar="HOST:PORT",
        help="where to listen (default 127.0.0.1:9101; port 0 takes a free one)",
    )  # fmt: skip
    parser.add_argument("--account-sid", metavar="SID", help="the account (default: TWILIO_ACCOUNT_SID)")
    parser.add_argument(
        "--concurrency-limit", type=int, metavar="N", help="answer 429/20429 above N requests at once"
    )
    parser.add_argument(
        "--service-seconds", type=float, default=0.0, metavar="S", help="mean time a request takes"
    )
    parser.add_argument(
        "--service-sigma", type=float, default=0.0, metavar="X", help="log-normal spread of that time"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of SIDs and chance (default 0)")
    parser.add_argument(
        "--callbacks", action="store_true",
        help="send signed status callbacks of messages that have a StatusCallback",
    )  # fmt: skip
    parser.add_argument(
        "--callbacks-to",
        default="",
        metavar="URL",
        help="reach their hosts here; they are signed as they are",
    )
    parser.set_defaults(run=run)
    add_inbound(parser.add_subparsers(title="instead of that", metavar="inbound"))


def run(args: argparse.Namespace) -> int:
    """Simulate until SIGINT or SIGTERM: 0, or 2 if the address cannot be had."""
    account = read_account(os.environ, args.account_sid)
    callbacks = None
    if args.callbacks:
        sender = WebhookSender([WebhookSecret(account.auth_token)], connect_to=args.callbacks_to)
        callbacks = StatusCallbacks(sender)
    simulator = Simulator([account], seed=args.seed, callbacks=callbacks)
    simulator.faults.concurrency_limit = args.concurrency_limit
    simulator.faults.service_seconds = args.service_seconds
    simulator.faults.service_sigma = args.service_sigma
    # Records only pile up: full collections found nothing and cost up to 200 ms each (wrk, 100,000 messages),
    # which a benchmark would have blamed on the gateway.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(simulator, *args.listen))


def read_account(environ: Mapping[str, str], account_sid: str | None) -> SimulatedAccount:
    """The account to simulate: Twilio's own variables, or the documented defaults. Empty counts as unset."""
    key = SimulatedKey(
        sid=environ.get("TWILIO_API_KEY") or DEFAULT_API_KEY,
        secret=environ.get("TWILIO_API_SECRET") or DEFAULT_API_SECRET,
    )
    return SimulatedAccount(
        sid=account_sid or environ.get("TWILIO_ACCOUNT_SID") or DEFAULT_ACCOUNT_SID,
        auth_token=environ.get("TWILIO_AUTH_TOKEN") or DEFAULT_AUTH_TOKEN,
        keys=(key,),
    )


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:9101` or `[::1]:9101`. Raises argparse.ArgumentTypeError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:9101")
    return host.strip("[]"), int(port)


async def _serve(simulator: Simulator, host: str, port: int) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        await simulator.start(host, port)
    except OSError as error:
        message = f"gateway simulate: cannot listen on {host}:{port}: {error.strerror or error}"
        print(f"{message}. Stop what listens there, or choose another with --listen.", file=sys.stderr)
        return _CANNOT_START
    sid = simulator.directory.accounts[0].sid
    print(
        f"Simulating Twilio on {simulator.url} for account {sid}"
        f" (counts: {simulator.url}/-/counts, faults: {simulator.url}/-/faults; Ctrl+C stops)",
        flush=True,
    )
    try:
        await stopping.wait()
    finally:
        await simulator.stop()
    return 0
