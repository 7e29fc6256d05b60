"""`gateway demo`: the gateway in front of the simulator, with new secrets, and a curl line that works.

With `--traffic` a few services call it continuously, so that the live page has something to show.
"""

import argparse
import asyncio
import errno
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import uvloop
from yarl import URL

from gateway.app.configuration import ConfigurationSource
from gateway.app.lifecycle import run_gateway
from gateway.app.listen_error import ListenError
from gateway.commands.demo_authority import DemoAuthority
from gateway.commands.demo_webhooks import DemoWebhooks
from gateway.commands.example_files import example_file
from gateway.commands.key import new_key
from gateway.config.loading.environment import variable_of
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.schema.values import digest_line
from gateway.consumers.account_pinning import MY_ACCOUNT
from gateway.secret_stores.secret_cache import SecretCache
from twilio_simulator import SimulatedAccount, SimulatedKey, Simulator
from twilio_simulator.demo_traffic import SERVICES, Traffic, trouble

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers

_TEXT = """\
The live page:  {admin}/

A simulated Twilio behind a gateway; nothing here reaches the real one. Send a message:

  curl -u {consumer}:{key} {url}/2010-04-01/Accounts/{account}/Messages.json \\
    --data-urlencode To=+15005550006 --data-urlencode From=+15005550001 --data-urlencode "Body=Hello"

The same with Twilio's Python SDK:

  from twilio.rest import Client
  client = Client("{consumer}", "{key}", account_sid="{account}")
  client.api.base_url = "{url}/api"
  client.messages.create(to="+15005550006", from_="+15005550001", body="Hello")

{consumer} is a consumer of this gateway, and that is its key, made for this run. Twilio's own key stays
in here. What "Twilio" saw: {simulator}/-/journal    Metrics: {admin}/metrics    Ctrl+C stops.
"""


_MAX_TRIED = 20
_LAST_PORT = 65_535
_EXAMPLES = """\
examples:
  gateway demo
  gateway demo --traffic
  GATEWAY__LISTEN=127.0.0.1:8081 gateway demo"""


def add_parser(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "demo",
        help="run the gateway in front of a simulated Twilio, and print a call that works",
        description="Run the gateway in front of the simulator, with new secrets. A documented port that is "
        "taken is replaced by the next free one.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="default: config/quickstart.yaml, with --traffic config/traffic.yaml",
    )
    parser.add_argument(
        "--traffic", action="store_true", help="have some services call all the time, for the live page"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM: 0, or 1 if a port is not available. Raises ConfigError."""
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
    config = args.config or example_file("traffic.yaml" if args.traffic else "quickstart.yaml")
    source = ConfigurationSource(config, {**os.environ, **made}, SecretCache())
    taken = _free_ports(source.load())
    if taken:
        print(f"Taken: {', '.join(taken)}. The next free ports are used instead.\n", flush=True)
        others = {variable_of(setting): address for setting, address in taken.values()}
        source = source._replace(environ={**source.environ, **others})
    signal.signal(signal.SIGTERM, _leave)  # until the gateway takes it: the CA's folder must not stay
    with DemoAuthority("quickstart", keys["quickstart"]) as authority:
        return uvloop.run(_demonstrate(source, account, keys, authority, traffic=args.traffic))


def _leave(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _free_ports(resolved: ResolvedSettings) -> dict[str, tuple[str, str]]:
    """Documented addresses that are taken -> (the setting, its next free address).

    What a variable names was chosen, and is not replaced.
    """
    settings = resolved.settings
    addresses = {
        "listen": settings.listen,
        "admin.listen": settings.admin.listen,
        "upstream.connect_to": str(settings.upstream.connect_to or ""),
    }
    found: dict[str, tuple[str, str]] = {}
    used: set[int] = set()
    for setting, address in addresses.items():
        scheme, host, port = _split(address)
        if port is None or variable_of(setting) in os.environ:
            continue
        tried = range(port, min(port + _MAX_TRIED, _LAST_PORT + 1))
        free = next((each for each in tried if each not in used and _is_free(host, each)), port)
        used.add(free)
        if free != port:
            found[f"{host}:{port}"] = (setting, f"{scheme}{host}:{free}")
    return found


def _split(address: str) -> tuple[str, str, int | None]:
    """(scheme with `://` or '', host, port or None)."""
    scheme, separator, rest = address.rpartition("://")
    host, _, port = rest.rpartition(":")
    return scheme + separator, host, int(port) if port.isdigit() and int(port) else None


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio does
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


async def _demonstrate(
    source: ConfigurationSource,
    account: SimulatedAccount,
    keys: Mapping[str, str],
    authority: DemoAuthority,
    *,
    traffic: bool,
) -> int:
    resolved = source.load()
    upstream = URL(str(resolved.settings.upstream.connect_to or ""))
    if upstream.host is None or upstream.port is None:
        return _fail(
            "The demo needs `upstream.connect_to: http://127.0.0.1:9101`: that is where it simulates Twilio.",
            exit_code=2,
        )
    has_tunnels = resolved.settings.ca is None and "quickstart" in resolved.consumers
    if has_tunnels:
        made = authority.write(resolved.settings.upstream.extra_hosts)
        source = source._replace(environ={**source.environ, **made})
    webhooks = None
    if resolved.settings.webhooks is None and "main" in resolved.credentials:
        webhooks = DemoWebhooks(account.sid, account.auth_token, _is_free)
        source = source._replace(environ={**source.environ, **await webhooks.start()})
    simulator = Simulator([account], callbacks=None if webhooks is None else webhooks.callbacks())
    try:
        await simulator.start(upstream.host, upstream.port)
    except OSError:
        return _fail(
            f"{upstream.host}:{upstream.port} is taken. Is another demo running? "
            "Stop it, or set GATEWAY__UPSTREAM__CONNECT_TO=http://127.0.0.1:9102."
        )
    calling: list[asyncio.Task[None]] = []

    def announce(url: str, admin_url: str) -> None:
        text = _describe(next(iter(resolved.consumers)), keys["quickstart"], url, admin_url, simulator.url)
        parts = [text]
        if has_tunnels:
            parts.append(authority.text(url))
        if webhooks is not None:
            parts.append(webhooks.text())
        print("\n".join(parts), flush=True)
        if traffic:
            trouble(simulator.faults)
            chance = random.Random()  # noqa: S311 - makes up traffic, no secret
            calling.append(asyncio.create_task(Traffic(url, keys, chance).run()))

    try:
        return await run_gateway(source, announce)
    except ListenError as error:
        return _fail(str(error))
    finally:
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
        await asyncio.shield(simulator.stop())
        if webhooks is not None:
            await webhooks.close()


def _fail(message: str, exit_code: int = 1) -> int:
    print(message, file=sys.stderr)
    return exit_code


def _describe(consumer: str, key: str, url: str, admin_url: str, simulator_url: str) -> str:
    return _TEXT.format(
        consumer=consumer, key=key, url=url, admin=admin_url, account=MY_ACCOUNT, simulator=simulator_url
    )
