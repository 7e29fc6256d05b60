"""`gateway serve`: run one replica until it is told to stop."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import uvloop

from gateway.app.gateway import Gateway, open_gateway_log
from gateway.app.process_memory import Trimmer, settle_garbage
from gateway.app.systemd import Notifier
from gateway.config.loading.resolve import load_resolved
from gateway.config.loading.resolved import ResolvedSettings
from gateway.config.problems import ConfigError
from gateway.config.reloading.reloader import Reload, Reloader
from gateway.config.schema.secret_values import SecretEvent
from gateway.secret_stores.secret_cache import SecretCache

_FORCED = 1
_EXAMPLE = "example:\n  TWILIO_API_SECRET=… gateway serve --config config/gateway.yaml"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the gateway",
        description="Run one replica. SIGTERM or SIGINT lets what is in flight finish; a second one ends it. "
        "SIGHUP reads the configuration again.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, default=Path("config/gateway.yaml"), metavar="PATH")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 after a clean stop, 1 after a forced one or without a port, 2 for an unusable configuration."""
    try:
        sources = ConfigurationSource(args.config, os.environ, SecretCache())
        return uvloop.run(serve(sources.load(), sources))
    except ConfigError as error:
        print(error, file=sys.stderr)
        print(
            f"Nothing was started. Mend the above, then: gateway check --config {args.config}",
            file=sys.stderr,
        )
        return 2


class ConfigurationSource(NamedTuple):
    """What a configuration is made of, at the start and at each reload. `remote` is closed by `serve`."""

    path: Path
    environ: Mapping[str, str]
    remote: SecretCache

    def load(self) -> ResolvedSettings:
        """Read it. Raises `ConfigError`."""
        return load_resolved(*self)


async def serve(
    resolved: ResolvedSettings,
    sources: ConfigurationSource,
    announce: Callable[[str, str], None] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, drain, stop; SIGHUP reads the `sources` again.

    `announce` is told the data and the admin URL.
    """
    loop = asyncio.get_running_loop()
    log, writer = open_gateway_log(resolved)
    notifier = Notifier(os.environ)
    trimmer = Trimmer()
    try:
        gateway = Gateway(resolved, log, writer)
        told_to_stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told_to_stop.set)

        def told(reload: Reload) -> None:
            notifier.ready(reload.summary)
            gateway.record_failures(sources.remote.troubles())

        reloader = gateway.make_reloader(sources.load, told)
        loop.add_signal_handler(signal.SIGHUP, _hang_up, reloader, notifier)
        try:
            await gateway.start()
        except OSError as error:
            print(
                f"Cannot listen: {error.strerror or error}. Is another gateway running? "
                "Change `listen` or `admin.listen`, or set GATEWAY__LISTEN.",
                file=sys.stderr,
            )
            return 1
        writer.gather_on(loop)
        settle_garbage()
        trimmer.start(loop)
        if announce is not None:
            announce(gateway.url, gateway.admin_url)
        notifier.beat_on(loop)
        notifier.ready(f"serving on {gateway.url}, admin on {gateway.admin_url}")
        reloader.start()
        _refresh_secrets(sources.remote, gateway, reloader, loop)
        await told_to_stop.wait()
        told_to_stop.clear()
        notifier.stopping("draining")
        reloader.refuse("the gateway is draining")
        code = await _drain(gateway, told_to_stop)
        await reloader.close()
        await asyncio.to_thread(sources.remote.close)
        await gateway.stop()
        return code
    finally:
        trimmer.close()
        notifier.close()
        writer.close()


def _refresh_secrets(
    remote: SecretCache, gateway: Gateway, reloader: Reloader, loop: asyncio.AbstractEventLoop
) -> None:
    """Have what secret stores hold asked for in the background, and take over what has changed."""

    def note(event: SecretEvent, reference: str, why: str) -> None:
        gateway.log_secret(event, reference, why)
        gateway.record_failures(remote.troubles())

    def on_change() -> None:
        loop.call_soon_threadsafe(reloader.trigger, "secret store")

    def on_event(event: SecretEvent, reference: str, why: str) -> None:
        loop.call_soon_threadsafe(note, event, reference, why)

    remote.start(on_change, on_event)
    gateway.show_secret_ages(remote.ages)


def _hang_up(reloader: Reloader, notifier: Notifier) -> None:
    notifier.reloading()
    reloader.trigger("SIGHUP")


async def _drain(gateway: Gateway, told_again: asyncio.Event) -> int:
    """Drain until done (0), or until told a second time (1: what was in flight is broken off)."""
    draining = asyncio.ensure_future(gateway.drain())
    impatient = asyncio.ensure_future(told_again.wait())
    await asyncio.wait((draining, impatient), return_when=asyncio.FIRST_COMPLETED)
    impatient.cancel()
    if ended := draining.done():
        draining.result()
    else:
        draining.cancel()
    await asyncio.gather(draining, impatient, return_exceptions=True)
    return 0 if ended else _FORCED
