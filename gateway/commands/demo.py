"""`gateway demo`: the gateway in front of the simulator, with fresh secrets, and a curl line that works.

With `--traffic` a few services call it all the time, so that the live page has something to show.
"""

import argparse
import asyncio
import os
import random
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop
from yarl import URL

from gateway.app.configuration import ConfigurationSource
from gateway.app.lifecycle import run_gateway
from gateway.app.listen_error import ListenError
from gateway.commands.key import new_key
from gateway.config.schema.values import digest_line
from gateway.consumers.account_pinning import MY_ACCOUNT
from gateway.secret_stores.secret_cache import SecretCache
from twilio_simulator import SimulatedAccount, SimulatedKey, Simulator
from twilio_simulator.demo_traffic import SERVICES, Traffic, trouble

_TEXT = """\
The live page:  {admin}/

A simulated Twilio behind a gateway; nothing here reaches the real one. Send a message:

  curl -u {consumer}:{key} {url}/2010-04-01/Accounts/{account}/Messages.json \\
    --data-urlencode To=+15005550006 --data-urlencode From=+15005550001 --data-urlencode "Body=Hello"

The same with Twilio's Python SDK:

  client = twilio.rest.Client("{consumer}", "{key}", account_sid="{account}")
  client.api.base_url = "{url}/api"
  client.messages.create(to="+15005550006", from_="+15005550001", body="Hello")

{consumer} is a consumer of this gateway, and that is its key, made for this run. Twilio's own key stays
in here. What "Twilio" saw: {simulator}/-/journal    Metrics: {admin}/metrics    Ctrl+C stops.
"""


_EXAMPLES = """\
examples:
  gateway demo
  gateway demo --traffic
  GATEWAY__LISTEN=127.0.0.1:8081 gateway demo"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "demo",
        help="run the gateway in front of a simulated Twilio, and print a call that works",
        description="Run the gateway in front of the simulator. Secrets are made anew for each run.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="default: config/quickstart.yaml of a checkout, with --traffic config/traffic.yaml",
    )
    parser.add_argument(
        "--traffic", action="store_true", help="have some services call all the time, for the live page"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM: 0, 1 if a port cannot be had. Raises ConfigError."""
    account = SimulatedAccount(
        sid="AC" + secrets.token_hex(16),
        auth_token=secrets.token_hex(16),
        keys=(SimulatedKey(sid="SK" + secrets.token_hex(16), secret=secrets.token_hex(16)),),
    )
    keys = {name: new_key() for name in ("quickstart", *(SERVICES if args.traffic else ()))}
    made = {
        "TWILIO_ACCOUNT_SID": account.sid,
        "TWILIO_API_KEY": account.keys[0].sid,
        "TWILIO_API_SECRET": account.keys[0].secret,
        **{f"{name.upper()}_KEY_SHA256": digest_line(key) for name, key in keys.items()},
    }
    config = args.config or Path("config/traffic.yaml" if args.traffic else "config/quickstart.yaml")
    source = ConfigurationSource(config, {**os.environ, **made}, SecretCache())
    return uvloop.run(_demonstrate(source, account, keys, traffic=args.traffic))


async def _demonstrate(
    source: ConfigurationSource, account: SimulatedAccount, keys: Mapping[str, str], *, traffic: bool
) -> int:
    resolved = source.load()
    upstream = URL(str(resolved.settings.upstream.connect_to or ""))
    if upstream.host is None or upstream.port is None:
        print(
            "The demo needs `upstream.connect_to: http://127.0.0.1:9101`: that is where it simulates Twilio.",
            file=sys.stderr,
        )
        return 2
    simulator = Simulator([account])
    try:
        await simulator.start(upstream.host, upstream.port)
    except OSError:
        print(
            f"{upstream.host}:{upstream.port} is taken. Is another demo running? "
            "Stop it, or set GATEWAY__UPSTREAM__CONNECT_TO=http://127.0.0.1:9102.",
            file=sys.stderr,
        )
        return 1

    calling: list[asyncio.Task[None]] = []

    def announce(url: str, admin_url: str) -> None:
        consumer = next(iter(resolved.consumers))
        text = _TEXT.format(
            consumer=consumer,
            key=keys["quickstart"],
            url=url,
            admin=admin_url,
            account=MY_ACCOUNT,
            simulator=simulator.url,
        )
        print(text, flush=True)
        if traffic:
            trouble(simulator.faults)
            calling.append(asyncio.create_task(Traffic(url, keys, random.Random()).run()))  # noqa: S311

    try:
        return await run_gateway(source, announce)
    except ListenError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
        await asyncio.shield(simulator.stop())
