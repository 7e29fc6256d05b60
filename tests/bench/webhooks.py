"""Verified events a second that the webhook port relays on one core, over what a bare aiohttp relay does.

`python -m tests.bench.webhooks [--seconds 5] [--rounds 3]`. Both stand in front of the same service and are
measured by turns with the same signed forms of incoming messages; the gateway verifies each, signs it anew,
logs and counts it. CPU time is the steadier measure on a machine that others use: what it leaves room for on
one core is printed. Memory is that before the first round and after the last. Then the data port's latency
while hostile callers (`tests.bench.hostile`) are at the webhook port, which is a process of its own.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import uvloop
import yaml

from tests.bench.latency import measure as measure_latency
from tests.bench.memory import MIB, rss_bytes
from tests.bench.processes import (
    Cores,
    Started,
    started,
    started_gateway,
    started_relay,
    started_upstream,
)
from tests.bench.throughput import Load, measure
from tests.support.running import configuration
from tests.support.webhooks import PUBLIC_URL, WEBHOOK_ENVIRON, message, settings, sign_form

_FORMS = 500
_PATH = "/sms/orders"
_RATE = 200.0
_WANTED = 1500


def wrk_script() -> str:
    """wrk's script: messages that differ, each with its own signature, by turns."""
    rows = []
    for number in range(_FORMS):
        form = message(MessageSid=f"SM{number:032x}", Body=f"Order {number} please, thank you")
        signature = sign_form(PUBLIC_URL + _PATH, form)
        rows.append(f'{{"{urlencode(form)}", "{signature}"}}')
    return f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
wrk.headers["User-Agent"] = "TwilioProxy/1.1"
wrk.headers["Accept"] = "*/*"
local rows = {{{",".join(rows)}}}
local number = 0
function request()
  number = number % {_FORMS} + 1
  wrk.headers["X-Twilio-Signature"] = rows[number][2]
  return wrk.format(nil, "{_PATH}", nil, rows[number][1])
end
"""


@contextmanager
def started_webhooks(core: int | None, service: str, folder: Path) -> Iterator[Started]:
    """`gateway serve --only webhooks`; its `url` is that of the webhook port."""
    route = {"path": _PATH, "to": f"{service}/twilio/sms", "concurrency": 1000}
    config = folder / "webhooks.yaml"
    section = settings(service, route, connections=10_000, connections_per_address=10_000)
    config.write_text(
        yaml.safe_dump(configuration("http://127.0.0.1:9", webhooks=section, log={"format": "json"}))
    )
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--only", "webhooks"]
    with started(command, core, WEBHOOK_ENVIRON) as gateway:
        yield Started(gateway.webhooks_url, gateway.pid, gateway.admin_url)


def compare(seconds: float, rounds: int) -> tuple[dict[str, list[Load]], tuple[int, int]]:
    """By turns: the bare relay and the webhook port; and the port's memory before and after."""
    cores = Cores.found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        script = folder / "events.lua"
        script.write_text(wrk_script())
        service = stack.enter_context(started_upstream(cores.load)).url
        servers = {
            "bare relay": stack.enter_context(started_relay(cores.measured, service)),
            "webhooks": stack.enter_context(started_webhooks(cores.measured, service, folder)),
        }
        for server in servers.values():
            measure(server, 1, cores.load, script)
        before = rss_bytes(servers["webhooks"])
        loads: dict[str, list[Load]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                loads[name].append(measure(server, seconds, cores.load, script))
        return loads, (before, rss_bytes(servers["webhooks"]))


def compare_latency(seconds: float, crowds: dict[str, int]) -> dict[str, list[float]]:
    """Milliseconds of the data port's answers: alone, and while hostile callers are at the webhook port."""
    cores = Cores.found()
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        upstream = stack.enter_context(started_upstream(cores.load, delay_ms=20.0)).url
        data = stack.enter_context(started_gateway(cores.measured, upstream, folder))
        hooks = stack.enter_context(started_webhooks(cores.load, upstream, folder))
        _ask(data, 1)
        found["alone"] = _ask(data, seconds)
        for kind, count in crowds.items():
            command = [sys.executable, "-m", "tests.bench.hostile", "--crowd", kind, str(count), hooks.url]
            stack.enter_context(started(command, cores.load))
        found["webhook port beset"] = _ask(data, seconds)
    return found


def _ask(server: Started, seconds: float) -> list[float]:
    times = uvloop.run(measure_latency(server, _RATE, seconds))
    assert None not in times, "an answer that is no 2xx"
    return [each for each in times if each is not None]


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 if an event was not answered well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="one short round, to see that it runs")
    args = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        print("wrk is not installed", file=sys.stderr)
        return 2
    seconds, rounds = (1.0, 1) if args.short else (args.seconds, args.rounds)
    loads, (before, after) = compare(seconds, rounds)
    relay, port = (loads[name] for name in ("bare relay", "webhooks"))
    ratio = median(a.rate / b.rate for a, b in zip(port, relay, strict=True))
    for name, found in loads.items():
        rate, cpu = median(each.rate for each in found), median(each.cpu for each in found)
        p99 = median(each.p99 for each in found)
        room = f"room for {1e6 / cpu:6.0f} on a core"
        print(f"{name:12}{rate:9.0f} events/s{cpu:8.0f} µs CPU each, {room}   p99 {p99:6.1f} ms")
    print(f"webhooks / bare relay {ratio:.2f}   ({_WANTED} events/s are asked for)")
    print(f"memory {before / MIB:.1f} -> {after / MIB:.1f} MiB")
    crowds = {"idle": 50, "drip": 20} if args.short else {"idle": 3000, "drip": 1000}
    for name, times in compare_latency(seconds, crowds).items():
        cuts = quantiles(times, n=100)
        print(f"data port, {name:22} p50 {cuts[49]:6.1f} ms   p99 {cuts[98]:6.1f} ms")
    return 1 if any(load.trouble for found in loads.values() for load in found) else 0


if __name__ == "__main__":
    sys.exit(main())
